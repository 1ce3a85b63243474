package embed

import (
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"path/filepath"
	"time"

	etcdembed "go.etcd.io/etcd/server/v3/embed"
)

// EtcdConfig is etcd's own configuration, for the escape hatch of [Config].
type EtcdConfig = etcdembed.Config

// Config is what a member needs to know. Name, Dir and PeerURL are demanded by
// [Start]; Name and Dir by [StartVirtual], which uses only the fields that its
// comment names.
type Config struct {
	// Name is the member's name in the cluster, unique and never reused. It is
	// how a data directory is recognised: a directory that holds a member of
	// another name is refused.
	Name string

	// Dir holds the database and, without WALDir, the log. It is made with mode
	// 0700, locked while the member runs, and never shared.
	Dir string

	// WALDir is a directory for the log, best on a disk of its own, locked like
	// Dir and never shared. If empty, the log is kept in Dir.
	WALDir string

	// PeerURL is the address that other members use, "https://10.0.0.1:4782".
	PeerURL string

	// ListenURL is the address that the member listens on, such as
	// "https://0.0.0.0:4782". If empty, PeerURL.
	ListenURL string

	// InitialCluster are the founders, name to peer URL. If nil, this member
	// founds a cluster alone. It is ignored when Dir holds a member.
	InitialCluster map[string]string

	// Token distinguishes clusters founded with equal names and addresses. If
	// empty, "quorate". It is ignored when Dir holds a member.
	Token string

	// PeerTLS are the certificates between members. It is demanded for an https
	// PeerURL.
	PeerTLS PeerTLS

	// Socket is the path of a unix socket for etcd's own protocol (etcdctl, and
	// other processes of this machine). If empty, there is none. A path of more
	// than 107 bytes is refused: the kernel cannot bind it.
	Socket string

	// SocketMode is the mode of Socket. If zero, 0600.
	SocketMode fs.FileMode

	// Tick is raft's clock and heartbeat, Election the time without a heartbeat
	// after which a new leader is sought. If zero, 100 ms and 1 s. Election is
	// at least five Ticks and at most 50 s; both are whole milliseconds, and
	// equal on all members.
	Tick, Election time.Duration

	// QuotaBytes bounds the database; past it etcd refuses writes until an
	// alarm is lifted. If zero, 512 MiB. It should be equal on all members.
	QuotaBytes int64

	// MinFreeBytes is the free space on the disks of Dir and WALDir under which
	// writes that need space are refused, long before the disk is full: a full
	// disk kills the member. If zero, 128 MiB; if negative, there is no guard.
	MinFreeBytes int64

	// NoFsync never waits for the disk. A crash of the machine then loses
	// acknowledged writes; it is for tests.
	NoFsync bool

	// Logger receives what this package and etcd have to say. If nil, nothing
	// is logged.
	Logger *slog.Logger

	// OnFatal is called once, with what Err returns, when the member dies by
	// itself. It must not block for long: when etcd panics, the process ends as
	// soon as it returns, or after one second.
	OnFatal func(error)

	// EtcdConfig may change etcd's configuration and has the last word. Nothing
	// is promised about a member whose configuration it changed.
	EtcdConfig func(*EtcdConfig)
}

// PeerTLS are the files for TLS between members, PEM encoded. Certificates are
// read again at each handshake, so a file that is replaced atomically is used
// at once; the CA is read once.
type PeerTLS struct {
	CertFile, KeyFile             string   // what this member shows to those who call it
	ClientCertFile, ClientKeyFile string   // what it shows when it calls; if empty, CertFile and KeyFile
	CAFile                        string   // who signs both
	ServerName                    string   // the name every member's certificate carries; if empty, the host of the URL
	AllowedCNs                    []string // the common names of members; if empty, any that CAFile signed
}

const (
	defaultTick     = 100 * time.Millisecond
	defaultElection = time.Second
	defaultQuota    = 512 << 20
	defaultMinFree  = 128 << 20
	maxElection     = 50 * time.Second
	maxSocketPath   = 107 // sun_path is 108 bytes with its closing zero
)

// withDefaults fills what was left out. It is pure.
func (c Config) withDefaults() Config {
	if c.Tick == 0 {
		c.Tick = defaultTick
	}
	if c.Election == 0 {
		c.Election = max(defaultElection, 5*c.Tick)
	}
	if c.QuotaBytes == 0 {
		c.QuotaBytes = defaultQuota
	}
	if c.MinFreeBytes == 0 {
		c.MinFreeBytes = defaultMinFree
	}
	if c.SocketMode == 0 {
		c.SocketMode = 0o600
	}
	if c.Token == "" {
		c.Token = "quorate"
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// check refuses what can be seen to be wrong without touching the machine.
func (c Config) check(virtual bool) error {
	bad := func(what, why, do string) error { return refuse(ErrConfig, "config", what, why, do) }
	switch {
	case c.Name == "":
		return bad("the member has no name", "Config.Name is empty", "set a name that is unique in the cluster")
	case c.Dir == "":
		return bad("the member has no data directory", "Config.Dir is empty", "set a directory that only this member uses")
	case c.Tick < time.Millisecond || c.Tick%time.Millisecond != 0 || c.Election%time.Millisecond != 0:
		return bad(fmt.Sprintf("tick %v and election %v are refused", c.Tick, c.Election), "both are counted in whole milliseconds", "set, say, 100ms and 1s")
	case c.Election < 5*c.Tick || c.Election > maxElection:
		return bad(fmt.Sprintf("election %v is refused", c.Election), fmt.Sprintf("it must be between five ticks (%v) and %v", 5*c.Tick, maxElection), "set, say, ten ticks")
	case c.QuotaBytes < 0:
		return bad("the database quota is refused", "it is negative", "leave it 0 for 512 MiB")
	}
	if virtual {
		return nil
	}
	u, err := url.Parse(c.PeerURL)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return bad(fmt.Sprintf("the peer URL %q is refused", c.PeerURL), "it is not of the form https://host:port", "set, say, https://127.0.0.1:2380")
	}
	if u.Scheme == "https" && (c.PeerTLS.CertFile == "" || c.PeerTLS.KeyFile == "" || c.PeerTLS.CAFile == "") {
		return bad("the peer URL is https without certificates", "PeerTLS needs CertFile, KeyFile and CAFile", "set them, or use http on loopback")
	}
	if c.InitialCluster != nil && c.InitialCluster[c.Name] == "" {
		return bad("this member is not among the founders", fmt.Sprintf("InitialCluster does not name %q", c.Name), "add it with its peer URL")
	}
	return nil
}

// absolute makes the paths independent of later changes of directory.
func (c *Config) absolute() error {
	for _, p := range []*string{&c.Dir, &c.WALDir, &c.Socket} {
		if *p == "" {
			continue
		}
		a, err := filepath.Abs(*p)
		if err != nil {
			return fmt.Errorf("resolve %s: %w", *p, err)
		}
		*p = a
	}
	return nil
}
