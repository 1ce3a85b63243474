//go:build unix

package lockexec

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/quorate/quorate/recipes"
)

// The test binary is also the command under the lock: LOCKEXEC_CHILD says what
// it does, and it notes in LOCKEXEC_NOTES what happens to it.
func TestMain(m *testing.M) {
	if how := os.Getenv("LOCKEXEC_CHILD"); how != "" {
		os.Exit(child(how))
	}
	goleak.VerifyTestMain(m)
}

func child(how string) int {
	note := func(what string) {
		f, err := os.OpenFile(os.Getenv("LOCKEXEC_NOTES"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			panic(err)
		}
		defer f.Close()
		fmt.Fprintf(f, "%s %d %d\n", what, time.Now().UnixNano(), os.Getpid())
	}
	term := make(chan os.Signal, 8)
	signal.Notify(term, syscall.SIGTERM, syscall.SIGUSR1)
	switch {
	case how == "grandchild":
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), "LOCKEXEC_CHILD=stubborn")
		if err := c.Start(); err != nil {
			panic(err)
		}
		return 3 // it goes on without us
	case how == "stubborn":
		note("started")
		for s := range term {
			note(s.String())
		}
	case how == "stopped":
		note("started")
		syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		<-term
		note("terminated")
		return 9
	case how == "obedient":
		note("started")
		note((<-term).String())
		return 7
	case how == "env":
		note(os.Getenv("PEER_LOCK_KEY") + "=" + os.Getenv("PEER_FENCE"))
	}
	code, _ := strconv.Atoi(strings.TrimPrefix(how, "exit "))
	return code
}

// fake is a lock whose deadline does what the test wants.
type fake struct {
	mu       sync.Mutex
	ttl      time.Duration
	deadline time.Time
	err      error
	lost     chan struct{}
	released time.Time
	alive    bool // somebody was, at the release
	pid      func() int
}

func newFake(ttl time.Duration) *fake {
	return &fake{ttl: ttl, deadline: time.Now().Add(time.Hour), lost: make(chan struct{})}
}

func (f *fake) Key() string           { return "/quorate/v1/lock/x/1.1" }
func (f *fake) Fence() int64          { return 42 }
func (f *fake) TTL() time.Duration    { return f.ttl }
func (f *fake) Lost() <-chan struct{} { return f.lost }
func (f *fake) Deadline() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.deadline
}
func (f *fake) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}
func (f *fake) Release(context.Context) error {
	f.released = time.Now()
	if f.pid != nil {
		g := group{pid: f.pid()}
		f.alive = !g.gone()
	}
	return f.Err()
}
func (f *fake) lose(deadline time.Time) {
	f.mu.Lock()
	f.deadline, f.err = deadline, recipes.ErrLost
	f.mu.Unlock()
	close(f.lost)
}

// self is the test binary as a command; notes reads what it noted.
func self(t *testing.T, how string) (*exec.Cmd, func() map[string]time.Time) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notes")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "LOCKEXEC_CHILD="+how, "LOCKEXEC_NOTES="+path)
	cmd.Stderr = os.Stderr
	return cmd, func() map[string]time.Time {
		b, _ := os.ReadFile(path)
		m := map[string]time.Time{}
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			n, _ := strconv.ParseInt(f[1], 10, 64)
			m[f[0]] = time.Unix(0, n)
		}
		return m
	}
}

func await(t *testing.T, notes func() map[string]time.Time, what string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if _, ok := notes()[what]; ok {
			return
		}
	}
	t.Errorf("the command never noted %q", what)
}

func TestExitCodes(t *testing.T) {
	for how, want := range map[string]int{"exit 0": 0, "exit 5": 5, "exit 200": 200} {
		cmd, _ := self(t, how)
		f := newFake(10 * time.Second)
		if got, err := run(t.Context(), f, cmd); got != want || err != nil {
			t.Errorf("%s: exit %d, %v", how, got, err)
		}
		if f.released.IsZero() {
			t.Errorf("%s: not released", how)
		}
	}
	f := newFake(10 * time.Second)
	got, err := run(t.Context(), f, exec.Command("/nowhere/at/all"))
	if got != -1 || !errors.Is(err, os.ErrNotExist) || f.released.IsZero() {
		t.Errorf("no such command: exit %d, %v, released %v", got, err, f.released)
	}
	f = newFake(10 * time.Second)
	f.lose(time.Now())
	cmd, notes := self(t, "env")
	if got, err := run(t.Context(), f, cmd); got != -1 || !errors.Is(err, recipes.ErrLost) || len(notes()) != 0 {
		t.Errorf("lost before the start: exit %d, %v, %v", got, err, notes())
	}
}

