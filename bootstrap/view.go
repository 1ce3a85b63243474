package bootstrap

import (
	"net/netip"
	"time"
)

// Data is what the member directory holds.
type Data int

const (
	// DataNone: there is no WAL.
	DataNone Data = iota
	// DataEmpty: a WAL with metadata and nothing else, left by a process that
	// died inside etcd's first start. No such member has ever sent a message.
	DataEmpty
	// DataWhole: a WAL with entries or a hard state; also all the while a member
	// runs in this process, whatever is on its disk.
	DataWhole
)

// A View is all that a decision is made from besides the node's own [State]:
// what it knows of itself, and what others answered. It is gathered in rounds:
// one round asks every address once, and what it brings is used for one decision
// and then is no longer Fresh.
type View struct {
	Own
	Data  Data
	Ready bool // the member in this process has published its name through raft: a quorum has started

	EtcdCluster uint64 // etcd's IDs in the member directory, 0 if not known
	EtcdMember  uint64

	Seeds []Seed // the join list, each address once
	Nodes []Seen // other nodes, and this one if another process answers with its ID
}

// A Seed is one address of the join list and who answered there.
type Seed struct {
	Addr  netip.AddrPort // gossip address, as configured
	By    string         // ID of the node that answered a direct call there in this round, "" if none
	Fault Fault          // why none did
	Text  string         // the error of the call, for people
	For   time.Duration  // how long it has been so; for people, never for a decision
}

// Fault is why a direct call brought no answer.
type Fault string

const (
	FaultNone     Fault = ""
	FaultSilent   Fault = "silent"       // no connection, no answer in time
	FaultSecret   Fault = "other-secret" // TLS says that it has another secret or cluster name
	FaultStranger Fault = "stranger"     // something answers that is no node of ours
	FaultVersion  Fault = "version"      // a node whose answer this build does not understand
	FaultDates    Fault = "dates"        // its certificate, or ours, is expired or not valid yet
)

// Seen is what is known of a node: its last answer, and how good it is.
type Seen struct {
	ID     string         // node ID
	Addr   netip.AddrPort // where it was asked: the address of its cluster RPC
	Answer *Answer        // the last one, nil if it never answered

	// Fresh: the answer was given to a question of this round, which its nonce
	// proves. All decisions but two need that: evidence and aborts are never
	// undone, so an old answer says it as well as a new one.
	Fresh bool
	// Stable: it had the same boot ID at the look before, at least 500 ms ago.
	Stable bool
	// Silent: no answer for 60 s, or since this process began if that is shorter
	// than 60 s ago only after that time.
	Silent bool

	Fault Fault         // why there is no fresh answer
	Text  string        // the error of the call, for people
	For   time.Duration // how long it has been silent; for people
}

// Kind is what a [Plan] says to do.
type Kind string

const (
	// Wait: nothing to do; Waiting says for what.
	Wait Kind = "wait"
	// Pledge: bind this node to Roster, and to no other until it is released.
	Pledge Kind = "pledge"
	// Start: begin a member on Roster, in an empty member directory: whatever is
	// in it was never part of a quorum and is moved aside.
	Start Kind = "start"
	// Settle: note that the member is part of a quorum.
	Settle Kind = "settle"
	// Abort: note that this node never starts Roster by itself.
	Abort Kind = "abort"
	// Release: leave Roster: stop its member if there is one, and move its
	// directory aside, which provably never was part of a quorum.
	Release Kind = "release"
	// Join: there is a cluster, and this node is not of it: ask to be let in. It
	// never forms another.
	Join Kind = "join"
	// Restart: run the member from its directory, or let it run on. It needs no
	// one's word.
	Restart Kind = "restart"
	// Blocked: stop the member if it runs and do nothing; a person must act.
	Blocked Kind = "blocked"
)

// Kinds are all kinds of plan.
var Kinds = []Kind{Wait, Pledge, Start, Settle, Abort, Release, Join, Restart, Blocked}

// A Plan is what a node does next. It is carried out in this order: [Apply] it
// to the state, save that if it changed anything, then act.
type Plan struct {
	Kind     Kind
	Roster   *Roster   // Pledge, Start, Abort, Release: which one. Abort may name one to which the node never pledged itself
	Evidence *Evidence // of a cluster other than that of the pledge, to be noted with whatever Kind says
	Waiting  []Reason  // what is missing, from whom; why, if it is Blocked
	Notices  []Reason  // what somebody should know or mend although nothing waits for it

	etcdCluster, etcdMember uint64 // Settle
	doubt                   uint64 // the highest start counter of this node that others saw, if it is above its own
}

// A Reason is why a plan is what it is, as data. [Reason.Problem] tells it to a
// person.
type Reason struct {
	Code   string         // stable, kebab-case
	Nodes  []NodeRef      // whom it is about
	Addr   netip.AddrPort // the address that it is about
	Have   int            // so many ...
	Want   int            // ... of so many
	Ours   string         // what this node says ...
	Theirs string         // ... and what the others do
	Roster Hash
	For    time.Duration // how long it has been so, if known
}

// A NodeRef names a node to people.
type NodeRef struct {
	ID   string
	Name string         // "" if it never answered
	Addr netip.AddrPort // where it is reached
}
