package nodetest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/bootstrap"
	"github.com/quorate/quorate/embed"
	"github.com/quorate/quorate/node"
	"github.com/quorate/quorate/node/internal/freeport"
	"github.com/quorate/quorate/node/internal/testhook"
)

// Machines are the nodes of one cluster in this process, each as if on a machine
// of its own that can lose its process or its network. They are numbered from 0.
// The methods are called from the test's goroutine; what goes wrong fails the
// test.
type Machines struct {
	t    testing.TB
	wire *wire
	all  []*machine
}

type machine struct {
	cfg      node.Config
	id       string
	gate     *bootstrap.Gate // of gossip and cluster RPC; it outlives the process
	isolated bool
	hook     *testhook.Hook
	node     *node.Node // nil while it is down
}

// Cluster returns n real nodes that have formed one cluster over loopback and
// are Ready: gossip, cluster RPC, mutual TLS and raft are what a product runs.
// They are closed when the test ends; an error of Close, or a node that ended by
// itself, fails the test.
//
// Without a Config, or where its fields are empty: nodes named n1, n2, … of the
// cluster "test" with a secret of their own, on free ports, in temporary
// directories, raft's clock at 20 and 200 ms, no waiting for the disk, and what
// the nodes log from warnings on in the test's log, where etcd's and memberlist's
// own begin with errors. One Config is for all nodes,
// and its DataDir is the directory in which they have theirs; otherwise there is
// one for each. Join and Ports are always Cluster's own.
//
// The members speak raft through a relay that can cut them off, so nothing here
// is a measure of speed. Cluster is not for testing/synctest bubbles.
func Cluster(t testing.TB, n int, cfg ...node.Config) *Machines {
	t.Helper()
	if n < 1 || n > bootstrap.MaxVoters || len(cfg) > 1 && len(cfg) != n {
		t.Fatalf("a cluster of %d nodes with %d configurations cannot be made", n, len(cfg))
	}
	m := &Machines{t: t, wire: newWire()}
	dir := m.tempDir()
	log, stopLog := testLog(t, slog.LevelWarn)
	t.Cleanup(stopLog)
	log = slog.New(quiet{Handler: log.Handler()})
	secret := node.SecretText(node.NewSecret())
	blocks := freeBlocks(t, n)
	for i := range n {
		var c node.Config
		switch {
		case len(cfg) == 1:
			if c = cfg[0]; c.DataDir != "" {
				c.DataDir = filepath.Join(c.DataDir, fmt.Sprint("n", i+1))
			}
		case len(cfg) > 1:
			c = cfg[i]
		}
		fill(&c.Name, fmt.Sprint("n", i+1))
		fill(&c.Cluster, "test")
		fill(&c.DataDir, filepath.Join(dir, fmt.Sprint("n", i+1)))
		fill(&c.Logger, log)
		fill(&c.Timing, node.Timing{Tick: 20 * time.Millisecond, Election: 200 * time.Millisecond})
		if c.Secret.String() == (node.Secret{}).String() {
			c.Secret = secret
		}
		hook := c.EtcdConfig
		c.EtcdConfig = func(e *embed.EtcdConfig) {
			e.UnsafeNoFsync = true
			if hook != nil {
				hook(e)
			}
		}
		c.Join, c.BasePort, c.Ports = joinOf(blocks), 0, &node.Ports{Gossip: blocks[i], RPC: blocks[i] + 1, Raft: blocks[i] + 2}
		m.all = append(m.all, &machine{cfg: c, gate: &bootstrap.Gate{}})
	}
	t.Cleanup(m.close)
	for i := range m.all {
		m.start(i)
	}
	ctx, cancel := context.WithTimeout(t.Context(), readyTimeout)
	defer cancel()
	for _, n := range m.Nodes() {
		if err := n.Ready(ctx); err != nil {
			t.Fatalf("%s: %v", n.Status().Name, err)
		}
	}
	return m
}

// fill sets what was left out.
func fill[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

func (m *Machines) tempDir() string {
	m.t.Helper()
	dir, err := os.MkdirTemp("", "q") // short, for the sockets in it
	if err != nil {
		m.t.Fatalf("make a directory: %v", err)
	}
	m.t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			m.t.Errorf("remove the data directories: %v", err)
		}
	})
	return dir
}

func (m *Machines) at(i int) *machine {
	m.t.Helper()
	if i < 0 || i >= len(m.all) {
		m.t.Fatalf("there is no node %d among %d", i, len(m.all))
	}
	return m.all[i]
}

func (m *Machines) start(i int) {
	m.t.Helper()
	x := m.at(i)
	x.hook = &testhook.Hook{Gate: x.gate, Raft: m.wire.tap(i, x.cfg.Ports.Raft+1)}
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	n, err := node.Start(testhook.With(ctx, x.hook), x.cfg)
	if err != nil {
		m.wire.unplug(i)
		m.t.Fatalf("start %s: %v", x.cfg.Name, err)
	}
	x.node, x.id = n, n.Status().ID
}

// Node is node i, which must be running.
func (m *Machines) Node(i int) *node.Node {
	m.t.Helper()
	x := m.at(i)
	if x.node == nil {
		m.t.Fatalf("%s is not running", x.cfg.Name)
	}
	return x.node
}

// Nodes are the nodes that run, in order.
func (m *Machines) Nodes() []*node.Node {
	var nodes []*node.Node
	for _, x := range m.all {
		if x.node != nil {
			nodes = append(nodes, x.node)
		}
	}
	return nodes
}

// Config is what node i is started with.
func (m *Machines) Config(i int) node.Config { return m.at(i).cfg }

// Leader waits until every node that runs and is not isolated sees one leader
// among them, and returns its number.
func (m *Machines) Leader() int {
	m.t.Helper()
	deadline := time.Now().Add(readyTimeout)
	for {
		leaders := map[string]bool{}
		for _, x := range m.all {
			if x.node != nil && !x.isolated {
				leaders[x.node.Status().Leader] = true
			}
		}
		for i, x := range m.all {
			if len(leaders) == 1 && leaders[x.id] && x.node != nil && !x.isolated {
				return i
			}
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("no leader after %v: %v", readyTimeout, m)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// String says how the nodes are, for messages of tests.
func (m *Machines) String() string {
	var b strings.Builder
	for _, x := range m.all {
		if x.node == nil {
			fmt.Fprintf(&b, "\n%s is down", x.cfg.Name)
			continue
		}
		s := x.node.Status()
		fmt.Fprintf(&b, "\n%s is %s, quorum %v, leader %q, problems %v", x.cfg.Name, s.Phase, s.Quorum, s.Leader, s.Problems)
	}
	return b.String()
}

// portBlock is the ports of one node: gossip, cluster RPC, raft as others see
// it, and raft behind the relay.
const portBlock = 4

// freeBlocks are the first ports of n blocks, no two the same.
func freeBlocks(t testing.TB, n int) []int {
	t.Helper()
	first, err := freeport.Block(n * portBlock)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []int
	for i := range n {
		blocks = append(blocks, first+i*portBlock)
	}
	return blocks
}

func joinOf(blocks []int) []string {
	var join []string
	for _, b := range blocks {
		join = append(join, fmt.Sprintf("127.0.0.1:%d", b))
	}
	return slices.Clip(join)
}
