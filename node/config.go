package node

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/quorate/quorate/embed"
	"github.com/quorate/quorate/internal/pki"
)

// Config says how a node runs. The zero value works: a single node on a
// temporary directory that is usable at once.
//
// There are two kinds of node. Without Join it is a single node: its DataDir may
// be empty, and Cluster and Secret are refused, so that a forgotten Join cannot
// make three islands out of three machines. With Join it is one of several that
// form a cluster: DataDir, Cluster and Secret are demanded. No other field
// changes the kind.
type Config struct {
	// Name is what people call this node in Status, events and lock owners.
	// It is never an identity: two nodes may share it, and it may change. If
	// empty, the host name.
	Name string

	// Cluster is the cluster's name, the same on all its nodes: 1 to 63 of a-z,
	// 0-9 and "-". It separates clusters that share a network and goes into
	// every key that is derived from Secret. It needs Join.
	Cluster string

	// Join lists the gossip addresses of the machines that form the cluster, the
	// same list on all of them, this one included: IP addresses, with a port
	// where it is not the default of 4780. It is used until the cluster has
	// formed, and to find each other again later. If empty, a single node.
	Join []string

	// Voters is how many nodes form the cluster: 1 to 7, at least a majority of
	// Join, and best odd, since an even number survives no more failures than
	// one less and is shown as a Problem. All of them must be present once, at
	// the forming. It needs Join. If zero, the length of Join.
	Voters int

	// Secret is the cluster's secret, the same on all its nodes, made by peer
	// secret new or NewSecret. Whoever has it is a voter. It needs Join.
	Secret Secret

	// Listen is the IP address on which gossip, cluster RPC and raft listen. It
	// needs Join. If empty, all addresses, or the loopback address if Join has
	// no others.
	Listen string

	// Advertise is the IP address under which the other nodes reach this one. It
	// needs Join. If empty, the entry of Join that is this machine's, else the
	// address from which packets to the first entry leave.
	Advertise string

	// BasePort is the gossip port (TCP and UDP); cluster RPC and raft are on the
	// next two (TCP). It needs Join. If zero, 4780.
	BasePort int

	// Ports sets the ports one by one, instead of BasePort; 0 in it is a free
	// port that is chosen once and kept in DataDir. It needs Join. If nil, from
	// BasePort.
	Ports *Ports

	// DataDir is the directory that holds everything this node must keep. It is
	// created with mode 0700, used by one process at a time, and must not be
	// copied to another machine. If empty, a temporary directory that Close
	// removes.
	DataDir string

	// WALDir is a directory for etcd's write-ahead log alone, for a faster disk
	// of its own. It is fixed with the first start on a DataDir, and is refused
	// without one. If empty, inside DataDir.
	WALDir string

	// TLS names certificate files of your own for the traffic between members.
	// If zero, certificates are derived from a secret that is generated into
	// DataDir. A single node uses TLS too, so that it can grow.
	TLS TLS

	// Socket is the path of the control socket; etcd's gRPC socket, etcd.sock,
	// stands beside it, so every node needs a directory of its own here. Both
	// have mode 0600. At most 107 bytes, for etcd.sock too. If empty,
	// peer.sock in DataDir.
	Socket string

	// SocketGroup is a group, by name or number, whose members may use both
	// sockets: they get mode 0660 and a directory that is created gets 0750.
	// It needs Socket, since DataDir stays closed to others. If empty, only
	// the owner may.
	SocketGroup string

	// TTL is how long what this node holds outlives it: the time after which
	// the locks of a dead process are free. At least 2 s; whole seconds. If
	// zero, 10 s. A recipe may ask for another one.
	TTL time.Duration

	// Timing is raft's clock. If zero, 10 ms and 100 ms for a single node, 100 ms
	// and 1 s for others. It must be the same on all nodes.
	Timing Timing

	// CertLifetime is the life of derived certificates, at least an hour, for
	// those whose auditors ask; they are renewed in the running process when a
	// third of it is left, and a wrong clock then matters. If zero, they have
	// no practical end. It is refused together with TLS.
	CertLifetime time.Duration

	// CloseTimeout bounds Close: callbacks that hold a lock have this long to
	// return before the node stops without giving their locks back, which then
	// end with their leases. If zero, 10 s.
	CloseTimeout time.Duration

	// Logger receives what the node, etcd and the recipes log. If nil, nothing
	// is logged.
	Logger *slog.Logger

	// OnFatal is called once, on a goroutine of etcd's, when etcd reports an
	// error it cannot survive; the member is dead from then on. It must not
	// block. If nil, Done and Err tell alone.
	OnFatal func(error)

	// EtcdConfig may change etcd's own configuration last of all. It can break
	// every promise made here. If nil, nothing is changed.
	EtcdConfig func(*embed.EtcdConfig)
}

