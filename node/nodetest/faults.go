package nodetest

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// A Fault is a kind of what goes wrong between a process and the server.
type Fault string

const (
	// Delay: a request, an answer, a renewal or a watch's response takes up to
	// Faults.MaxDelay. It stands for a slow network, a lost packet that is sent
	// again, a collecting or starved process on either side.
	Delay Fault = "delay"

	// Error: a call is refused and has not been executed. It stands for a
	// connection that cannot be made (status Unavailable) and a server that has
	// too much to do (rpctypes.ErrTooManyRequests).
	Error Fault = "error"

	// Unknown: a write or a renewal is executed, now or up to MaxDelay later,
	// and its caller gets an error. It stands for a connection that breaks
	// before the answer (status Unavailable), for a deadline of the caller's
	// that ends first (context.DeadlineExceeded, or rpctypes.ErrTimeout where
	// there is none), for a request that lay in a queue of the network or of a
	// deposed leader when its caller gave up, and for a leader that died after
	// it had sent the entry on (rpctypes.ErrTimeoutDueToLeaderFail).
	Unknown Fault = "unknown"

	// LostWatch: a watch goes silent for up to MaxDelay, whatever happens, and
	// then ends: its channel closes, at times after a response whose Err is
	// rpctypes.ErrStopped. What it was about to deliver is lost with it. It
	// stands for a member that stops, and for a half-open connection.
	LostWatch Fault = "lost-watch"

	// Compaction: the server compacts its history, and a watch that is behind
	// ends with rpctypes.ErrCompacted, the events it was about to deliver with
	// it. It stands for a reader that is too slow, and for a compactor that ran
	// while a connection was down. The compaction is real: reads of older
	// revisions fail from then on.
	Compaction Fault = "compaction"

	// NoLeader: for up to Faults.MaxNoLeader the process is where no raft
	// leader is. It stands for an election, and for a process on the wrong side
	// of a partition. Writes fail with rpctypes.ErrNoLeader and are not
	// executed; reads are repeated, by the client, until their context ends or
	// the leader is back; renewals wait in the same way. Watches hear nothing;
	// those that clientv3.WithRequireLeader asks for end with ErrNoLeader after
	// three election timeouts (3 s), and new ones are refused. The server does
	// not stand still: leases expire on it, where a real cluster without a
	// leader expires none.
	NoLeader Fault = "no-leader"
)

// Faults says how often things go wrong: each a probability from 0 to 1, drawn
// for each call, each response of a watch, and each watch that is opened. Their
// sum is at most 1 to be meaningful.
type Faults struct {
	Delay      float64 // of a call or a response of a watch
	Error      float64 // of a call
	Unknown    float64 // of a write or renewal
	LostWatch  float64 // of a response of a watch, and of a watch that is opened
	Compaction float64 // of a response of a watch
	NoLeader   float64 // of a call: the start of a time without a leader

	// MaxDelay bounds delays; most are far shorter. If zero, 3 s.
	MaxDelay time.Duration

	// MaxNoLeader bounds a time without a leader. If zero, 5 s.
	MaxNoLeader time.Duration
}

// DefaultFaults are what Faults means without an argument: a bad day, on which
// a sixth of all calls meets a fault.
var DefaultFaults = Faults{Delay: 0.08, Error: 0.03, Unknown: 0.04, LostWatch: 0.04, Compaction: 0.03, NoLeader: 0.002}

func (f Faults) withDefaults() Faults {
	if f.MaxDelay <= 0 {
		f.MaxDelay = 3 * time.Second
	}
	if f.MaxNoLeader <= 0 {
		f.MaxNoLeader = 5 * time.Second
	}
	return f
}

// chosen is what an optional last argument comes to.
func chosen(f []Faults) *Faults {
	c := DefaultFaults
	if len(f) > 0 {
		c = f[0]
	}
	c = c.withDefaults()
	return &c
}

// site is where a decision about a fault is made.
type site uint8

const (
	atRead   site = iota // a call without effects
	atWrite              // a call with effects, and a renewal
	atOpen               // a watch that is opened
	atEvents             // a response of a watch
)

// verdict is one decision. Every decision draws the same number of values, so
// that the n-th one of a method does not depend on what the others came to.
type verdict struct {
	fault   Fault         // "" = none
	after   bool          // Delay: the answer is late, and not the request; Unknown: executed later
	variant uint64        // which error
	wait    time.Duration // Delay, Unknown, LostWatch
	span    time.Duration // NoLeader
}

// dice makes the decisions of one process. Each method has a stream of its own,
// from the seed, the process's name and the method's: what happens elsewhere
// does not move it.
type dice struct {
	seed    int64
	process string

	mu      sync.Mutex
	streams map[string]*rand.Rand
}

func newDice(seed int64, process string) *dice {
	return &dice{seed: seed, process: process, streams: map[string]*rand.Rand{}}
}

func (d *dice) decide(method string, at site, f *Faults) verdict {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.streams[method]
	if r == nil {
		h := fnv.New64a()
		h.Write([]byte(d.process + "\x00" + method))
		r = rand.New(rand.NewPCG(uint64(d.seed), h.Sum64()))
		d.streams[method] = r
	}
	u, length, span, variant := r.Float64(), r.Float64(), r.Float64(), r.Uint64()
	if f == nil {
		return verdict{}
	}
	v := verdict{
		variant: variant >> 1,
		after:   variant&1 == 0,
		wait:    time.Duration(math.Pow(length, 3) * float64(f.MaxDelay)),
		span:    time.Duration(span * float64(f.MaxNoLeader)),
	}
	for _, c := range table(at, f) {
		if u < c.p {
			v.fault = c.fault
			return v
		}
		u -= c.p
	}
	return verdict{}
}

type chance struct {
	fault Fault
	p     float64
}

// table is what can go wrong at a site.
func table(at site, f *Faults) []chance {
	switch at {
	case atRead:
		return []chance{{Delay, f.Delay}, {Error, f.Error}, {NoLeader, f.NoLeader}}
	case atWrite:
		return []chance{{Delay, f.Delay}, {Error, f.Error}, {NoLeader, f.NoLeader}, {Unknown, f.Unknown}}
	case atOpen:
		return []chance{{LostWatch, f.LostWatch}}
	}
	return []chance{{Delay, f.Delay}, {LostWatch, f.LostWatch}, {Compaction, f.Compaction}}
}
