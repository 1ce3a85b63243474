package bootstrap

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"

	"github.com/quorate/quorate/internal/durable"
	"github.com/quorate/quorate/internal/problem"
)

// StateFormat is the version of the state file that this build writes. It
// reads every version from 1 to this one.
const StateFormat = 1

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

// State is what a node must remember across restarts, kept in one small file
// in its data directory.
//
// The file is a promise: JSON with a format number; a build reads its
// predecessors' files and writes back fields that it does not know.
type State struct {
	// ID is the node ID: 16 lower-case hexadecimal digits, random, chosen once.
	// It is also the etcd member's name. It is never an address or host name,
	// so a re-addressed machine is the same node and a wiped one is another.
	ID string

	// RaftPort is the TCP port that was chosen for raft, 1-65535; 0 if none was
	// chosen yet.
	RaftPort int

	unknown map[string]json.RawMessage
}

// NewState returns the state of a node that has never run, with a fresh ID.
func NewState() State {
	var b [8]byte
	rand.Read(b[:]) // never fails since Go 1.24
	return State{ID: hex.EncodeToString(b[:])}
}

var idPattern = regexp.MustCompile(`^[0-9a-f]{16}$`)

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

func (s State) encode() ([]byte, error) {
	if !idPattern.MatchString(s.ID) {
		return nil, fmt.Errorf("encode state: node ID %q is not 16 hexadecimal digits", s.ID)
	}
	fields := maps.Clone(s.unknown)
	if fields == nil {
		fields = map[string]json.RawMessage{}
	}
	fields["format"] = json.RawMessage(fmt.Sprint(StateFormat))
	fields["id"] = json.RawMessage(`"` + s.ID + `"`)
	delete(fields, "raft_port")
	if s.RaftPort != 0 {
		fields["raft_port"] = json.RawMessage(fmt.Sprint(s.RaftPort))
	}
	b, err := json.MarshalIndent(fields, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode state: %w", err)
	}
	return append(b, '\n'), nil
}

func parseState(b []byte) (State, error) {
	var known struct {
		Format   int    `json:"format"`
		ID       string `json:"id"`
		RaftPort int    `json:"raft_port"`
	}
	if err := json.Unmarshal(b, &known); err != nil {
		return State{}, fmt.Errorf("%w: %w", ErrStateDamaged, err)
	}
	switch {
	case known.Format > StateFormat:
		return State{}, fmt.Errorf("%w: its format is %d, this build knows up to %d", ErrStateNewer, known.Format, StateFormat)
	case known.Format < 1:
		return State{}, fmt.Errorf("%w: it has no format number", ErrStateDamaged)
	case !idPattern.MatchString(known.ID):
		return State{}, fmt.Errorf("%w: its node ID %q is not 16 hexadecimal digits", ErrStateDamaged, known.ID)
	case known.RaftPort < 0 || known.RaftPort > 65535:
		return State{}, fmt.Errorf("%w: its raft port is %d", ErrStateDamaged, known.RaftPort)
	}
	s := State{ID: known.ID, RaftPort: known.RaftPort}
	if err := json.Unmarshal(b, &s.unknown); err != nil {
		return State{}, fmt.Errorf("%w: %w", ErrStateDamaged, err)
	}
	for _, k := range []string{"format", "id", "raft_port"} {
		delete(s.unknown, k)
	}
	return s, nil
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
