//go:build unix && !linux

package lockexec

import "syscall"

// dieWithParent: this system cannot.
func dieWithParent(*syscall.SysProcAttr) {}

// onlyZombies: this system does not say.
func onlyZombies(int) bool { return false }