// Ports are the ports of a node in a cluster, TCP, and for Gossip UDP too.
type Ports struct {
	Gossip, RPC, Raft int
}

// Timing is raft's clock: Tick is the time between heartbeats, Election the
// silence after which a member calls an election. Election is at least five
// and at most 500 times Tick, and at most 50 s; Tick at least 1 ms.
type Timing struct {
	Tick, Election time.Duration
}

// TLS names the files of a bring-your-own public-key infrastructure, PEM
// encoded. Keys must be readable by their owner only.
type TLS struct {
	CAFile         string // certificates that members' certificates are checked against
	CertFile       string // this member's server certificate
	KeyFile        string // its key
	ClientCertFile string // this member's client certificate; if empty, CertFile
	ClientKeyFile  string // its key; if empty, KeyFile
	ServerName     string // the DNS name that every member's CertFile carries

	// AllowedCNs are the common names that members' certificates may carry. If
	// empty, any certificate of the CA may speak raft, so set it unless the CA
	// signs for members alone.
	AllowedCNs []string
}

func (t TLS) isZero() bool {
	return t.CAFile == "" && t.CertFile == "" && t.KeyFile == "" && t.ClientCertFile == "" &&
		t.ClientKeyFile == "" && t.ServerName == "" && len(t.AllowedCNs) == 0
}

const (
	defaultTTL          = 10 * time.Second
	minTTL              = 2 * time.Second
	defaultCloseTimeout = 10 * time.Second
	minCertLifetime     = time.Hour
	minFreeBytes        = 128 << 20
)

// check fills defaults and refuses contradictions. It touches no file.
func (c *Config) check() error {
	if c.Name == "" {
		h, err := os.Hostname()
		if err != nil || h == "" {
			h = "localhost"
		}
		c.Name = h
	}
	if c.TTL == 0 {
		c.TTL = defaultTTL
	}
	if c.Timing == (Timing{}) {
		c.Timing = Timing{Tick: 10 * time.Millisecond, Election: 100 * time.Millisecond}
		if len(c.Join) > 0 {
			c.Timing = Timing{Tick: 100 * time.Millisecond, Election: time.Second}
		}
	}
	if c.CloseTimeout == 0 {
		c.CloseTimeout = defaultCloseTimeout
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	for _, p := range []*string{&c.DataDir, &c.WALDir, &c.Socket} {
		if *p == "" {
			continue
		}
		abs, err := filepath.Abs(*p)
		if err != nil {
			return fmt.Errorf("resolve %s: %w", *p, err)
		}
		*p = abs
	}
	switch t := c.Timing; {
	case c.WALDir != "" && c.DataDir == "":
		return refuse("WALDir is set without DataDir", "a log cannot be kept for a node that is not", "set DataDir")
	case c.SocketGroup != "" && c.Socket == "":
		return refuse("SocketGroup is set without Socket", "the socket would be in DataDir, which stays closed to others", "set Socket to a path in a directory of its own, such as /run/peer/peer.sock")
	case c.TTL < minTTL || c.TTL%time.Second != 0:
		return refuse(fmt.Sprintf("TTL is %v", c.TTL), "leases last whole seconds, and under 2 s an election alone would end them", "set TTL to 2s or more, in whole seconds")
	case t.Tick < time.Millisecond || t.Election < 5*t.Tick || t.Election > 500*t.Tick || t.Election > 50*time.Second:
		return refuse(fmt.Sprintf("Timing is %v and %v", t.Tick, t.Election), "Election must be 5 to 500 times Tick and at most 50s, Tick at least 1ms", "leave Timing zero, or set both")
	case c.CertLifetime != 0 && !c.TLS.isZero():
		return refuse("CertLifetime is set together with TLS", "certificates of your own are not renewed by the node", "drop one of the two")
	case c.CertLifetime != 0 && c.CertLifetime < minCertLifetime:
		return refuse(fmt.Sprintf("CertLifetime is %v", c.CertLifetime), "it would end before it could be renewed with care", "set CertLifetime to 1h or more, or leave it zero")
	case c.CloseTimeout < 0:
		return refuse(fmt.Sprintf("CloseTimeout is %v", c.CloseTimeout), "a bound cannot be negative", "leave CloseTimeout zero for 10s")
	}
	return c.checkKind()
}

func refuse(what, why, do string) error {
	return &Error{Problem: Problem{Code: "config", What: what, Why: why, Do: do}, Err: ErrConfig}
}

func (t TLS) own() pki.Own {
	return pki.Own{CAFile: t.CAFile, CertFile: t.CertFile, KeyFile: t.KeyFile,
		ClientCertFile: t.ClientCertFile, ClientKeyFile: t.ClientKeyFile, ServerName: t.ServerName, AllowedCNs: t.AllowedCNs}
}
