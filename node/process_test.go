package node_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/quorate/quorate/node"
)

// processEnv makes the test binary a node of a cluster, for what cannot be done
// to one in this process: a member that dies leaves goroutines behind.
const processEnv = "QUORATE_NODE_TEST_PROCESS"

// processConfig is a node.Config that can be written down.
type processConfig struct {
	Name, Cluster, DataDir, Secret string
	Join                           []string
	BasePort                       int
	Advertise                      string
	Env                            []string
}

func process(text string) {
	var c processConfig
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	n, err := node.Start(context.Background(), node.Config{
		Name: c.Name, Cluster: c.Cluster, DataDir: c.DataDir, Secret: node.SecretFile(c.Secret), Join: c.Join, BasePort: c.BasePort, Advertise: c.Advertise,
		Timing: fast, EtcdConfig: noFsync,
	})
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	fmt.Println("started")
	os.Stdin.Read(make([]byte, 1)) // the parent closes it, or is gone
	if err := n.Close(); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	fmt.Println("closed")
}

// startProcess runs that node in a process. stop ends it in order and returns
// the error of Close; the test's end kills it.
func startProcess(t *testing.T, c processConfig) (_ node.Remote, stop func() error) {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), processEnv+"="+string(text))
	cmd.Env = append(cmd.Env, c.Env...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	t.Cleanup(func() {
		if !ended {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "started" {
		t.Fatalf("%s said %q", c.Name, lines.Text())
	}
	return node.Remote{Socket: filepath.Join(c.DataDir, "peer.sock")}, func() error {
		ended = true
		in.Close()
		lines.Scan()
		if err := cmd.Wait(); err != nil {
			return fmt.Errorf("%s: %w", lines.Text(), err)
		}
		return nil
	}
}

// trio is a cluster of two nodes here and one to be started as a process.
func trio(t *testing.T) (here []*node.Node, third processConfig) {
	t.Helper()
	cfgs := machines(t, 3)
	third, secret := written(t, cfgs[2])
	for _, c := range cfgs[:2] {
		c.Secret = secret
		here = append(here, start(t, c))
	}
	return here, third
}

// written is a configuration for a process, with a secret of its own.
func written(t *testing.T, c node.Config) (processConfig, node.Secret) {
	t.Helper()
	file := filepath.Join(shortDir(t), "secret")
	if err := os.WriteFile(file, []byte(node.NewSecret()), 0o600); err != nil {
		t.Fatal(err)
	}
	return processConfig{Name: c.Name, Cluster: c.Cluster, DataDir: c.DataDir, Secret: file, Join: c.Join, BasePort: c.BasePort}, node.SecretFile(file)
}

// remotely waits for ok of the status of a node in another process.
func remotely(t *testing.T, what string, r node.Remote, ok func(node.Status) bool) {
	t.Helper()
	ctx := within(t, 20*time.Second)
	var last node.Status
	for {
		s, err := r.Status(ctx)
		switch {
		case err == nil && ok(s):
			return
		case err == nil:
			last = s
		}
		select {
		case <-ctx.Done():
			t.Fatalf("not in time: %s: %v\n%+v", what, err, last)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// blockedBy tells whether the node is blocked by a problem of one of the codes,
// its member is stopped, and it says what to do.
func blockedBy(codes ...string) func(node.Status) bool {
	return func(s node.Status) bool {
		if s.Phase != node.Blocked || s.Etcd.MemberID != "" || s.Quorum {
			return false
		}
		for _, p := range s.Problems {
			for _, c := range codes {
				if p.Code == c && p.Do != "" {
					return true
				}
			}
		}
		return false
	}
}