func TestEnvironment(t *testing.T) {
	cmd, notes := self(t, "env")
	if got, err := run(t.Context(), newFake(10*time.Second), cmd); got != 0 || err != nil {
		t.Fatal(got, err)
	}
	if _, ok := notes()["/quorate/v1/lock/x/1.1=42"]; !ok {
		t.Fatal(notes())
	}
}

// A lock in doubt: TERM a grace before the deadline, KILL by the deadline, and
// the release after the last process of the group, the children's included.
func TestInDoubt(t *testing.T) {
	for _, how := range []string{"stubborn", "grandchild"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			const ttl, grace = 4 * time.Second, time.Second
			cmd, notes := self(t, how)
			f := newFake(ttl)
			f.pid = func() int { return cmd.Process.Pid }
			f.deadline = time.Now().Add(2 * time.Second)
			deadline := f.deadline
			go func() {
				await(t, notes, "started")
				f.mu.Lock()
				f.deadline = f.deadline.Add(500 * time.Millisecond) // one more proof arrives
				deadline = f.deadline
				f.mu.Unlock()
			}()
			exit, err := run(t.Context(), f, cmd, Options{Grace: time.Hour})
			over := time.Now()
			if want := map[string]int{"stubborn": 128 + 9, "grandchild": 3}[how]; exit != want || !errors.Is(err, recipes.ErrLost) {
				t.Errorf("exit %d, %v", exit, err)
			}
			termed := notes()["terminated"]
			if before := deadline.Sub(termed); before > grace || before < grace-300*time.Millisecond {
				t.Errorf("TERM arrived %v before the deadline, want %v", before, grace)
			}
			// The lease can end a margin after the deadline: a tenth of the TTL.
			if over.After(deadline.Add(ttl / 10)) {
				t.Errorf("ended %v after the deadline", over.Sub(deadline))
			}
			if f.alive {
				t.Error("released while the group lived")
			}
		})
	}
}

// Lost fires at once: no time is left, and none is taken.
func TestLostAtOnce(t *testing.T) {
	cmd, notes := self(t, "stubborn")
	f := newFake(4 * time.Second)
	lostAt := make(chan time.Time, 1)
	go func() {
		await(t, notes, "started")
		lostAt <- time.Now()
		f.lose(time.Now())
	}()
	exit, err := run(t.Context(), f, cmd)
	if exit != 137 || !errors.Is(err, recipes.ErrLost) {
		t.Errorf("exit %d, %v", exit, err)
	}
	if d := time.Since(<-lostAt); d > 400*time.Millisecond {
		t.Errorf("ended %v after the loss", d)
	}
}

func TestCancelled(t *testing.T) {
	for _, tc := range []struct {
		how  string
		exit int
	}{{"obedient", 7}, {"stubborn", 137}, {"stopped", 9}} {
		t.Run(tc.how, func(t *testing.T) {
			t.Parallel()
			cmd, notes := self(t, tc.how)
			f := newFake(40 * time.Second)
			ctx, cancel := context.WithCancel(t.Context())
			go func() { await(t, notes, "started"); cancel() }()
			exit, err := run(ctx, f, cmd, Options{Grace: 300 * time.Millisecond})
			if exit != tc.exit || !errors.Is(err, context.Canceled) {
				t.Errorf("exit %d, %v", exit, err)
			}
			if _, ok := notes()["terminated"]; !ok || f.released.IsZero() {
				t.Errorf("notes %v, released %v", notes(), f.released)
			}
		})
	}
}

// A command that obeys TERM ends before the lock is lost, and it is told apart
// from one that ended by itself.
func TestObedientInDoubt(t *testing.T) {
	cmd, notes := self(t, "obedient")
	f := newFake(4 * time.Second)
	go func() {
		await(t, notes, "started")
		f.mu.Lock()
		f.deadline = time.Now().Add(time.Second)
		f.mu.Unlock()
	}()
	exit, err := run(t.Context(), f, cmd)
	if exit != 7 || !errors.Is(err, recipes.ErrLost) || f.Err() != nil || f.released.IsZero() {
		t.Errorf("exit %d, %v", exit, err)
	}
}

func TestSignalsArePassedOn(t *testing.T) {
	cmd, notes := self(t, "obedient")
	signals := make(chan os.Signal, 1)
	go func() { await(t, notes, "started"); signals <- syscall.SIGUSR1; close(signals) }()
	exit, err := run(t.Context(), newFake(40*time.Second), cmd, Options{Signals: signals})
	if exit != 7 || err != nil {
		t.Errorf("exit %d, %v", exit, err)
	}
}
