package recipes

import "time"

// An instant is a point on the client's own time line: the time since its clock
// was made, the time the machine was suspended included. Deadlines are instants
// and never dates, so that setting the wall clock changes nothing.
type instant time.Duration

// clock is the one source of time. Go's monotonic clock stands still while the
// machine sleeps and a lease on the server does not, so sleep is added to it.
type clock struct {
	base      time.Time
	suspended func() time.Duration // total since boot
	before    time.Duration        // what suspended said at base
}

// sampling is how much two readings of suspended may differ without a suspend:
// it comes from two system calls, between which this thread may be descheduled.
// It is small against the smallest margin (minMargin), which covers it.
const sampling = 10 * time.Millisecond

func newClock(suspended func() time.Duration) *clock {
	return &clock{base: time.Now(), suspended: suspended, before: suspended()}
}

// now reads the clock. The monotonic part is read first: a suspend between the
// two readings is then counted, never missed.
func (c *clock) now() instant {
	ran := time.Since(c.base)
	return instant(ran + c.slept())
}

// time is i as people and timers know it; it moves back when the machine sleeps.
func (c *clock) time(i instant) time.Time {
	return c.base.Add(time.Duration(i) - c.slept())
}

func (c *clock) slept() time.Duration {
	if d := c.suspended() - c.before; d >= sampling {
		return d
	}
	return 0
}
