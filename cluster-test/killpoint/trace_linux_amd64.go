package killpoint

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// Supported says that this platform can trace.
const Supported = true

const stopOfCall = syscall.SIGTRAP | 0x80 // with PTRACE_O_TRACESYSGOOD

// trace runs the program and sees each system call of each of its threads.
func trace(limit int, dir, logName string, argv []string) error {
	log, err := os.OpenFile(logName, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	runtime.LockOSThread() // the tracer is a thread
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	pid := cmd.Process.Pid
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &ws, 0, nil); err != nil {
		return fmt.Errorf("wait for the exec: %w", err)
	}
	const exitKill = 0x100000 // PTRACE_O_EXITKILL: nothing outlives the tracer
	if err := syscall.PtraceSetOptions(pid, syscall.PTRACE_O_TRACECLONE|syscall.PTRACE_O_TRACESYSGOOD|exitKill); err != nil {
		return fmt.Errorf("set the options: %w", err)
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		for s := range asked {
			syscall.Kill(pid, s.(syscall.Signal))
		}
	}()
	begun := map[int]bool{pid: true}
	points := 0
	next := func(tid int, s syscall.Signal) { syscall.PtraceSyscall(tid, int(s)) } // an error means that it is gone, which Wait4 tells
	next(pid, 0)
	for {
		tid, err := syscall.Wait4(-1, &ws, syscall.WALL, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("wait: %w", err)
		}
		switch {
		case !ws.Stopped():
			if tid == pid {
				return nil
			}
		case ws.StopSignal() == stopOfCall:
			if what := change(pid, tid, dir); what != "" {
				points++
				fmt.Fprintln(log, points, what)
				if points == limit {
					syscall.Kill(pid, syscall.SIGKILL)
					continue // it must not make this call
				}
			}
			next(tid, 0)
		case ws.StopSignal() == syscall.SIGTRAP:
			next(tid, 0)
		case ws.StopSignal() == syscall.SIGSTOP && !begun[tid]: // a new thread's first stop
			begun[tid] = true
			next(tid, 0)
		default:
			next(tid, ws.StopSignal())
		}
	}
}

// change is the system call that the thread is about to make, if it changes
// something under dir.
func change(pid, tid int, dir string) string {
	var r syscall.PtraceRegs
	if syscall.PtraceGetRegs(tid, &r) != nil || int64(r.Rax) != -int64(syscall.ENOSYS) {
		return "" // the end of a call: at its beginning the kernel has put ENOSYS there
	}
	const renameat2 = 316
	var name, path string
	switch r.Orig_rax {
	case syscall.SYS_WRITE, syscall.SYS_PWRITE64, syscall.SYS_FTRUNCATE, syscall.SYS_FALLOCATE:
		name, path = "write", file(pid, r.Rdi)
	case syscall.SYS_OPENAT:
		if r.Rdx&(syscall.O_CREAT|syscall.O_TRUNC) == 0 {
			return ""
		}
		name, path = "open", text(tid, r.Rsi)
	case syscall.SYS_MKDIRAT, syscall.SYS_UNLINKAT:
		name, path = "mkdir or unlink", text(tid, r.Rsi)
	case syscall.SYS_RENAMEAT, renameat2:
		name, path = "rename", text(tid, r.R10)
	case syscall.SYS_RENAME:
		name, path = "rename", text(tid, r.Rsi)
	case syscall.SYS_MKDIR, syscall.SYS_UNLINK, syscall.SYS_RMDIR:
		name, path = "mkdir or unlink", text(tid, r.Rdi)
	}
	rel, err := filepath.Rel(dir, path)
	if path == "" || err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
		return ""
	}
	return name + " " + rel
}

func file(pid int, fd uint64) string {
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, fd))
	if err != nil {
		return ""
	}
	return path
}

func text(tid int, at uint64) string {
	b := make([]byte, 256)
	n, _ := syscall.PtracePeekData(tid, uintptr(at), b)
	s, _, _ := bytes.Cut(b[:n], []byte{0})
	return string(s)
}
