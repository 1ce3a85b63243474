package bootstrap

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
)

// stateJSON is the state file of format 2. Everything that is empty is left out.
type stateJSON struct {
	Format      int         `json:"format"`
	ID          string      `json:"id"`
	Starts      uint64      `json:"starts,omitempty"`
	Boot        string      `json:"boot,omitempty"`
	Doubt       uint64      `json:"doubt,omitempty"`
	Ports       Ports       `json:"ports,omitzero"`
	Attempt     int         `json:"attempt,omitempty"`
	Pledge      *Roster     `json:"pledge,omitempty"`
	Started     bool        `json:"started,omitempty"`
	Member      bool        `json:"member,omitempty"`
	Aborted     []Hash      `json:"aborted,omitempty"`
	Floor       int         `json:"floor,omitempty"`
	Evidence    *Evidence   `json:"evidence,omitempty"`
	Discard     bool        `json:"discard,omitempty"`
	EtcdCluster hexID       `json:"etcd_cluster,omitempty"`
	EtcdMember  hexID       `json:"etcd_member,omitempty"`
	Peers       []KnownNode `json:"peers,omitempty"`
}

// hexID is an ID of etcd as etcd's own tools show it. JSON numbers lose digits.
type hexID uint64

func (h hexID) MarshalText() ([]byte, error) { return strconv.AppendUint(nil, uint64(h), 16), nil }

func (h *hexID) UnmarshalText(b []byte) error {
	n, err := strconv.ParseUint(string(b), 16, 64)
	if err != nil {
		return fmt.Errorf("read etcd ID: %w", err)
	}
	*h = hexID(n)
	return nil
}

// stateKeys are the fields of all formats up to this one; all others are kept as
// they are.
var stateKeys = []string{"format", "id", "starts", "boot", "doubt", "ports", "raft_port", "attempt", "pledge", "started", "member", "aborted", "floor",
	"evidence", "discard", "etcd_cluster", "etcd_member", "peers"}

func (s State) encode() ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("encode state: %w", err)
	}
	known, err := json.Marshal(stateJSON{
		Format: StateFormat, ID: s.ID, Starts: s.Starts, Boot: s.Boot, Doubt: s.Doubt, Ports: s.Ports, Attempt: s.Attempt, Pledge: s.Pledge,
		Started: s.Started, Member: s.Member, Aborted: s.Aborted, Floor: s.Floor, Evidence: s.Evidence, Discard: s.Discard,
		EtcdCluster: hexID(s.EtcdCluster), EtcdMember: hexID(s.EtcdMember), Peers: s.Peers,
	})
	if err != nil {
		return nil, fmt.Errorf("encode state: %w", err)
	}
	fields := maps.Clone(s.unknown)
	if fields == nil {
		fields = map[string]json.RawMessage{}
	}
	if err := json.Unmarshal(known, &fields); err != nil { // merges
		return nil, fmt.Errorf("encode state: %w", err)
	}
	b, err := json.MarshalIndent(fields, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode state: %w", err)
	}
	return append(b, '\n'), nil
}

func parseState(b []byte) (State, error) {
	var head struct {
		Format   int `json:"format"`
		RaftPort int `json:"raft_port"` // format 1
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return State{}, fmt.Errorf("%w: %w", ErrStateDamaged, err)
	}
	switch {
	case head.Format > StateFormat:
		return State{}, fmt.Errorf("%w: its format is %d, this build knows up to %d", ErrStateNewer, head.Format, StateFormat)
	case head.Format < 1:
		return State{}, fmt.Errorf("%w: it has no format number", ErrStateDamaged)
	}
	var j stateJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return State{}, fmt.Errorf("%w: %w", ErrStateDamaged, err)
	}
	s := State{
		ID: j.ID, Starts: j.Starts, Boot: j.Boot, Doubt: j.Doubt, Ports: j.Ports, Attempt: j.Attempt, Pledge: j.Pledge,
		Started: j.Started, Member: j.Member, Aborted: j.Aborted, Floor: j.Floor, Evidence: j.Evidence, Discard: j.Discard,
		EtcdCluster: uint64(j.EtcdCluster), EtcdMember: uint64(j.EtcdMember), Peers: j.Peers, format: head.Format,
	}
	if j.Pledge != nil {
		s.bind(j.Pledge)
	}
	if head.Format == 1 {
		s.Ports.Raft = head.RaftPort
	}
	if err := s.check(); err != nil {
		return State{}, fmt.Errorf("%w: %w", ErrStateDamaged, err)
	}
	if err := json.Unmarshal(b, &s.unknown); err != nil {
		return State{}, fmt.Errorf("%w: %w", ErrStateDamaged, err)
	}
	for _, k := range stateKeys {
		delete(s.unknown, k)
	}
	return s, nil
}

// check tells why this cannot be the state of a node. A file that says two
// things at once was not written by us, and what it leaves out may be what makes
// acting on it safe.
func (s State) check() error {
	if !idPattern.MatchString(s.ID) {
		return fmt.Errorf("its node ID %.32q is not 16 hexadecimal digits", s.ID)
	}
	for _, p := range []struct {
		what string
		port int
	}{{"gossip", s.Ports.Gossip}, {"rpc", s.Ports.RPC}, {"raft", s.Ports.Raft}, {"client", s.Ports.Client}} {
		if p.port < 0 || p.port > 65535 {
			return fmt.Errorf("its %s port is %d", p.what, p.port)
		}
	}
	if s.Pledge != nil {
		if err := s.Pledge.Check(); err != nil {
			return fmt.Errorf("its pledge is %w", err)
		}
		if _, ok := s.Pledge.Founder(s.ID); !ok {
			return fmt.Errorf("its pledge is a roster without node %s", s.ID)
		}
	}
	switch {
	case s.Started && s.Pledge == nil && !s.Member:
		return fmt.Errorf("it has started on no roster")
	case s.Member && !s.Started:
		return fmt.Errorf("it is a member that never started")
	case s.Attempt < 0 || s.Floor < 0:
		return fmt.Errorf("its attempt is %d, its floor %d", s.Attempt, s.Floor)
	}
	return nil
}
