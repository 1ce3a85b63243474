package recipes

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

const sec = instant(time.Second)

func TestLife(t *testing.T) {
	fresh := life{ttl: 10 * time.Second, sent: 100 * sec}
	failing := fresh
	failing.failed(103 * sec)
	failing2 := failing
	failing2.failed(104 * sec)
	over := fresh
	over.ended()
	for _, tc := range []struct {
		name  string
		l     life
		now   instant
		state state
		next  instant
	}{
		{"fresh", fresh, 100 * sec, live, 103*sec + sec/3},
		{"a proof is due", fresh, 104 * sec, live, 103*sec + sec/3},
		{"overdue by half", fresh, 105*sec + 1, suspect, 103*sec + sec/3},
		{"just before the deadline", fresh, 109*sec - 1, suspect, 103*sec + sec/3},
		{"at the deadline", fresh, 109 * sec, lost, 103*sec + sec/3},
		{"failed once", failing, 103 * sec, suspect, 103 * sec},
		{"failed twice", failing2, 104 * sec, suspect, 104*sec + sec/10},
		{"gone on the server", over, 100 * sec, lost, 103*sec + sec/3},
	} {
		if st := tc.l.state(tc.now); st != tc.state {
			t.Errorf("%s: state %v, want %v", tc.name, st, tc.state)
		}
		if n := tc.l.next(); n/1000 != tc.next/1000 {
			t.Errorf("%s: next proof at %v, want %v", tc.name, time.Duration(n), time.Duration(tc.next))
		}
	}
}

func TestMargin(t *testing.T) {
	for ttl, want := range map[time.Duration]time.Duration{
		2 * time.Second: 250 * time.Millisecond, 10 * time.Second: time.Second, time.Minute: 6 * time.Second,
	} {
		if m := (life{ttl: ttl}).margin(); m != want {
			t.Errorf("TTL %v: margin %v, want %v", ttl, m, want)
		}
	}
}

func TestProof(t *testing.T) {
	const ttl = 10 * time.Second
	for _, tc := range []struct {
		name    string
		arrived instant
		p       proof
		counts  bool
		state   state   // at arrived
		until   instant // afterwards
	}{
		{"same term", 104 * sec, proof{103 * sec, ttl, 7, 7}, true, live, 112 * sec},
		{"the deadline counts from the sending", 106 * sec, proof{103 * sec, ttl, 7, 7}, true, live, 112 * sec},
		{"a leader elected since", 104 * sec, proof{103 * sec, ttl, 7, 8}, true, live, 112 * sec},
		{"a deposed leader's keep-alive", 104 * sec, proof{103 * sec, ttl, 8, 7}, false, suspect, 109 * sec},
		{"no term in the keep-alive", 104 * sec, proof{103 * sec, ttl, 8, 0}, false, suspect, 109 * sec},
		{"after the deadline", 109 * sec, proof{103 * sec, ttl, 7, 7}, false, lost, 109 * sec},
		{"older than the last", 104 * sec, proof{99 * sec, ttl, 7, 7}, true, live, 109 * sec},
		{"the server gives more", 104 * sec, proof{103 * sec, 20 * time.Second, 7, 7}, true, live, 121 * sec},
	} {
		l := life{ttl: ttl, sent: 100 * sec}
		if err := l.proved(tc.arrived, tc.p); (err == nil) != tc.counts {
			t.Errorf("%s: %v", tc.name, err)
		}
		if st := l.state(tc.arrived); st != tc.state || l.until() != tc.until {
			t.Errorf("%s: state %v until %v, want %v until %v", tc.name, st, time.Duration(l.until()), tc.state, time.Duration(tc.until))
		}
	}
	late := life{ttl: ttl, sent: 100 * sec}
	late.failed(110 * sec)
	if err := late.proved(111*sec, proof{110 * sec, ttl, 7, 7}); err == nil || late.state(111*sec) != lost {
		t.Error("a lost session came back")
	}
}

// The machine sleeps: Go's clock and timers stand still, the lease does not.
func TestSuspend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slept time.Duration
		clk := newClock(func() time.Duration { return time.Hour + slept })
		told := 0
		s := newSession(clk, 1, life{ttl: 10 * time.Second, sent: clk.now()}, func() { told++ }, func() {})
		deadline := clk.time(s.snapshot().until())
		time.Sleep(2 * time.Second)
		if !s.alive() || s.state() != live || time.Until(deadline) != 7*time.Second {
			t.Fatalf("alive %v, state %v, %v left", s.alive(), s.state(), time.Until(deadline))
		}
		slept = 5 * time.Millisecond // the noise of two system calls
		if left := time.Until(clk.time(s.snapshot().until())); left != 7*time.Second {
			t.Fatalf("%v left", left)
		}
		slept = 3100 * time.Millisecond
		if left := time.Until(clk.time(s.snapshot().until())); !s.alive() || s.state() != suspect || left != 3900*time.Millisecond {
			t.Fatalf("alive %v, state %v, %v left", s.alive(), s.state(), left)
		}
		slept = 7 * time.Second
		// No timer has fired and nobody was told: the clock alone says so.
		if h := (&Held{s: s}); s.alive() || h.Valid() {
			t.Fatal("alive on the first look after a sleep past the deadline")
		}
		if s.state() != lost || told == 0 || !errors.Is(s.why, errDeadline) {
			t.Fatalf("state %v, why %v", s.state(), s.why)
		}
		<-s.lost
	})
}

func TestSuspendedOfThisSystem(t *testing.T) {
	for range 1000 {
		before := suspended()
		if d := suspended() - before; d < -sampling || d > sampling {
			t.Fatalf("two readings differ by %v", d)
		}
	}
}
