// Package killpoint kills a process at one of its changes to a directory.
//
// A kill point is the moment before a system call that changes what is on the
// disk: a file made, written, cut, renamed, removed. A killed process leaves
// what it has written, synced or not, so the states between two kill points are
// all the same, and to try each point is to try each state that a kill can leave.
package killpoint

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

const environment = "QUORATE_KILLPOINT"

// Command is the program to be killed before its n-th change of a file under
// dir, counted from 1 and over all its threads, or never if it makes fewer. Each
// point is a line "N CALL PATH" in the file log. The program runs under this
// binary, whose main function must begin with Main.
func Command(n int, dir, log, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], append([]string{name}, args...)...)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d,%s,%s", environment, n, log, dir))
	return cmd
}

// Main does what Command asked for and ends the process, if this is one of
// Command's.
func Main() {
	text, ok := os.LookupEnv(environment)
	if !ok {
		return
	}
	os.Unsetenv(environment)
	n, rest, _ := strings.Cut(text, ",")
	log, dir, _ := strings.Cut(rest, ",")
	limit, err := strconv.Atoi(n)
	if err == nil {
		err = trace(limit, dir, log, os.Args[1:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "killpoint:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
