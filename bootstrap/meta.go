package bootstrap

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/memberlist"
)

// MetaFormat is the version of what a node tells about itself by gossip.
const MetaFormat = 1

// A Peer is a node as gossip shows it. Gossip is a hint: it says where to ask,
// never what to decide, for whoever holds the gossip key can say anything, and
// a restarted node's old words stay for a while.
type Peer struct {
	ID      string // node ID
	Name    string // for people; at most 64 bytes arrive
	Boot    string // the process: another one after each start
	Phase   string // where it stands: "waiting", "pledged", "started", "member", "blocked"
	Member  string // the first 16 digits of its roster's hash once it is a member, else empty
	Version string // of the program
	Gossip  netip.AddrPort
	RPC     netip.AddrPort
	Raft    netip.AddrPort

	Alive   bool      // gossip reaches it, by UDP or TCP
	Foreign bool      // a member of another cluster with our name and secret; gossip keeps it out
	Since   time.Time // when Alive last changed
	UDP     time.Time // its last direct answer by UDP; zero if none. Alive without it for 15 s means that UDP is blocked
}

var (
	errMeta     = errors.New("not a gossip meta of ours")
	errStranger = errors.New("of another cluster")
)

// meta is the JSON of a node's gossip meta: short names, since memberlist has
// room for 512 bytes, and panics beyond. Fields that a build does not know are
// ignored, so that later ones can add some; a higher format only says so.
type meta struct {
	Format  int            `json:"f"`
	Cluster string         `json:"c"`
	Name    string         `json:"n,omitempty"`
	Boot    string         `json:"b"`
	Phase   string         `json:"p,omitempty"`
	Member  string         `json:"m,omitempty"`
	Version string         `json:"v,omitempty"`
	RPC     netip.AddrPort `json:"r"`
	Raft    netip.AddrPort `json:"t"`
}

const (
	nameMax  = 64
	shortMax = 32 // phase, version, boot
	hashLen  = 16 // hexadecimal digits of a shortened hash
)

// clusterHash tells clusters apart in gossip without telling their names.
func clusterHash(cluster string) string {
	h := sha256.Sum256([]byte("quorate/v1/gossip\x00" + cluster))
	return hex.EncodeToString(h[:8])
}

// encodeMeta never exceeds what memberlist takes: what is only for people is cut
// or left out.
func encodeMeta(cluster string, p Peer) []byte {
	m := meta{
		Format: MetaFormat, Cluster: clusterHash(cluster), Name: tidy(p.Name, nameMax), Boot: tidy(p.Boot, shortMax), Phase: tidy(p.Phase, shortMax),
		Member: tidy(p.Member, hashLen), Version: tidy(p.Version, shortMax), RPC: p.RPC, Raft: p.Raft,
	}
	for _, drop := range []func(){func() { m.Name = "" }, func() { m.Version, m.Phase = "", "" }, func() { m.Boot, m.Member = "", "" }} {
		if b, err := json.Marshal(m); err == nil && len(b) <= memberlist.MetaMaxSize {
			return b
		}
		drop()
	}
	b, err := json.Marshal(m)
	if err != nil { // an AddrPort with a zone that cannot be text; there is none
		return nil
	}
	return b
}

// decodeMeta reads the meta of a node of that cluster; errMeta or errStranger.
// What it returns is safe to show: lengths are bounded and nothing is
// unprintable.
func decodeMeta(cluster, id string, gossip netip.AddrPort, b []byte) (Peer, error) {
	if len(b) > memberlist.MetaMaxSize {
		return Peer{}, fmt.Errorf("%w: it has %d bytes", errMeta, len(b))
	}
	var m meta
	if err := json.Unmarshal(b, &m); err != nil {
		return Peer{}, fmt.Errorf("%w: %w", errMeta, err)
	}
	switch {
	case m.Format < 1:
		return Peer{}, fmt.Errorf("%w: it has no format number", errMeta)
	case m.Cluster != clusterHash(cluster):
		return Peer{}, errStranger
	case !idPattern.MatchString(id):
		return Peer{}, fmt.Errorf("%w: %q is no node ID", errMeta, id)
	case !reachable(gossip) || !reachable(m.RPC) || !reachable(m.Raft):
		return Peer{}, fmt.Errorf("%w: its addresses %s, %s, %s cannot be reached", errMeta, gossip, m.RPC, m.Raft)
	case m.Member != "" && !shortHash.MatchString(m.Member):
		return Peer{}, fmt.Errorf("%w: its roster is %q", errMeta, m.Member)
	}
	return Peer{
		ID: id, Name: tidy(m.Name, nameMax), Boot: tidy(m.Boot, shortMax), Phase: tidy(m.Phase, shortMax), Member: m.Member, Version: tidy(m.Version, shortMax),
		Gossip: unmap(gossip), RPC: unmap(m.RPC), Raft: unmap(m.Raft),
	}, nil
}

var shortHash = regexp.MustCompile(`^[0-9a-f]{16}$`)

// reachable says that a node may have told that address; see unusable.
func reachable(a netip.AddrPort) bool {
	why, _ := unusable(a.Addr().Unmap())
	return a.IsValid() && a.Port() != 0 && why == ""
}

func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// tidy keeps at most n bytes of s, whole runes, and only what can be printed.
func tidy(s string, n int) string {
	if len(s) > 4*n {
		s = s[:4*n]
	}
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
	for len(s) > n {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return s
}
