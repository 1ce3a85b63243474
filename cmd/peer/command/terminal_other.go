//go:build !linux

package command

import "os/exec"

// lendTerminal does nothing here: CMD runs in a background group and cannot
// read the terminal.
func lendTerminal(*exec.Cmd, func(string, ...any)) (takeBack func()) { return func() {} }
