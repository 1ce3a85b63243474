//go:build !linux

package command

import (
	"os"
	"os/exec"
	"syscall"
)

// lendTerminal does nothing here: CMD runs in a background group and cannot
// read the terminal.
func lendTerminal(*exec.Cmd, func(string, ...any)) (takeBack func()) { return func() {} }

// columns is 0: no terminal is known here.
func columns(*os.File) int { return 0 }

// childAttr puts a process into a group of its own, out of the way of Ctrl-C.
// That it ends with its parent is up to its stdin.
func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
