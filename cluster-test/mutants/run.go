package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// verdict of one mutant. Only red is good; unrun says nothing.
type verdict string

const (
	red    verdict = "red"    // the test noticed
	green  verdict = "GREEN"  // it did not: the promise is not held by that test
	broken verdict = "BROKEN" // the entry proves nothing: it does not apply, does not compile, or its test fails anyway
	unrun  verdict = "unrun"  // the time was over
)

type outcome struct {
	mutant  mutant
	verdict verdict
	why     string
	took    time.Duration
}

// runner makes changes to the module in root and runs its tests, all through
// overlays: no file of the module is written.
type runner struct {
	root  string        // the module's root
	tmp   string        // for overlays and test binaries
	limit time.Duration // of one test run
}

// build compiles the tests of pkg with the overlay ("" = the source as it is).
func (r runner) build(ctx context.Context, pkg, overlay, bin string) error {
	// Without debug information, since linking is most of the time.
	args := []string{"test", "-c", "-vet=off", "-ldflags=-s -w", "-o", bin}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, pkg)...)
	cmd.Dir = r.root
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the tests of %s: %w\n%s", pkg, err, tail(string(out)))
	}
	if _, err := os.Stat(bin); err != nil {
		return fmt.Errorf("%s has no tests: %w", pkg, err)
	}
	return nil
}

// run runs one test of a built binary, for limit at most: a test that takes
// longer is red. passed is the binary's verdict; an error
// says that the test never started, so that there is no verdict.
func (r runner) run(ctx context.Context, m mutant, bin string, limit time.Duration) (passed bool, output string, err error) {
	pattern := "^" + strings.ReplaceAll(m.Test, "/", "$/^") + "$"
	ctx, cancel := context.WithTimeout(ctx, limit+10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, "-test.v", "-test.count=1", "-test.run", pattern, "-test.timeout", limit.String())
	// The go command runs a package's tests in its directory; they read testdata.
	cmd.Dir = filepath.Join(r.root, filepath.FromSlash(m.Package))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return killGroup(cmd) }
	cmd.WaitDelay = 5 * time.Second // children of a killed test hold its pipes
	out, err := cmd.CombinedOutput()
	killGroup(cmd) // a test that died leaves the processes it had started
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && ctx.Err() == nil {
		return false, "", fmt.Errorf("run %s: %w", m.Test, err)
	}
	if !bytes.Contains(out, []byte("=== RUN   "+m.Test+"\n")) {
		return false, "", fmt.Errorf("%s has no test %s", m.Package, m.Test)
	}
	if bytes.Contains(out, []byte("--- SKIP: "+m.Test+" ")) {
		return false, "", fmt.Errorf("%s was skipped", m.Test)
	}
	return err == nil, string(out), nil
}

func killGroup(cmd *exec.Cmd) error {
	if cmd.Process == nil {
		return nil
	}
	return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
}

// sound tells whether the mutant's test passes on the source as it is, and how
// long it takes. bin is built once a package.
func (r runner) sound(ctx context.Context, m mutant, bin string) (time.Duration, error) {
	start := time.Now()
	passed, out, err := r.run(ctx, m, bin, r.limit)
	if err != nil {
		return 0, err
	}
	if !passed {
		return 0, fmt.Errorf("%s fails without the mutant too:\n%s", m.Test, tail(out))
	}
	return time.Since(start), nil
}

// try applies the mutant and runs its test. usual is how long that takes without
// the mutant: a change that makes its test hang need not be waited for longer
// than several times that.
func (r runner) try(ctx context.Context, m mutant, usual time.Duration) outcome {
	start := time.Now()
	o := outcome{mutant: m, verdict: broken}
	overlay, err := r.overlay(m)
	if err != nil {
		o.why = err.Error()
		return o
	}
	bin := filepath.Join(r.tmp, m.Name+".test")
	defer os.Remove(bin) // a binary with an etcd server in it has 60 MB
	if err := r.build(ctx, m.Package, overlay, bin); err != nil {
		o.why = err.Error()
		return o
	}
	passed, _, err := r.run(ctx, m, bin, min(r.limit, 5*time.Second+5*usual))
	switch {
	case err != nil:
		o.why = err.Error()
	case ctx.Err() != nil:
		o.why = ctx.Err().Error()
	case passed:
		o.verdict, o.why = green, m.Test+" passes although the change breaks the promise"
	default:
		o.verdict = red
	}
	o.took = time.Since(start)
	return o
}

// overlay writes the changed files and the list that puts them over the source.
func (r runner) overlay(m mutant) (string, error) {
	changed := map[string]string{}
	for _, h := range m.Hunks {
		path := filepath.Join(r.root, filepath.FromSlash(h.File))
		src, again := changed[path]
		if !again {
			b, err := os.ReadFile(path)
			if err != nil {
				return "", fmt.Errorf("read the file to change: %w", err)
			}
			src = string(b)
		}
		out, err := h.apply(src)
		if err != nil {
			return "", err
		}
		changed[path] = out
	}
	replace := map[string]string{}
	for path, src := range changed {
		to := filepath.Join(r.tmp, fmt.Sprintf("%s.%d.go", m.Name, len(replace)))
		if err := os.WriteFile(to, []byte(src), 0o600); err != nil {
			return "", fmt.Errorf("write the changed file: %w", err)
		}
		replace[path] = to
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", fmt.Errorf("write the overlay: %w", err)
	}
	path := filepath.Join(r.tmp, m.Name+".json")
	if err := os.WriteFile(path, list, 0o600); err != nil {
		return "", fmt.Errorf("write the overlay: %w", err)
	}
	return path, nil
}

// tail keeps the last lines of a long output.
func tail(s string) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	if len(lines) > 15 {
		lines = append([]string{"…"}, lines[len(lines)-15:]...)
	}
	return strings.Join(lines, "\n")
}
