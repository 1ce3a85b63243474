package embed

import (
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// spaceGuard refuses writes before the disk is full, because a full disk is a
// failed log write, and that kills the member.
type spaceGuard struct {
	min  int64 // bytes; negative: no guard
	dirs []string
	free atomic.Int64 // the least of the disks, at the last look
	low  atomic.Bool
}

func newSpaceGuard(min int64, dirs ...string) *spaceGuard {
	g := &spaceGuard{min: min, dirs: dirs}
	g.free.Store(-1)
	return g
}

// look reads the disks. A disk that cannot be read changes nothing.
func (g *spaceGuard) look() {
	least := int64(-1)
	for _, d := range g.dirs {
		free, err := freeBytes(d)
		if err != nil {
			return
		}
		if least < 0 || free < least {
			least = free
		}
	}
	if least < 0 {
		return
	}
	g.free.Store(least)
	g.low.Store(spaceLow(g.low.Load(), least, g.min))
}

// spaceLow decides whether writes are refused. Once they are, they stay so
// until an eighth more than the minimum is free: otherwise each write that is
// let in would close the gate behind it.
func spaceLow(was bool, free, min int64) bool {
	if min < 0 {
		return false
	}
	if was {
		return free < min+min/8
	}
	return free < min
}

// refusal is nil, or the error for a write that needs space.
func (g *spaceGuard) refusal() error {
	if !g.low.Load() {
		return nil
	}
	dir := ""
	if len(g.dirs) > 0 {
		dir = g.dirs[0]
	}
	return refuse(ErrNoSpace, "space-low", "writes are refused because the disk is nearly full",
		fmt.Sprintf("%d MiB are free under %s, the guard asks for %d MiB", g.free.Load()>>20, dir, g.min>>20),
		"free space on that disk (see: df -h "+dir+"); deletes are still accepted, writes resume by themselves")
}

// freeBytes is what this user may still write on the disk of dir.
func freeBytes(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("read free space of %s: %w", dir, err)
	}
	return int64(st.Bavail) * st.Bsize, nil
}
