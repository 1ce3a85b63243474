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

// prepare makes sure, before etcd touches anything, that the directory is
// ours, usable and this member's, and that the socket can be made. Whatever
// can be refused here can be mended and tried again in the same process.
func prepare(c Config) (*dirlock.Dir, error) {
	for _, d := range []string{c.Dir, c.WALDir} {
		if d == "" {
			continue
		}
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, dirError(d, err)
		}
	}
	if err := checkDead(c.Dir); err != nil {
		return nil, err
	}
	lock, err := dirlock.Lock(c.Dir)
	if errors.Is(err, dirlock.ErrInUse) {
		return nil, err
	}
	if err != nil {
		return nil, dirError(c.Dir, err)
	}
	if err := prepareLocked(c); err != nil {
		lock.Unlock()
		return nil, err
	}
	return lock, nil
}

func prepareLocked(c Config) error {
	for _, d := range []string{c.Dir, c.WALDir} {
		if d == "" {
			continue
		}
		if err := tryWrite(d); err != nil {
			return dirError(d, err)
		}
	}
	if err := inspect(c); err != nil {
		return err
	}
	return prepareSocket(c.Socket)
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
	dir := walDir(c)
	if c.WALDir == "" {
		dir = c.Dir
	}
	free, err := freeBytes(dir)
	if err != nil || free >= freshBytes {
		return nil
	}
	return fullFor(dir, fmt.Sprintf("%d MiB are free, a new member writes %d MiB at once", free>>20, freshBytes>>20), nil)
}

func walDir(c Config) string {
	if c.WALDir != "" {
		return c.WALDir
	}
	return filepath.Join(c.Dir, "member", "wal")
}

func dbPath(c Config) string { return filepath.Join(c.Dir, "member", "snap", "db") }
