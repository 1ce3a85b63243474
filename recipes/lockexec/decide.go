package lockexec

import "time"

// A situation is all that the decision what to do to the command rests on.
type situation struct {
	now       time.Time
	deadline  time.Time     // the lock is held until then without further word
	grace     time.Duration // between TERM and KILL
	lost      bool          // the lock is lost already
	cancelled bool          // the caller wants an end
	termed    time.Time     // when TERM was sent; zero: it was not
}

// A step is what to do to the whole process group.
type step int

const (
	wait step = iota // until the time given, or until something happens
	term
	kill // again and again, until nobody is left
)

// glance is how often the deadline is looked at when nothing happens: timers
// stand still while the machine sleeps.
const glance = 500 * time.Millisecond

// decide says what to do now, and when to look again. TERM comes a grace before
// the deadline, KILL a grace after TERM and by the deadline in any case; TERM is
// never taken back, also if the lock turns out to be safe after all.
func decide(s situation) (step, time.Time) {
	end := s.deadline
	if !s.termed.IsZero() {
		end = earlier(end, s.termed.Add(s.grace))
	}
	switch {
	case s.termed.IsZero() && (s.lost || s.cancelled || !s.now.Before(s.deadline.Add(-s.grace))):
		return term, s.now
	case !s.termed.IsZero() && !s.now.Before(end):
		return kill, s.now.Add(glance / 10)
	case !s.termed.IsZero():
		return wait, earlier(end, s.now.Add(glance))
	}
	return wait, earlier(s.deadline.Add(-s.grace), s.now.Add(glance))
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
