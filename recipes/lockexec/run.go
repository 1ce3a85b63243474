//go:build unix

package lockexec

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/quorate/quorate/recipes"
)

// Options for Run; the zero value is usable.
type Options struct {
	// Grace is the time the command has between TERM and KILL. If zero, or more
	// than a quarter of the lock's TTL, a quarter of the TTL: a longer one would
	// end commands whose lock is only waiting for its next proof.
	Grace time.Duration

	// Signals are passed on to the process group as they come.
	Signals <-chan os.Signal
}

const (
	releaseTimeout = 5 * time.Second
	linger         = 5 * time.Second       // for pipes that processes outside the group keep open
	poll           = 20 * time.Millisecond // for the rest of the group, once the command itself has ended
)

// lock is what Run needs of a *recipes.Held.
type lock interface {
	Key() string
	Fence() int64
	TTL() time.Duration
	Deadline() time.Time
	Lost() <-chan struct{}
	Err() error
	Release(context.Context) error
}

// Run starts cmd in a process group of its own, with PEER_LOCK_KEY and
// PEER_FENCE (decimal) added to its environment, waits until the whole group has
// ended, and then releases h.
//
// When the lock is in doubt the group is ended by TERM and then KILL, before the
// lease can expire; when ctx ends, likewise. Processes that outlive cmd within
// its group are waited for: they work under the lock too.
//
// exit is cmd's exit code, 128+n if signal n ended it, and -1 if it was not
// started. err wraps recipes.ErrLost (or recipes.ErrClosed) if the lock was lost
// before the group had ended, or the group was ended because it was in doubt;
// ctx's error if that ended it, and whatever kept cmd from starting; it is nil
// if cmd ended by itself, however it did. If cmd.Stdout or Stderr is no *os.File
// and cmd.WaitDelay is zero, WaitDelay is set to 5 s.
func Run(ctx context.Context, h *recipes.Held, cmd *exec.Cmd, opts ...Options) (exit int, err error) {
	return run(ctx, h, cmd, opts...)
}

func run(ctx context.Context, h lock, cmd *exec.Cmd, opts ...Options) (exit int, err error) {
	var o Options
	if len(opts) > 0 {
		o = opts[0]
	}
	limit := releaseTimeout
	defer func() {
		rctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
		defer cancel()
		if e := h.Release(rctx); e != nil && !errors.Is(err, recipes.ErrLost) {
			err = errors.Join(err, e)
		}
	}()
	if err := h.Err(); err != nil {
		return -1, err
	}
	if err := ctx.Err(); err != nil {
		return -1, fmt.Errorf("run %s: %w", cmd.Path, err)
	}
	prepare(cmd, h)
	ended, err := start(cmd)
	if err != nil {
		return -1, fmt.Errorf("run %s: %w", cmd.Path, err)
	}
	g := group{pid: cmd.Process.Pid, grace: o.Grace}
	if most := h.TTL() / 4; g.grace <= 0 || g.grace > most {
		g.grace = most
	}
	waitErr := g.watch(ctx, h, ended, o.Signals)
	if g.doubted { // nobody answers, and soon after the deadline the lease ends by itself
		limit = min(limit, max(0, time.Until(h.Deadline()))+h.TTL()/10)
	}
	exit = exitCode(cmd.ProcessState)
	var exitErr *exec.ExitError
	switch {
	case h.Err() != nil:
		return exit, h.Err()
	case g.doubted: // in time, but not by itself: its code says nothing
		return exit, fmt.Errorf("%s was ended because the lock was in doubt: %w", cmd.Path, recipes.ErrLost)
	case ctx.Err() != nil && g.cancelled:
		return exit, fmt.Errorf("run %s: %w", cmd.Path, ctx.Err())
	case waitErr != nil && !errors.As(waitErr, &exitErr) && !errors.Is(waitErr, exec.ErrWaitDelay):
		return exit, fmt.Errorf("run %s: %w", cmd.Path, waitErr)
	}
	return exit, nil
}

func prepare(cmd *exec.Cmd, h lock) {
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, "PEER_LOCK_KEY="+h.Key(), "PEER_FENCE="+strconv.FormatInt(h.Fence(), 10))
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	if !cmd.SysProcAttr.Setsid { // a new session is a new group already
		cmd.SysProcAttr.Setpgid = true
	}
	dieWithParent(cmd.SysProcAttr)
	if cmd.WaitDelay == 0 {
		cmd.WaitDelay = linger
	}
}

// start starts cmd and waits for it, both on one operating system thread kept
// for it: Linux kills the command (see dieWithParent) when the thread that
// started it ends, and Go's threads come and go.
func start(cmd *exec.Cmd) (<-chan error, error) {
	started, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	}()
	return ended, <-started
}

// group is the process group of the command; its number is the command's.
type group struct {
	pid       int
	grace     time.Duration
	cancelled bool // ctx ended before the group did
	doubted   bool // the group was ended because the lock was in doubt
}

// watch carries out what decide says until nobody is left in the group, and
// returns what waiting for the command returned.
func (g *group) watch(ctx context.Context, h lock, ended <-chan error, signals <-chan os.Signal) (err error) {
	var termed time.Time
	lost, done := h.Lost(), ctx.Done()
	for {
		if ended == nil && g.gone() {
			return err
		}
		s := situation{now: time.Now(), deadline: h.Deadline(), grace: g.grace, lost: lost == nil, cancelled: g.cancelled, termed: termed}
		what, again := decide(s)
		switch what {
		case term:
			termed, g.doubted = s.now, !s.cancelled
			g.signal(syscall.SIGTERM)
			g.signal(syscall.SIGCONT) // who is stopped cannot end
			continue
		case kill:
			g.signal(syscall.SIGKILL)
		}
		nap := time.Until(again)
		if ended == nil {
			nap = min(nap, poll)
		}
		t := time.NewTimer(nap)
		select {
		case <-t.C:
		case err = <-ended:
			ended = nil
		case <-lost:
			lost = nil
		case <-done:
			done, g.cancelled = nil, true
		case sig, ok := <-signals:
			if n, is := sig.(syscall.Signal); ok && is {
				g.signal(n)
			}
			if !ok {
				signals = nil
			}
		}
		t.Stop()
	}
}

func (g *group) signal(sig syscall.Signal) { _ = syscall.Kill(-g.pid, sig) } // nobody there: nothing to do

// gone says that no living process is left in the group; one that may not be
// signalled (it changed its user) is one that is left.
func (g *group) gone() bool {
	err := syscall.Kill(-g.pid, 0)
	return errors.Is(err, syscall.ESRCH) || err == nil && onlyZombies(g.pid)
}

func exitCode(st *os.ProcessState) int {
	if st == nil {
		return -1
	}
	if ws, ok := st.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return st.ExitCode()
}
