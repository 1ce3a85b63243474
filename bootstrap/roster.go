package bootstrap

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// MaxVoters is the largest number of voters of a cluster. Each further one makes
// every write slower and survives nothing that seven do not.
const MaxVoters = 7

// ErrRoster is wrapped by the errors about a roster that cannot be one.
var ErrRoster = errors.New("bootstrap: not a roster")

// A Hash is a SHA-256; the zero value says that there is none, and its text is
// empty.
type Hash [sha256.Size]byte

// String is the hash in 64 hexadecimal digits, or nothing.
func (h Hash) String() string {
	if h == (Hash{}) {
		return ""
	}
	return hex.EncodeToString(h[:])
}

// Short is the first 8 digits, for people.
func (h Hash) Short() string {
	if h == (Hash{}) {
		return ""
	}
	return hex.EncodeToString(h[:4])
}

// MarshalText returns the text of String.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads the text of String.
func (h *Hash) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*h = Hash{}
		return nil
	}
	if len(b) != 2*len(h) {
		return fmt.Errorf("read hash: %d characters, want %d", len(b), 2*len(h))
	}
	if _, err := hex.Decode(h[:], b); err != nil {
		return fmt.Errorf("read hash: %w", err)
	}
	return nil
}

// A Founder is a node on a roster, before any member exists: who it is and where
// it is reached.
type Founder struct {
	ID      string         `json:"id"` // node ID
	Gossip  netip.AddrPort `json:"gossip"`
	RPC     netip.AddrPort `json:"rpc"`
	PeerURL string         `json:"peer_url"` // where its member will speak raft
}

// A Roster is a proposal of the voters with which one cluster is to begin. It is
// a value: nothing changes one after it was hashed.
type Roster struct {
	Cluster  string    // the cluster's name
	Voters   int       // how many founders there are, 1 to MaxVoters
	Seeds    Hash      // of the join list, see HashSeeds
	Attempt  int       // from 1; higher than all that its proposer had seen
	Founders []Founder // by ascending ID
}

// NewRoster returns the roster of these founders, in their canonical order.
func NewRoster(cluster string, seeds Hash, attempt int, founders ...Founder) Roster {
	f := slices.Clone(founders)
	slices.SortFunc(f, func(a, b Founder) int { return cmp.Compare(a.ID, b.ID) })
	return Roster{Cluster: cluster, Voters: len(f), Seeds: seeds, Attempt: attempt, Founders: f}
}

// Quorum is how many voters of n are a majority.
func Quorum(n int) int { return n/2 + 1 }

// AbortQuorum is how many of n founders must have aborted a roster before
// anybody may leave it: as many as leave too few for a quorum.
func AbortQuorum(n int) int { return n - Quorum(n) + 1 }

// Hash identifies the roster: a SHA-256 over all of its fields, each with its
// length before it. The encoding never changes; another one gets another first
// line.
func (r Roster) Hash() Hash {
	e := make(encoder, 0, 1024).text("quorate roster v1").text(r.Cluster).number(uint64(r.Voters)).text(string(r.Seeds[:])).
		number(uint64(r.Attempt)).number(uint64(len(r.Founders)))
	for i := range r.Founders {
		f := &r.Founders[i]
		e = e.text(f.ID).addr(f.Gossip).addr(f.RPC).text(f.PeerURL)
	}
	return sha256.Sum256(e)
}

// Token is etcd's initial cluster token. It contains the roster's hash, and etcd
// derives its member and cluster IDs from it, so that two formations can never
// talk to each other.
func (r Roster) Token() string { return "quorate/v1/" + r.Cluster + "/" + r.Hash().String() }

// InitialCluster is etcd's initial cluster: the peer URL of each member by its
// name, which is its node ID.
func (r Roster) InitialCluster() map[string]string {
	m := make(map[string]string, len(r.Founders))
	for _, f := range r.Founders {
		m[f.ID] = f.PeerURL
	}
	return m
}

// Founder returns the founder with that node ID.
func (r Roster) Founder(id string) (Founder, bool) {
	for _, f := range r.Founders {
		if f.ID == id {
			return f, true
		}
	}
	return Founder{}, false
}

// Equal tells whether two rosters are the same one. It is what comparing their
// hashes says, sooner.
func (r Roster) Equal(o Roster) bool {
	return r.Cluster == o.Cluster && r.Voters == o.Voters && r.Seeds == o.Seeds && r.Attempt == o.Attempt && slices.Equal(r.Founders, o.Founders)
}

// Check tells why this is not a roster: a count that is wrong, founders out of
// order or twice, or without what a founder must have. The error wraps
// ErrRoster.
func (r Roster) Check() error {
	switch {
	case r.Cluster == "" || len(r.Cluster) > 63:
		return fmt.Errorf("%w: its cluster name has %d bytes", ErrRoster, len(r.Cluster))
	case r.Voters < 1 || r.Voters > MaxVoters:
		return fmt.Errorf("%w: %d voters", ErrRoster, r.Voters)
	case len(r.Founders) != r.Voters:
		return fmt.Errorf("%w: %d founders for %d voters", ErrRoster, len(r.Founders), r.Voters)
	case r.Attempt < 1:
		return fmt.Errorf("%w: attempt %d", ErrRoster, r.Attempt)
	}
	for i, f := range r.Founders {
		if err := f.check(); err != nil {
			return err
		}
		if r.Voters > 1 && (!f.Gossip.IsValid() || !f.RPC.IsValid()) {
			return fmt.Errorf("%w: founder %s has no address", ErrRoster, f.ID)
		}
		for _, g := range r.Founders[:i] {
			switch {
			case g.ID >= f.ID:
				return fmt.Errorf("%w: founders %s and %s are out of order", ErrRoster, g.ID, f.ID)
			case g.PeerURL == f.PeerURL, g.Gossip == f.Gossip, g.RPC == f.RPC:
				return fmt.Errorf("%w: founders %s and %s share an address", ErrRoster, g.ID, f.ID)
			}
		}
	}
	return nil
}

func (f Founder) check() error {
	switch {
	case !idPattern.MatchString(f.ID):
		return fmt.Errorf("%w: founder ID %.32q", ErrRoster, f.ID)
	case f.PeerURL == "" || len(f.PeerURL) > 255:
		return fmt.Errorf("%w: peer URL %.32q of founder %s", ErrRoster, f.PeerURL, f.ID)
	}
	return nil
}

// HashSeeds identifies a join list, whatever its order: nodes form a cluster
// only with those that have the same one. The texts are the canonical ones of
// [SeedTexts].
func HashSeeds(seeds []string) Hash {
	l := slices.Compact(slices.Sorted(slices.Values(seeds)))
	return sha256.Sum256(make(encoder, 0, 256).text("quorate seeds v1").text(strings.Join(l, "\n")))
}

// addrText is empty for no address.
func addrText(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// encoder writes fields one after the other, so that no two lists of them give
// the same bytes.
type encoder []byte

func (e encoder) number(n uint64) encoder { return binary.BigEndian.AppendUint64(e, n) }

func (e encoder) text(s string) encoder { return append(e.number(uint64(len(s))), s...) }

func (e encoder) addr(a netip.AddrPort) encoder {
	at := len(e)
	e = e.number(0)
	if a.IsValid() {
		e = a.AppendTo(e)
	}
	binary.BigEndian.PutUint64(e[at:], uint64(len(e)-at-8))
	return e
}
