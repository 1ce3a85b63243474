// Package dirlock lets one process use a directory at a time.
//
// The lock is flock(2) on the file "lock" in the directory. The kernel drops it
// when the process ends, however it ends, so a lock is never stale; the pid in
// the file only tells people whom to look for.
package dirlock

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/quorate/quorate/internal/problem"
)

// ErrInUse is what errors.Is finds when another holder has the directory.
var ErrInUse = errors.New("directory is in use")

// A Dir is a directory that is held until Unlock or the end of the process.
type Dir struct{ f *os.File }

// Lock takes the directory, or returns at once with a *problem.Error that wraps
// ErrInUse and names the pid of the holder. It makes no directories.
//
// flock belongs to the open file, not to the process, so a second Lock in the
// same process is refused like one in another.
func Lock(dir string) (*Dir, error) {
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, inUse(dir, holder(path))
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	// The pid is for people. Failing to write it (a full disk) does not weaken
	// the lock, so it is no reason to refuse.
	if f.Truncate(0) == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return &Dir{f: f}, nil
}

// Unlock gives the directory back. A second call does nothing. The file stays:
// removing it would let a third process lock a new file while a second one
// waits with the old one open.
func (l *Dir) Unlock() error {
	if l == nil || l.f == nil {
		return nil
	}
	f := l.f
	l.f = nil
	_ = f.Truncate(0)
	return f.Close() // closing drops the lock
}

func holder(path string) int {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0
	}
	return pid
}

func inUse(dir string, pid int) error {
	p := problem.Problem{
		Code: "dir-in-use",
		What: fmt.Sprintf("the directory %s is in use", dir),
		Why:  "another process holds its lock",
		Do:   fmt.Sprintf("stop the other process (find it with: fuser %s), or give this one a directory of its own", filepath.Join(dir, "lock")),
	}
	switch {
	case pid == os.Getpid():
		p.Why = "this process already uses it"
		p.Do = "close what uses it first, or give this one a directory of its own"
	case pid > 0:
		p.Why = fmt.Sprintf("process %d holds its lock", pid)
		p.Do = fmt.Sprintf("stop that process (see: ps -fp %d), or give this one a directory of its own", pid)
	}
	return &problem.Error{Problem: p, Err: ErrInUse}
}
