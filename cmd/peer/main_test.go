package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"peer": main})
}

// TestScripts runs the real main, as testdata/*.txtar say. UPDATE=1 rewrites
// the golden texts in them.
func TestScripts(t *testing.T) {
	testscript.Run(t, params(testscript.Params{Dir: "testdata", UpdateScripts: os.Getenv("UPDATE") != ""}))
}

// params gives every script a short directory and our commands.
func params(p testscript.Params) testscript.Params {
	p.RequireExplicitExec = true
	p.Setup = func(e *testscript.Env) error {
		// $Q is a short directory: a socket's path has at most 107 bytes.
		dir, err := os.MkdirTemp("", "q")
		if err != nil {
			return err
		}
		e.Defer(func() { os.RemoveAll(dir) })
		e.Setenv("Q", dir)
		e.Setenv("TMPDIR", filepath.Join(dir, "tmp"))
		e.Setenv("PEER_SOCKET", "")
		return os.Mkdir(filepath.Join(dir, "tmp"), 0o700)
	}
	p.Cmds = map[string]func(*testscript.TestScript, bool, []string){
		"exits":   exits,
		"waitfor": waitfor,
		"take":    take,
		"gone":    gone,
	}
	return p
}

const patience = 30 * time.Second

// exits N COMMAND… runs the command, which must end with code N.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	if err != nil || neg {
		ts.Fatalf("usage: exits CODE COMMAND [ARG…]")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("run %q: %v", args[1:], err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("%q ended with %d, want %d", args[1:], got, want)
	}
}

// waitfor FILE REGEXP waits until the file has a match.
func waitfor(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 || neg {
		ts.Fatalf("usage: waitfor FILE REGEXP")
	}
	find(ts, args[0], args[1])
}

// take NAME FILE REGEXP waits likewise, and sets the variable to the match's
// group.
func take(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 || neg {
		ts.Fatalf("usage: take NAME FILE REGEXP")
	}
	ts.Setenv(args[0], find(ts, args[1], args[2])[1])
}

// gone FILE waits until none of the processes in the file is there any more.
func gone(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 || neg {
		ts.Fatalf("usage: gone FILE")
	}
	left := strings.Fields(ts.ReadFile(args[0]))
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		left = slices.DeleteFunc(left, func(pid string) bool {
			out, err := exec.Command("ps", "-o", "stat=", "-p", pid).Output()
			return err != nil || strings.HasPrefix(string(out), "Z") // nobody may be there to wait for it
		})
		if len(left) == 0 {
			return
		}
	}
	exec.Command("kill", append([]string{"-KILL"}, left...)...).Run()
	ts.Fatalf("the processes %v are still there after %v", left, patience)
}

func find(ts *testscript.TestScript, file, expr string) []string {
	re := regexp.MustCompile("(?m)" + expr)
	var text []byte
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		text, _ = os.ReadFile(ts.MkAbs(file))
		if m := re.FindStringSubmatch(string(text)); m != nil {
			return m
		}
	}
	ts.Fatalf("%s has no match for %s after %v:\n%s", file, expr, patience, text)
	return nil
}
