package nodetest

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// link is what lies between one process and the server, and what befalls it.
// The order of what it does to a call: a pause holds it, death refuses it, the
// lack of a leader refuses it, the dice decide; then it is executed; then a
// pause holds the answer, and death loses it.
type link struct {
	v    *VirtualNode
	name string // of the process and its incarnation
	dice *dice

	mu         sync.Mutex
	faults     *Faults       // nil = those of the VirtualNode
	own        bool          // faults is the process's own word, nil meaning none
	paused     chan struct{} // closed by resume; nil = running
	leaderless time.Time     // until when

	gone chan struct{} // closed by kill
	once sync.Once
}

func newLink(v *VirtualNode, name string) *link {
	return &link{v: v, name: name, dice: newDice(v.seed, name), gone: make(chan struct{})}
}

func (l *link) setFaults(f *Faults) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults, l.own = f, true
}

// obey makes the link follow the VirtualNode's faults again.
func (l *link) obey() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults, l.own = nil, false
}

func (l *link) currentFaults() *Faults {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.own {
		return l.faults
	}
	return l.v.currentFaults()
}

func (l *link) setLeaderless(until time.Time) {
	l.mu.Lock()
	l.leaderless = until
	l.mu.Unlock()
	l.v.leaderMoved()
}

// leaderlessUntil is in the past if there is a leader.
func (l *link) leaderlessUntil() time.Time {
	l.mu.Lock()
	own := l.leaderless
	l.mu.Unlock()
	if all := l.v.leaderlessUntil(); all.After(own) {
		return all
	}
	return own
}

func (l *link) hasLeader() bool { return !time.Now().Before(l.leaderlessUntil()) }

func (l *link) pause() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.paused == nil {
		l.paused = make(chan struct{})
	}
}

func (l *link) resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.paused != nil {
		close(l.paused)
		l.paused = nil
	}
}

// kill reports whether the process lived until now.
func (l *link) kill() (first bool) {
	l.once.Do(func() { first = true; close(l.gone) })
	return first
}

func (l *link) dead() bool {
	select {
	case <-l.gone:
		return true
	default:
		return false
	}
}

// errDead is final for every client: none repeats a call that was cancelled.
func (l *link) errDead() error {
	return fmt.Errorf("process %s has ended: %w", l.name, context.Canceled)
}

// pass holds while the process is paused, and says whether it lives.
func (l *link) pass() error {
	for {
		l.mu.Lock()
		paused := l.paused
		l.mu.Unlock()
		if l.dead() {
			return l.errDead()
		}
		if paused == nil {
			return nil
		}
		select {
		case <-paused:
		case <-l.gone:
		}
	}
}

// sleep waits for d of virtual time, the end of ctx or the process's death.
func (l *link) sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-l.gone:
		return l.errDead()
	}
}

// awaitLeader waits for a leader, for patience at the longest.
func (l *link) awaitLeader(ctx context.Context, patience time.Duration) (found bool, err error) {
	end := time.NewTimer(patience)
	defer end.Stop()
	for {
		moves := l.v.leaderMoves() // before looking, so that none is missed
		if l.hasLeader() {
			return true, nil
		}
		back := time.NewTimer(time.Until(l.leaderlessUntil()))
		select {
		case <-back.C:
		case <-moves:
		case <-end.C:
			back.Stop()
			return l.hasLeader(), nil
		case <-ctx.Done():
			back.Stop()
			return false, ctx.Err()
		case <-l.gone:
			back.Stop()
			return false, l.errDead()
		}
		back.Stop()
	}
}

// decide draws for one call of method and notes what came of it.
func (l *link) decide(method string, at site) verdict {
	d := l.dice.decide(method, at, l.currentFaults())
	if d.fault == "" {
		return d
	}
	l.v.count(d.fault)
	l.v.note("%s %s: %s", l.name, method, d.fault)
	if d.fault == NoLeader {
		l.setLeaderless(time.Now().Add(d.span))
	}
	return d
}
