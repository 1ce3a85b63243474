package lockexec

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

// dieWithParent has the kernel kill the command when this process dies, even by
// SIGKILL: nobody would watch the lock any more. It reaches the command only,
// not its children.
func dieWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }

// onlyZombies says that whoever is left in the group is dead and only waits to
// be reaped by its parent: in a container without an init, for ever.
func onlyZombies(pgid int) bool {
	dir, err := os.Open("/proc")
	if err != nil {
		return false
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return false
	}
	seen := false
	for _, name := range names {
		if _, err := strconv.Atoi(name); err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue // gone meanwhile
		}
		// pid (comm) state ppid pgrp …; comm may hold anything, parentheses too.
		f := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(f) < 18 || string(f[2]) != strconv.Itoa(pgid) {
			continue
		}
		// A dead first thread looks like a zombie while other threads run.
		if s := f[0][0]; s != 'Z' && s != 'X' || string(f[17]) > "1" {
			return false
		}
		seen = true
	}
	return seen
}
