package bootstrap

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// AnswerFormat is the version of what a node attests of itself. A build reads
// all versions and ignores fields that it does not know; a change that an older
// build must not misread is a new format with the old fields left out.
const AnswerFormat = 1

// MaxAnswer is the largest answer that is read, in bytes.
const MaxAnswer = 64 << 10

// maxKnown bounds the lists of other nodes in answers and in the state file.
const maxKnown = 64

// maxAborted bounds the aborted rosters in an answer that is read. A node of
// ours attests far fewer.
const maxAborted = 512

// ErrAnswer is wrapped by the errors about an answer that cannot be understood.
var ErrAnswer = errors.New("bootstrap: not an answer")

// Evidence says that a member of a cluster was seen. It is never forgotten: who
// has it does not form another cluster.
type Evidence struct {
	Roster Hash   `json:"roster"` // with which that cluster began
	By     string `json:"by"`     // ID of the node that attested it
}

// A Counter is the start counter of a node as others know it: the highest that
// they saw, and every boot ID that they saw since. More than one boot ID, or a
// higher counter than the node's own, means that it runs twice or on an old copy
// of its disk.
type Counter struct {
	ID     string   `json:"id"`
	Starts uint64   `json:"starts"`
	Boots  []string `json:"boots"`
}

// An Answer is what a node attests of itself over the cluster RPC, at the moment
// when it was asked. Everything in it was on the node's disk before.
type Answer struct {
	Format    int       `json:"format"`
	ID        string    `json:"id"`
	Boot      string    `json:"boot"`           // of this process
	Starts    uint64    `json:"starts"`         // start counter
	Name      string    `json:"name,omitempty"` // for people
	Version   string    `json:"version"`        // of the program
	Cluster   string    `json:"cluster"`        // name
	Voters    int       `json:"voters"`         // as configured
	Seeds     Hash      `json:"seeds"`          // of the configured join list
	Join      []string  `json:"join,omitempty"` // the join list itself, for people
	Advertise Founder   `json:"advertise"`      // its own addresses
	JoinOnly  bool      `json:"join_only,omitempty"`
	Attempt   int       `json:"attempt"`           // the highest that it has pledged itself to or aborted
	Pledge    *Roster   `json:"pledge,omitempty"`  // durable, at most one
	Started   bool      `json:"started,omitempty"` // it has started a member on Pledge; no proof that a cluster exists
	Member    Hash      `json:"member,omitzero"`   // the roster of the cluster of which it is a member: a quorum has started
	Aborted   []Hash    `json:"aborted,omitempty"` // rosters that it will never start by itself
	Floor     int       `json:"floor,omitempty"`   // likewise all rosters up to this attempt, but its pledge
	Evidence  *Evidence `json:"evidence,omitempty"`
	Known     []Counter `json:"known,omitempty"` // what it knows of others
}

// Own is what a node knows of itself without its state: its configuration and
// addresses.
type Own struct {
	Cluster   string   // name
	Voters    int      // 1 to MaxVoters
	Join      []string // the canonical join list, see [SeedTexts]; empty for a single node
	JoinOnly  bool     // never form, only join
	Name      string   // for people
	Version   string   // of the program
	Advertise Founder  // its addresses now; ID is the node's
}

// Attest returns what the node says of itself. s must be what is on disk.
func Attest(s State, o Own) Answer {
	a := Answer{
		Format: AnswerFormat, ID: s.ID, Boot: s.Boot, Starts: s.Starts, Name: o.Name, Version: o.Version,
		Cluster: o.Cluster, Voters: o.Voters, Seeds: HashSeeds(o.Join), Join: o.Join, Advertise: o.Advertise, JoinOnly: o.JoinOnly,
		Attempt: s.Attempt, Pledge: s.Pledge, Started: s.Started, Aborted: s.Aborted, Floor: s.Floor, Evidence: s.Evidence, Member: s.MemberOf(),
	}
	for _, p := range s.Peers {
		if p.Starts > 0 {
			a.Known = append(a.Known, Counter{p.ID, p.Starts, p.Boots})
		}
	}
	return a
}

// ParseAnswer reads an answer. The error wraps [ErrAnswer] or [ErrRoster].
func ParseAnswer(b []byte) (Answer, error) {
	var a Answer
	if len(b) > MaxAnswer {
		return Answer{}, fmt.Errorf("%w: it has %d bytes, %d are read", ErrAnswer, len(b), MaxAnswer)
	}
	if err := json.Unmarshal(b, &a); err != nil {
		return Answer{}, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	if err := a.check(); err != nil {
		return Answer{}, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	return a, nil
}

func (a Answer) check() error {
	switch {
	case a.Format < 1:
		return errors.New("it has no format number")
	case !idPattern.MatchString(a.ID):
		return fmt.Errorf("its node ID is %.32q", a.ID)
	case a.Boot == "" || len(a.Boot) > 64 || len(a.Name) > 255 || len(a.Version) > 64 || len(a.Cluster) > 63:
		return errors.New("a text in it is empty or too long")
	case a.Advertise.ID != a.ID:
		return fmt.Errorf("it is of %s and advertises %.32q", a.ID, a.Advertise.ID)
	case len(a.Aborted) > maxAborted || len(a.Known) > maxKnown || len(a.Join) > maxKnown:
		return errors.New("a list in it is too long")
	case a.Started && a.Pledge == nil && a.Member == (Hash{}): // a member may be of a cluster that began as a single node, without a roster
		return errors.New("it has started on no roster")
	}
	if a.Pledge != nil {
		if _, ok := a.Pledge.Founder(a.ID); !ok {
			return errors.New("it pledges a roster on which it is not")
		}
	}
	return a.Advertise.check()
}

// renounces tells whether the node will never start that roster by itself: it
// has aborted it, or is bound elsewhere for good. No node takes that back.
func (a *Answer) renounces(r *Roster, h Hash) bool {
	if slices.Contains(a.Aborted, h) {
		return true
	}
	if a.Pledge != nil && a.Pledge.Equal(*r) {
		return false
	}
	return a.Member != Hash{} || a.Evidence != nil || r.Attempt <= a.Floor
}

// holds tells whether the node is bound to that roster.
func (a *Answer) holds(r *Roster, h Hash) bool {
	return a.Pledge != nil && a.Pledge.Equal(*r) && !slices.Contains(a.Aborted, h)
}

// aborted tells whether the node has aborted the roster to which it is pledged.
func (a *Answer) aborted() bool {
	return len(a.Aborted) > 0 && !a.Started && slices.Contains(a.Aborted, a.Pledge.Hash())
}
