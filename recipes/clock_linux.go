package recipes

import (
	"time"

	"golang.org/x/sys/unix"
)

// suspended is how long the machine slept since boot: CLOCK_BOOTTIME less
// CLOCK_MONOTONIC, read by system calls and not through package time, so that it
// stays real in a testing/synctest bubble. The tightest of a few samples is
// taken, since this thread may be descheduled between two calls.
func suspended() time.Duration {
	var best, width time.Duration
	for i := range 4 {
		m1, b, m2 := read(unix.CLOCK_MONOTONIC), read(unix.CLOCK_BOOTTIME), read(unix.CLOCK_MONOTONIC)
		if w := m2 - m1; i == 0 || w < width {
			best, width = b-m1-w/2, w
		}
		if width < sampling/4 {
			break
		}
	}
	return max(best, 0)
}

func read(id int32) time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(id, &ts); err != nil {
		return 0 // a kernel without the clock: no suspend is seen
	}
	return time.Duration(ts.Nano())
}
