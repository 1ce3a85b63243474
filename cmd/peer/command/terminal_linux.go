package command

import (
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stopGlance is how soon a CMD that was stopped at the terminal goes on.
const stopGlance = 100 * time.Millisecond

// lendTerminal makes CMD's process group the terminal's foreground group, so
// that an editor or a shell under a lock can read keys, and gets Ctrl-C first
// hand. It does so only where peer alone is in front of a terminal: not with a
// pipe behind it, whose reader would lose the terminal. The returned function
// takes the terminal back.
//
// Ctrl-Z would stop CMD and leave the terminal with a group that nobody
// continues, so whoever is stopped there is continued.
func lendTerminal(cmd *exec.Cmd, note func(string, ...any)) (takeBack func()) {
	in, ok := cmd.Stdin.(*os.File)
	out, ok2 := cmd.Stdout.(*os.File)
	if !ok || !ok2 || !inForeground(in) || !inForeground(out) {
		return func() {}
	}
	tty := int(in.Fd())
	cmd.SysProcAttr = &syscall.SysProcAttr{Foreground: true, Ctty: tty}

	done := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		tick := time.NewTicker(stopGlance)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			var info unix.Siginfo
			err := unix.Waitid(unix.P_ALL, 0, &info, unix.WSTOPPED|unix.WNOHANG|unix.WNOWAIT, nil)
			if err != nil || info.Signo == 0 {
				continue // nobody is stopped
			}
			if front, err := unix.IoctlGetInt(tty, unix.TIOCGPGRP); err == nil && front != unix.Getpgrp() {
				note("not suspended: the lock is held")
				unix.Kill(-front, unix.SIGCONT)
			}
		}
	})
	return func() {
		close(done)
		watch.Wait()
		setForeground(tty)
	}
}

// inForeground says that f is our terminal and this process group has it.
func inForeground(f *os.File) bool {
	front, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP)
	return err == nil && front == unix.Getpgrp()
}

// setForeground gives the terminal back to this process group. We are in the
// background then, where the kernel answers with SIGTTOU unless the calling
// thread blocks it.
func setForeground(tty int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var block, before unix.Sigset_t
	n, bits := uint(unix.SIGTTOU-1), 1024/uint(len(block.Val)) // the set has 1,024 bits
	block.Val[n/bits] |= 1 << (n % bits)
	if unix.PthreadSigmask(unix.SIG_BLOCK, &block, &before) != nil {
		return
	}
	unix.IoctlSetPointerInt(tty, unix.TIOCSPGRP, unix.Getpgrp())
	unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
}

// columns is the width of the terminal f, or 0 if it is none.
func columns(f *os.File) int {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	if size.Col == 0 { // a terminal that does not say
		return 80
	}
	return int(size.Col)
}

// childAttr puts a process into a group of its own, out of the way of Ctrl-C,
// and lets it die with the thread that starts it.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
