package bootstrap

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/quorate/quorate/internal/durable"
	"github.com/quorate/quorate/internal/problem"
)

// StateFormat is the version of the state file that this build writes. It
// reads every version from 1 to this one.
const StateFormat = 2

// stateName is the state file's name in the data directory.
const stateName = "state.json"

var (
	// ErrStateDamaged is returned when the state file exists but cannot be
	// understood.
	ErrStateDamaged = errors.New("bootstrap: state file damaged")
	// ErrStateNewer is returned when the state file was written by a newer
	// build than this one.
	ErrStateNewer = errors.New("bootstrap: state file written by a newer version")
)

// Ports are the ports of a node. In [State] they are those that were chosen for
// it, 0 where none was chosen yet.
type Ports struct {
	Gossip int `json:"gossip,omitempty"` // TCP and UDP
	RPC    int `json:"rpc,omitempty"`    // cluster RPC
	Raft   int `json:"raft,omitempty"`   // etcd's peer port
	Client int `json:"client,omitempty"` // etcd over TLS for clients, only if enabled
}

// A KnownNode is another node as this one remembers it: where it was reached
// last, and its start counter (see [Counter]).
type KnownNode struct {
	ID     string         `json:"id"`
	Name   string         `json:"name,omitempty"` // for people
	Gossip netip.AddrPort `json:"gossip"`
	RPC    netip.AddrPort `json:"rpc"`
	Starts uint64         `json:"starts,omitempty"`
	Boots  []string       `json:"boots,omitempty"`
}

// State is what a node must remember across restarts, kept in one small file
// in its data directory. [Decide] reads it, [Apply] and [Begin] change it, and
// [SaveState] makes a change last before anything is done or said because of it.
//
// The file is a promise: JSON with a format number; a build reads its
// predecessors' files and writes back fields that it does not know.
type State struct {
	// ID is the node ID: 16 lower-case hexadecimal digits, random, chosen once.
	// It is also the etcd member's name. It is never an address or host name,
	// so a re-addressed machine is the same node and a wiped one is another.
	ID string

	Starts uint64 // start counter: how often a process began on this directory
	Boot   string // boot ID of the last of them
	Doubt  uint64 // above Starts: the counter that another node knew of this one, so the disk is an old copy and blocked until a person raises Starts to it

	// Ports are the ports that were chosen for this node where it was left to it.
	Ports Ports

	Attempt  int       // the highest attempt of any roster that this node pledged itself to or aborted
	Pledge   *Roster   // the one roster to which this node has pledged itself
	Started  bool      // it was allowed to start a member on Pledge, and perhaps has
	Member   bool      // its member has taken part in a quorum: the cluster exists
	Aborted  []Hash    // rosters that it never starts by itself; never undone
	Floor    int       // likewise all rosters up to this attempt, but Pledge: Aborted keeps the last 128
	Evidence *Evidence // of a cluster other than that of Pledge; never undone
	Discard  bool      // the member directory is of a roster that was released

	EtcdCluster uint64 // etcd's cluster ID once it is a member, else 0
	EtcdMember  uint64 // etcd's member ID, likewise

	Peers []KnownNode // other nodes by ID, at most 64

	format  int // of the file it was read from; 0 for a new one
	pledged struct {
		of   *Roster // whose hash it is: Pledge, or it is out of date
		hash Hash
	}
	unknown map[string]json.RawMessage
}

// NewState returns the state of a node that has never run, with a fresh ID.
func NewState() State { return State{ID: randomID()} }

// NewBoot returns a boot ID for a process that begins.
func NewBoot() string { return randomID() }

func randomID() string {
	var b [8]byte
	rand.Read(b[:]) // never fails since Go 1.24
	return hex.EncodeToString(b[:])
}

var idPattern = regexp.MustCompile(`^[0-9a-f]{16}$`)

// Begin is the change of state with which a process begins: the start counter
// grows and the boot ID is its own. The result must be saved before anything is
// started or told. d is what the member directory holds.
//
// Nodes of format 1 kept no notes: all of them were single voters, and one that
// has data is a member.
func Begin(s State, boot string, d Data) State {
	if s.Doubt <= s.Starts { // an old disk does not become a new one by starting often
		s.Starts++
	}
	s.Boot = boot
	if s.format == 1 && d == DataWhole {
		s.Started, s.Member = true, true
	}
	s.format = StateFormat
	return s
}

// MemberOf is the roster with which the cluster began of which the node is a
// member, or the zero hash. A single voter of format 1 had no roster; it gets a
// name nobody else has.
func (s State) MemberOf() Hash {
	switch {
	case !s.Member:
		return Hash{}
	case s.Pledge != nil:
		return s.Pledged()
	default:
		return sha256.Sum256([]byte("quorate single v1\n" + s.ID))
	}
}

// Pledged is the hash of the roster to which the node is pledged, or zero.
func (s State) Pledged() Hash {
	if s.Pledge == nil {
		return Hash{}
	}
	if s.pledged.of == s.Pledge {
		return s.pledged.hash
	}
	return s.Pledge.Hash()
}

// bind sets the pledge.
func (s *State) bind(r *Roster) {
	s.Pledge, s.pledged.of, s.pledged.hash = r, r, r.Hash()
}

// HasAborted tells whether the node has aborted that roster.
func (s State) HasAborted(h Hash) bool { return slices.Contains(s.Aborted, h) }

// LoadState reads the state file of the data directory dir. It returns an error
// that wraps fs.ErrNotExist where there is none, [ErrStateDamaged] or
// [ErrStateNewer].
func LoadState(dir string) (State, error) {
	path := filepath.Join(dir, stateName)
	b, err := os.ReadFile(path)
	if err != nil {
		return State{}, fmt.Errorf("read state file: %w", err)
	}
	s, err := parseState(b)
	if err != nil {
		return State{}, stateProblem(path, err)
	}
	return s, nil
}

// SaveState replaces the state file of dir. When it returns nil the new state
// is on disk, whatever happens next: the file is written and fsynced under
// another name, renamed, and the directory fsynced. On an error either the old
// or the new state is there, whole.
func SaveState(dir string, s State) error {
	b, err := s.encode()
	if err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(dir, stateName), b, 0o600); err != nil {
		return fmt.Errorf("write state file: %w", err)
	}
	return nil
}

func stateProblem(path string, err error) error {
	p := problem.Problem{Code: "state-damaged", What: "the state file " + path + " cannot be used", Why: err.Error(),
		Do: "restore it from a backup, or give the node an empty data directory: it then comes back as a new node"}
	if errors.Is(err, ErrStateNewer) {
		p.Code = "state-newer"
		p.Do = "start the version that wrote it, or a newer one"
	}
	return &problem.Error{Problem: p, Err: err}
}
