package node_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/node"
	"github.com/quorate/quorate/node/nodetest"
)

// The power of all machines fails, and they come back one by one. Each starts
// from its disk without a word from anybody, and says who is missing.
func TestWholeClusterPowerCut(t *testing.T) {
	t.Parallel()
	c := nodetest.Cluster(t, 3)
	ctx := within(t, 30*time.Second)
	if _, err := c.Node(1).Etcd().Put(ctx, "k", "v"); err != nil {
		t.Fatal(err)
	}
	for _, n := range c.Nodes() { // it is on all disks
		if _, err := n.Etcd().Get(ctx, "k"); err != nil {
			t.Fatal(err)
		}
	}
	id := c.Node(2).Status().Etcd.ClusterID
	c.Kill(0, 1, 2)

	c.Isolate(2) // so that there can be no word from anybody
	began := time.Now()
	n := c.Restart(2)
	r, err := n.Etcd().Get(ctx, "k", clientv3.WithSerializable())
	if err != nil || len(r.Kvs) != 1 || string(r.Kvs[0].Value) != "v" {
		t.Fatalf("read from the disk: %v, %v", r, err)
	}
	shows(t, n, "no-quorum", "1 of 3 voters", "n1 ("+c.Config(0).Join[0]+")", "n2 ("+c.Config(0).Join[1]+")")
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v to start, read and say who is missing", took)
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	err = n.Ready(short)
	cancel()
	if !errors.Is(err, node.ErrNoQuorum) || !strings.Contains(err.Error(), "missing: n1 (") || !strings.Contains(err.Error(), "n2 (") {
		t.Errorf("Ready without the others: %v", err)
	}
	c.Heal(2)

	for _, i := range []int{0, 1} {
		n := c.Restart(i)
		if err := n.Ready(ctx); err != nil {
			t.Fatal(err)
		}
		if s := n.Status(); s.Etcd.ClusterID != id || len(s.Members) != 3 {
			t.Errorf("%s came back as %+v", s.Name, s)
		}
	}
	for _, n := range c.Nodes() {
		if r, err := n.Etcd().Get(ctx, "k"); err != nil || len(r.Kvs) != 1 {
			t.Errorf("%s lost what was acknowledged: %v, %v", n.Status().Name, r, err)
		}
		eventually(t, "no problem is left", n, func() bool { return len(n.Status().Problems) == 0 })
	}
}

// A machine whose disk is empty is a new node: it finds the cluster, says so,
// and waits. Even two of three never form another one.
func TestWipedDisks(t *testing.T) {
	t.Parallel()
	c := nodetest.Cluster(t, 3)
	id := c.Node(0).Status().Etcd.ClusterID
	c.Kill(1, 2)
	for _, i := range []int{1, 2} {
		if err := os.RemoveAll(c.Config(i).DataDir); err != nil {
			t.Fatal(err)
		}
		c.Restart(i)
	}
	for _, i := range []int{1, 2} {
		shows(t, c.Node(i), "cluster-exists", "lost its disk")
		if s := c.Node(i).Status(); s.Phase != node.Waiting || s.Etcd.MemberID != "" {
			t.Errorf("%s: %+v", s.Name, s)
		}
	}
	shows(t, c.Node(0), "no-quorum", "1 of 3 voters")
	if s := c.Node(0).Status(); s.Etcd.ClusterID != id || s.Quorum {
		t.Errorf("what is left of the cluster: %+v", s)
	}
}

