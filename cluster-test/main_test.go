package clustertest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/quorate/quorate/cluster-test/killpoint"
)

// binaries is where the programs under test are built, once a run.
var binaries string

func TestMain(m *testing.M) {
	killpoint.Main()
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "clustertest")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binaries = dir
		// No setting of the caller's shell may reach the programs under test.
		for _, kv := range os.Environ() {
			if k, _, _ := strings.Cut(kv, "="); strings.HasPrefix(k, "PEER_") || strings.HasPrefix(k, "ETCDCTL_") {
				os.Unsetenv(k)
			}
		}
		return m.Run()
	}())
}

// Both programs come from this module's go.mod, so etcdctl has the version of
// the server.
var buildPrograms = sync.OnceValue(func() error {
	out, err := exec.Command("go", "build", "-o", binaries+string(filepath.Separator),
		"github.com/quorate/quorate/cmd/peer", "go.etcd.io/etcd/etcdctl/v3").CombinedOutput()
	if err != nil {
		return fmt.Errorf("build peer and etcdctl: %w\n%s", err, out)
	}
	return nil
})

// program returns the path of peer or etcdctl.
func program(t *testing.T, name string) string {
	t.Helper()
	if err := buildPrograms(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(binaries, name)
}

// A dev is a running `peer dev`, and who talks to it.
type dev struct {
	t            *testing.T
	dir          string
	socket, etcd string
	process      *child
}

// startDev starts `peer dev --dir` in a new directory and waits until it is usable.
func startDev(t *testing.T) *dev {
	t.Helper()
	dir := shortDir(t)
	d := &dev{t: t, dir: dir, socket: filepath.Join(dir, "peer.sock"), etcd: filepath.Join(dir, "etcd.sock")}
	d.process = start(t, program(t, "peer"), "dev", "--dir", dir)
	if _, err := d.peer("wait-ready", "--quorum", "--timeout", "20s"); err != nil {
		t.Fatalf("%v\npeer dev said:\n%s", err, d.process.output())
	}
	return d
}

// peer runs a peer command on the node's socket.
func (d *dev) peer(args ...string) (string, error) {
	return output(d.t, program(d.t, "peer"), append(args[:1:1], append([]string{"--socket", d.socket}, args[1:]...)...)...)
}

// etcdctl runs stock etcdctl on the node's etcd socket.
func (d *dev) etcdctl(args ...string) (string, error) {
	return output(d.t, program(d.t, "etcdctl"), append([]string{"--endpoints", "unix://" + d.etcd}, args...)...)
}

// must fails the test if the command did.
func (d *dev) must(out string, err error) string {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
	return out
}

// shortDir returns a new directory whose sockets have paths a kernel takes.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "q")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// output runs a program to its end and returns its stdout; the error has its
// stderr and wraps *exec.ExitError.
func output(t *testing.T, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s %s: %w\n%s%s", filepath.Base(name), strings.Join(args, " "), err, stdout.String(), stderr.String())
	}
	return stdout.String(), nil
}

// A child is a program running beside the test.
type child struct {
	t    *testing.T
	cmd  *exec.Cmd
	done chan struct{}
	err  error // of Wait, once done is closed

	mu  sync.Mutex
	out bytes.Buffer // stdout and stderr
}

// start starts a program that the test's end interrupts, and kills after 10 s.
func start(t *testing.T, name string, args ...string) *child {
	t.Helper()
	return startCommand(t, exec.Command(name, args...))
}

func startCommand(t *testing.T, cmd *exec.Cmd) *child {
	t.Helper()
	c := &child{t: t, cmd: cmd, done: make(chan struct{})}
	c.cmd.Stdout, c.cmd.Stderr = c, c
	c.cmd.WaitDelay = time.Second
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		c.err = c.cmd.Wait()
		close(c.done)
	}()
	t.Cleanup(func() { c.interrupt() })
	return c
}

func (c *child) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.Write(p)
}

func (c *child) output() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.String()
}

// interrupt ends the program as Ctrl-C would, and returns how it ended.
func (c *child) interrupt() error {
	c.cmd.Process.Signal(syscall.SIGINT)
	select {
	case <-c.done:
	case <-time.After(10 * time.Second):
		c.cmd.Process.Kill()
		<-c.done
		c.t.Errorf("%s did not end within 10 s of an interrupt; it said:\n%s", c.cmd, c.output())
	}
	return c.err
}

// wait waits for the program's own end.
func (c *child) wait() error {
	c.t.Helper()
	select {
	case <-c.done:
	case <-time.After(20 * time.Second):
		c.t.Fatalf("%s does not end; it said:\n%s", c.cmd, c.output())
	}
	return c.err
}

// says waits until the program's output contains text.
func (c *child) says(text string) {
	c.t.Helper()
	eventually(c.t, func() (bool, string) {
		return strings.Contains(c.output(), text), fmt.Sprintf("%s never said %q; it said:\n%s", c.cmd, text, c.output())
	})
}

// eventually polls until ok; after 15 s the test fails with what cond said last.
func eventually(t *testing.T, cond func() (ok bool, why string)) {
	t.Helper()
	limit := time.After(15 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, why := cond()
		if ok {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal(why)
		}
	}
}
