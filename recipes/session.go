package recipes

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// A session is one lease's life, seen from its owner. It ends at its deadline by
// its own timer, whatever the requests that would prolong it are doing.
type session struct {
	clk    *clock
	id     clientv3.LeaseID
	notify func() // the state may have changed
	hurry  func() // prove it now
	claims atomic.Uint64

	until atomic.Int64 // life.until, to be read without a lock

	mu      sync.Mutex
	life    life
	why     error // set once lost
	holders map[*Held]struct{}
	timer   *time.Timer
	lost    chan struct{}
}

func newSession(clk *clock, id clientv3.LeaseID, l life, notify, hurry func()) *session {
	s := &session{clk: clk, id: id, life: l, notify: notify, hurry: hurry, holders: map[*Held]struct{}{}, lost: make(chan struct{})}
	s.until.Store(int64(l.until()))
	s.mu.Lock() // the timer may fire at once
	defer s.mu.Unlock()
	s.timer = time.AfterFunc(time.Duration(l.until()-clk.now()), func() { s.check() })
	return s
}

var (
	errDeadline  = errors.New("the lease could not be proven in time")
	errLeaseGone = errors.New("the lease is gone on the server")
)

// state is the state now; the first look at a deadline that has passed ends the
// session, even if its timer has yet to fire.
func (s *session) state() state {
	s.mu.Lock()
	st := s.life.state(s.clk.now())
	s.mu.Unlock()
	if st == lost {
		s.end(errDeadline)
	}
	return st
}

// check ends the session if its deadline has passed, else sets the timer anew
// (it may have moved, and timers stand still while the machine sleeps).
func (s *session) check() bool {
	if s.state() == lost {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why == nil {
		s.timer.Reset(time.Duration(s.life.until() - s.clk.now()))
	}
	return true
}

// alive says whether now is before the deadline: one look at the clock.
func (s *session) alive() bool { return s.clk.now() < instant(s.until.Load()) }

func (s *session) proved(p proof) error {
	s.mu.Lock()
	err := s.life.proved(s.clk.now(), p)
	if err == nil && s.why == nil {
		s.until.Store(int64(s.life.until()))
	}
	s.mu.Unlock()
	s.check()
	s.notify()
	return err
}

func (s *session) failed() {
	s.mu.Lock()
	s.life.failed(s.clk.now())
	s.mu.Unlock()
	s.check()
	s.notify()
}

// end makes the session lost: no claim under it is valid from here on, and every
// holder knows when end returns.
func (s *session) end(why error) {
	s.mu.Lock()
	if s.why != nil {
		s.mu.Unlock()
		return
	}
	s.why = why
	s.life.ended()
	s.until.Store(min(s.until.Load(), int64(s.clk.now())))
	s.timer.Stop()
	hs := s.holders
	s.holders = nil
	s.mu.Unlock()
	for h := range hs {
		h.lose(why)
	}
	close(s.lost)
	s.notify()
}

// hold makes h end with the session; false if it has ended.
func (s *session) hold(h *Held) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why != nil || s.life.state(s.clk.now()) != live {
		return false
	}
	s.holders[h] = struct{}{}
	return true
}

func (s *session) drop(h *Held) {
	s.mu.Lock()
	delete(s.holders, h)
	s.mu.Unlock()
}

func (s *session) snapshot() life {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.life
}
