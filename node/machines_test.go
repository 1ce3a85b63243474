package node_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/node"
	"github.com/quorate/quorate/node/internal/freeport"
)

// fast is a raft clock for tests.
var fast = node.Timing{Tick: 20 * time.Millisecond, Election: 200 * time.Millisecond}

// machines are the configurations of n nodes on this machine that have one join
// list.
func machines(t *testing.T, n int) []node.Config {
	t.Helper()
	first, err := freeport.Block(n * 3)
	if err != nil {
		t.Fatal(err)
	}
	dir, secret := shortDir(t), node.SecretText(node.NewSecret())
	var cfgs []node.Config
	for i := range n {
		cfgs = append(cfgs, node.Config{
			Name: fmt.Sprint("n", i+1), Cluster: "test", DataDir: filepath.Join(dir, fmt.Sprint("n", i+1)), Secret: secret, BasePort: first + 3*i,
			Timing: fast,
		})
	}
	join := joinOf(cfgs...)
	for i := range cfgs {
		cfgs[i].Join = join
	}
	return cfgs
}

// joinOf is the join list of these nodes.
func joinOf(cfgs ...node.Config) []string {
	var join []string
	for _, c := range cfgs {
		join = append(join, fmt.Sprintf("127.0.0.1:%d", c.BasePort))
	}
	return join
}

// other is cfg for another node: its own name, directory and ports.
func other(t *testing.T, cfg node.Config, name string) node.Config {
	t.Helper()
	first, err := freeport.Block(3)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Name, cfg.BasePort, cfg.Ports, cfg.DataDir = name, first, nil, filepath.Join(shortDir(t), name)
	return cfg
}

// shows waits until n has a problem of that code, whose texts have all of says.
func shows(t *testing.T, n *node.Node, code string, says ...string) node.Problem {
	t.Helper()
	var found node.Problem
	eventually(t, fmt.Sprintf("%s has the problem %s %q", n.Status().Name, code, says), n, func() bool {
		for _, p := range n.Status().Problems {
			text := p.What + "; " + p.Why + "; " + p.Do
			if p.Code == code && !slices.ContainsFunc(says, func(s string) bool { return !strings.Contains(text, s) }) {
				found = p
				return true
			}
		}
		return false
	})
	return found
}

// eventually waits for ok, and shows the status of n if it does not come.
func eventually(t *testing.T, what string, n *node.Node, ok func() bool) {
	t.Helper()
	ctx := within(t, 20*time.Second)
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("not in time: %s\n%+v", what, n.Status())
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// copyDir copies a data directory as a person would who clones a disk.
func copyDir(t *testing.T, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil && !errors.Is(err, os.ErrInvalid) {
		t.Fatal(err)
	}
	err := filepath.WalkDir(to, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.Chmod(path, 0o700)
		}
		return os.Chmod(path, 0o600) // CopyFS makes them readable for all
	})
	if err != nil {
		t.Fatal(err)
	}
}
