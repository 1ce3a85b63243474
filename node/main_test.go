package node_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/quorate/quorate/embed"
	"github.com/quorate/quorate/node"
)

// childEnv makes the test binary a program that runs a node on that directory
// until it is killed: what happens to a node that cannot say goodbye can only
// be seen on a process.
const childEnv = "QUORATE_NODE_TEST_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		child(dir)
		return
	}
	if cfg := os.Getenv(processEnv); cfg != "" {
		process(cfg)
		return
	}
	// The parallel tests wait for clocks and rounds, not for processors.
	flag.Parse()
	if p := flag.Lookup("test.parallel"); p.Value.String() == p.DefValue {
		p.Value.Set("8")
	}
	code := m.Run()
	if err := leftOver(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, "goroutines left:", err)
		code = 1
	}
	os.Exit(code)
}

// leftOver waits for what is known to end by itself after Close, and returns
// what does not.
func leftOver() error {
	// memberlist's Shutdown does not wait for the probe that is under way, which
	// ends with its time-out. It holds no socket then.
	probe := goleak.IgnoreAnyFunction("github.com/hashicorp/memberlist.(*Memberlist).probeNode")
	var err error
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		// etcd's connections between members are closed by their idle time-out
		// or by the other side, seconds after the member has stopped.
		if err = goleak.Find(probe); err == nil {
			return nil
		}
	}
	return err
}

func child(dir string) {
	n, err := node.Start(context.Background(), node.Config{DataDir: dir, EtcdConfig: noFsync})
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	h, err := n.Mutex("held").Lock(context.Background())
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	fmt.Println("holding", h.Fence())
	select {}
}

// startChild starts a process that holds the lock "held" on a node in dir, and
// returns a function that kills it.
func startChild(t *testing.T, dir string) (kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	dead := false
	kill = func() {
		if !dead {
			dead = true
			cmd.Process.Kill()
			cmd.Wait()
		}
	}
	t.Cleanup(kill)
	lines := bufio.NewScanner(out)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "holding") {
		t.Fatalf("child said %q", lines.Text())
	}
	return kill
}

func noFsync(c *embed.EtcdConfig) { c.UnsafeNoFsync = true }

// shortDir is a directory whose path leaves room for a socket's name.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "q")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func start(t *testing.T, cfg node.Config) *node.Node {
	t.Helper()
	if cfg.EtcdConfig == nil {
		cfg.EtcdConfig = noFsync
	}
	n, err := node.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}
