package dirlock_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/quorate/quorate/internal/dirlock"
	"github.com/quorate/quorate/internal/problem"
)

const childEnv = "DIRLOCK_TEST_CHILD"

// TestMain doubles as the other process: it takes the lock, says so, and dies
// with its parent's end of the pipe.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		if _, err := dirlock.Lock(dir); err != nil {
			os.Stdout.WriteString("refused\n")
			return
		}
		os.Stdout.WriteString("locked\n")
		os.Stdin.Read(make([]byte, 1))
		return
	}
	m.Run()
}

func TestLockUnlockLock(t *testing.T) {
	dir := t.TempDir()
	for range 3 {
		l, err := dirlock.Lock(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Unlock(); err != nil {
			t.Fatal(err)
		}
		if err := l.Unlock(); err != nil {
			t.Fatal("second Unlock:", err)
		}
	}
}

func TestSecondLockInOneProcess(t *testing.T) {
	dir := t.TempDir()
	l, err := dirlock.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Unlock()
	_, err = dirlock.Lock(dir)
	if !errors.Is(err, dirlock.ErrInUse) || !strings.Contains(err.Error(), "this process") {
		t.Fatalf("got %v, want ErrInUse that names this process", err)
	}
}

func TestOtherProcess(t *testing.T) {
	dir := t.TempDir()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), childEnv+"="+dir)
	in, _ := c.StdinPipe()
	out, _ := c.StdoutPipe()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, len("locked\n"))
	if _, err := out.Read(b); err != nil || string(b) != "locked\n" {
		t.Fatalf("child said %q, %v", b, err)
	}
	_, err := dirlock.Lock(dir)
	var pe *problem.Error
	if !errors.Is(err, dirlock.ErrInUse) || !errors.As(err, &pe) {
		t.Fatalf("got %v, want a *problem.Error that is ErrInUse", err)
	}
	if pid := strconv.Itoa(c.Process.Pid); !strings.Contains(pe.Why, pid) || !strings.Contains(pe.Do, pid) {
		t.Fatalf("%q does not name the holder %s", pe, pid)
	}
	// A killed holder leaves the file, never the lock.
	c.Process.Kill()
	in.Close()
	c.Wait()
	l, err := dirlock.Lock(dir)
	if err != nil {
		t.Fatal("after the holder was killed:", err)
	}
	l.Unlock()
}

func TestNoDirectory(t *testing.T) {
	if _, err := dirlock.Lock(filepath.Join(t.TempDir(), "none")); err == nil || errors.Is(err, dirlock.ErrInUse) {
		t.Fatalf("got %v, want an error that is not ErrInUse", err)
	}
}
