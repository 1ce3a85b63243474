package lockexec

import (
	"testing"
	"time"
)

func TestDecide(t *testing.T) {
	at := func(s float64) time.Time {
		return time.Unix(1000, 0).Add(time.Duration(s * float64(time.Second)))
	}
	const grace = 2 * time.Second
	for _, tc := range []struct {
		name string
		s    situation
		step step
		next time.Time
	}{
		{"all is well", situation{now: at(0), deadline: at(9)}, wait, at(0.5)},
		{"doubt is near", situation{now: at(6.8), deadline: at(9)}, wait, at(7)},
		{"in doubt", situation{now: at(7), deadline: at(9)}, term, at(7)},
		{"lost with time left", situation{now: at(1), deadline: at(9), lost: true}, term, at(1)},
		{"lost at once", situation{now: at(1), deadline: at(1), lost: true}, term, at(1)},
		{"cancelled", situation{now: at(1), deadline: at(9), cancelled: true}, term, at(1)},
		{"after a pause", situation{now: at(30), deadline: at(9)}, term, at(30)},
		{"in the grace", situation{now: at(8), deadline: at(9), termed: at(7)}, wait, at(8.5)},
		{"the grace ends", situation{now: at(8.9), deadline: at(9), termed: at(7)}, wait, at(9)},
		{"at the deadline", situation{now: at(9), deadline: at(9), termed: at(7)}, kill, at(9.05)},
		{"TERM came late", situation{now: at(9), deadline: at(9), termed: at(8.9)}, kill, at(9.05)},
		{"after a pause, termed", situation{now: at(30), deadline: at(9), termed: at(30)}, kill, at(30.05)},
		{"cancelled, grace over", situation{now: at(3), deadline: at(9), cancelled: true, termed: at(1)}, kill, at(3.05)},
		{"lost at once, termed", situation{now: at(1), deadline: at(1), lost: true, termed: at(1)}, kill, at(1.05)},
		{"safe again, TERM stands", situation{now: at(9), deadline: at(15), termed: at(7)}, kill, at(9.05)},
	} {
		tc.s.grace = grace
		step, next := decide(tc.s)
		if step != tc.step || !next.Equal(tc.next) {
			t.Errorf("%s: step %v at %v, want %v at %v", tc.name, step, next.Sub(at(0)), tc.step, tc.next.Sub(at(0)))
		}
	}
}

// Whatever happens: TERM a grace before the deadline, and KILL at it.
func TestDecideNeverLate(t *testing.T) {
	base := time.Unix(1000, 0)
	const grace = 500 * time.Millisecond
	for deadline := time.Duration(0); deadline < 3*time.Second; deadline += 70 * time.Millisecond {
		for lostAt := -time.Millisecond; lostAt < 3*time.Second; lostAt += 130 * time.Millisecond {
			var termed time.Time
			killed := false
			for now := base; !now.After(base.Add(4 * time.Second)); {
				s := situation{now: now, deadline: base.Add(deadline), grace: grace, termed: termed,
					lost: lostAt >= 0 && now.Sub(base) >= lostAt}
				step, next := decide(s)
				switch step {
				case term:
					if !termed.IsZero() {
						t.Fatal("TERM twice")
					}
					if late := now.Sub(base); late > max(deadline-grace, 0) {
						t.Fatalf("deadline %v: TERM at %v", deadline, late)
					}
					termed = now
				case kill:
					if late := now.Sub(base); !killed && late > deadline {
						t.Fatalf("deadline %v: KILL at %v", deadline, late)
					}
					killed = true
				}
				if step != term && !next.After(now) {
					t.Fatalf("no progress at %v", now.Sub(base))
				}
				if lostAt >= 0 && now.Sub(base) < lostAt && next.Sub(base) > lostAt {
					next = base.Add(lostAt) // the loss wakes it
				}
				now = next
			}
			if !killed {
				t.Fatalf("deadline %v: never killed", deadline)
			}
		}
	}
}
