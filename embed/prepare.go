package embed

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/quorate/quorate/internal/dirlock"
)

// freshBytes is what a new member writes at once: a log segment of 64 MB is
// allocated whole, and a second one is prepared.
const freshBytes = 160 << 20

// locks are the directories a member holds.
type locks []*dirlock.Dir

func (l locks) unlock() {
	for _, d := range l {
		d.Unlock()
	}
}

// prepare makes sure, before etcd touches anything, that the directories are
// ours, usable and this member's, and that the socket can be made. Whatever
// can be refused here can be mended and tried again in the same process.
func prepare(c Config) (held locks, err error) {
	defer func() {
		if err != nil {
			held.unlock()
			held = nil
		}
	}()
	dirs := []string{c.Dir}
	if c.WALDir != "" && c.WALDir != c.Dir {
		dirs = append(dirs, c.WALDir)
	}
	for _, d := range dirs {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return held, dirError(d, err)
		}
	}
	if err := checkDead(c.Dir); err != nil {
		return held, err
	}
	for _, d := range dirs {
		lock, err := dirlock.Lock(d)
		if errors.Is(err, dirlock.ErrInUse) {
			return held, err
		}
		if err != nil {
			return held, dirError(d, err)
		}
		held = append(held, lock)
		if err := tryWrite(d); err != nil {
			return held, dirError(d, err)
		}
	}
	if err := inspect(c); err != nil {
		return held, err
	}
	return held, prepareSocket(c.Socket)
}

func tryWrite(dir string) error {
	f, err := os.CreateTemp(dir, ".try-*")
	if err != nil {
		return err
	}
	f.Close()
	return os.Remove(f.Name())
}

func dirError(dir string, err error) error {
	if isNoSpace(err) {
		return fullFor(dir, err.Error(), err)
	}
	return notWritable(dir, err)
}

func fullFor(dir, why string, cause error) error {
	return refuseCause(ErrNoSpace, cause, "disk-full", "the member cannot start because the disk is full", why,
		"free space on that disk (see: df -h "+dir+"), then start again")
}

// checkFresh refuses to found a member that would die at once.
func checkFresh(c Config) error {
	if c.MinFreeBytes < 0 {
		return nil
	}
	dir := c.Dir
	if c.WALDir != "" {
		dir = c.WALDir
	}
	free, err := freeBytes(dir)
	if err != nil || free >= freshBytes {
		return nil
	}
	return fullFor(dir, fmt.Sprintf("%d MiB are free, a new member writes %d MiB at once", free>>20, freshBytes>>20), nil)
}

// walDir is where the log is. etcd replaces the directory it is given, which a
// mount point and our lock do not survive, so it gets one inside.
func walDir(c Config) string {
	if c.WALDir != "" {
		return filepath.Join(c.WALDir, "wal")
	}
	return filepath.Join(c.Dir, "member", "wal")
}

func dbPath(c Config) string { return filepath.Join(c.Dir, "member", "snap", "db") }