// Two processes that come from one disk both stop their member: nobody can tell
// which of them the cluster knows. The others go on, and so does the original
// once the copy is gone.
func TestCopiedDisk(t *testing.T) {
	t.Parallel()
	here, c := trio(t)
	ctx := within(t, 30*time.Second)
	first, stop := startProcess(t, c)
	if err := first.WaitReady(ctx, true); err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	twin := other(t, node.Config{}, "twin")
	copyDir(t, c.DataDir, twin.DataDir)
	original, stopOriginal := startProcess(t, c)
	c2 := c
	c2.Name, c2.DataDir, c2.BasePort = twin.Name, twin.DataDir, twin.BasePort
	copied, stopCopy := startProcess(t, c2)
	remotely(t, "the original is blocked", original, blockedBy("id-twice", "disk-copied", "disk-old"))
	remotely(t, "the copy is blocked", copied, blockedBy("id-twice", "disk-copied", "disk-old"))
	if _, err := here[0].Etcd().Put(ctx, "k", "v"); err != nil {
		t.Errorf("the others: %v", err)
	}
	if err := stopCopy(); err != nil {
		t.Error(err)
	}
	if err := stopOriginal(); err != nil {
		t.Error(err)
	}
	// While both ran, raft counted on entries that only one of the two disks
	// has. If they are the copy's, the original's log is short of what it has
	// promised: its member ends and says so, rather than serve on it.
	original, _ = startProcess(t, c)
	remotely(t, "the copy is gone", original, func(s node.Status) bool {
		return s.Phase == node.Running && s.Quorum || saysDead(s)
	})
}

// saysDead tells whether the node's member has died, and it says why and what
// to do.
func saysDead(s node.Status) bool {
	return s.Phase == node.Stopped && slices.ContainsFunc(s.Problems, func(p node.Problem) bool {
		return p.Code == "member-dead" && p.Why != "" && p.Do != ""
	})
}

// raftSays tells whether a member ended because its log is short of what it had
// acknowledged, which can happen at any moment before it is stopped.
func raftSays(err error) bool {
	return err != nil && strings.Contains(err.Error(), "Was the raft log corrupted, truncated, or lost?")
}

// A disk that was set back to an older state has forgotten what its member
// promised: it is noticed, and the member stopped. The node stays to say so,
// even where raft has found out first, which kills the member.
func TestRolledBackDisk(t *testing.T) {
	t.Parallel()
	here, c := trio(t)
	ctx := within(t, 30*time.Second)
	snapshot := c.DataDir + ".snapshot"
	for range 3 { // the snapshot is of two starts ago
		r, stop := startProcess(t, c)
		if err := r.WaitReady(ctx, true); err != nil {
			t.Fatal(err)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(snapshot); err != nil {
			copyDir(t, c.DataDir, snapshot)
		}
	}
	copyDir(t, snapshot, c.DataDir)
	r, stop := startProcess(t, c)
	blocked := blockedBy("disk-old")
	dead := false
	remotely(t, "it is blocked", r, func(s node.Status) bool {
		dead = saysDead(s)
		return dead || blocked(s)
	})
	if _, err := here[0].Etcd().Put(ctx, "k", "v"); err != nil {
		t.Errorf("the others: %v", err)
	}
	if err := stop(); (err != nil) != dead && !raftSays(err) {
		t.Errorf("stop, dead %t: %v", dead, err)
	}
}

// Two clusters of one secret and name that meet both say so, and stay apart.
func TestForeignClusters(t *testing.T) {
	t.Parallel()
	cfgs := machines(t, 2)
	ctx := within(t, 30*time.Second)
	var ids []string
	for i := range cfgs {
		cfgs[i].Join, cfgs[i].Voters = joinOf(cfgs[i]), 1
		n := start(t, cfgs[i])
		if err := n.Ready(ctx); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, n.Status().Etcd.ClusterID)
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
	cfgs[1].Join = joinOf(cfgs...)
	a, b := start(t, cfgs[0]), start(t, cfgs[1])
	for i, n := range []*node.Node{a, b} {
		shows(t, n, "foreign-cluster", "clusters never merge", "decide which one stays")
		if s := n.Status(); s.Phase != node.Running || s.Etcd.ClusterID != ids[i] {
			t.Errorf("%s: %+v", s.Name, s)
		}
		if err := n.Ready(ctx); err != nil {
			t.Errorf("%s: %v", n.Status().Name, err)
		}
	}
}
