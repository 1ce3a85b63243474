package recipes

import (
	"fmt"
	"time"
)

// A state is what the owner of a lease may assume of it.
type state uint8

const (
	live    state = iota // proven lately: claims may be granted
	suspect              // not proven lately: what is held stays held, nothing is granted
	lost                 // the server may have ended it; there is no way back
)

// minMargin is the least time that lies between the end of a claim here and the
// earliest end of its lease on the server.
const minMargin = 250 * time.Millisecond

// A proof is a linearizable read followed by a keep-alive. The keep-alive alone
// proves nothing: a raft leader that was paused and deposed meanwhile accepts
// renewals on its own. The read went through a quorum after sent, so whoever
// answered the keep-alive in the read's term or a later one had not been
// deposed before sent, and a leader elected since gives every lease its whole
// TTL again.
type proof struct {
	sent               instant // before the read was sent
	ttl                time.Duration
	readTerm, keepTerm uint64 // raft terms in the two answers
}

// life is the state of one lease as its owner sees it: a pure value without
// clock and without I/O.
type life struct {
	ttl      time.Duration // as granted by the server
	sent     instant       // when the newest proof that counts was sent
	failures int           // attempts that failed since
	failedAt instant       // when the last of them did
	over     bool          // latched: lost is for ever
}

// margin is kept between the end of a claim and the earliest end of its lease;
// it covers clocks that run at different speeds and late timers.
func (l life) margin() time.Duration { return max(l.ttl/10, minMargin) }

// until is the end of all claims under the lease.
func (l life) until() instant { return l.sent + instant(l.ttl-l.margin()) }

// expires is the earliest instant at which the server may end the lease. It
// counts from when the proof was sent: the answer may have been under way for
// any time.
func (l life) expires() instant { return l.sent + instant(l.ttl) }

func (l life) state(now instant) state {
	switch {
	case l.over || now >= l.until():
		return lost
	case l.failures > 0 || now-l.sent > instant(l.ttl/2):
		return suspect
	}
	return live
}

// proved takes a proof that arrived at now, or says why it does not count.
func (l *life) proved(now instant, p proof) error {
	if l.state(now) == lost {
		l.over = true
		return fmt.Errorf("the proof came after the deadline")
	}
	if p.keepTerm < p.readTerm {
		l.failed(now)
		return fmt.Errorf("the keep-alive was answered in raft term %d, before term %d of the read", p.keepTerm, p.readTerm)
	}
	if p.sent > l.sent {
		l.sent, l.ttl, l.failures = p.sent, p.ttl, 0
	}
	return nil
}

// failed takes an attempt at a proof that failed.
func (l *life) failed(now instant) {
	l.failures++
	l.failedAt = now
	if l.state(now) == lost {
		l.over = true
	}
}

// ended says that the lease is gone on the server.
func (l *life) ended() { l.over = true }

// period is the time between two proofs when all goes well.
func (l life) period() time.Duration { return l.ttl / 3 }

// next is when to send the next proof: a third of the TTL after the last one,
// after a first failure at once, then at growing intervals.
func (l life) next() instant {
	if l.failures == 0 {
		return l.sent + instant(l.period())
	}
	wait := time.Duration(l.failures-1) * 100 * time.Millisecond
	return l.failedAt + instant(min(wait, l.period()/2, time.Second))
}
