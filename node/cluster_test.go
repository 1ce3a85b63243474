package node_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/quorate/quorate/node"
)

func TestThreeNodesFormOneCluster(t *testing.T) {
	t.Parallel()
	cfgs := machines(t, 3)
	ctx := within(t, 60*time.Second)
	began := time.Now()
	nodes := []*node.Node{start(t, cfgs[0]), start(t, cfgs[1])}
	short, cancel := context.WithTimeout(ctx, 700*time.Millisecond)
	err := nodes[0].Ready(short)
	cancel()
	if !errors.Is(err, node.ErrNoQuorum) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Ready without the third: %v", err)
	}
	if s := nodes[0].Status(); s.Phase != node.Waiting || len(s.Problems) == 0 {
		t.Errorf("status without the third: %+v", s)
	}
	nodes = append(nodes, start(t, cfgs[2]))
	ids := map[string]bool{}
	for _, n := range nodes {
		if err := n.Ready(ctx); err != nil {
			t.Fatalf("%v\n%+v", err, n.Status())
		}
		ids[n.Status().Etcd.ClusterID] = true
	}
	t.Logf("formed in %v", time.Since(began))
	if len(ids) != 1 {
		t.Fatalf("clusters %v", ids)
	}
	h, err := nodes[0].Mutex("x").Lock(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := nodes[1].Mutex("x").TryLock(ctx); err == nil {
		t.Error("two holders")
	}
	if err := h.Release(ctx); err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		s := n.Status()
		if len(s.Members) != 3 || !s.Quorum || s.Leader == "" {
			t.Errorf("%s: %+v", s.Name, s)
		}
	}

	// A node that stops keeps its membership and comes back from its data.
	if err := nodes[2].Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := nodes[0].Etcd().Put(ctx, "k", "v"); err != nil {
		t.Fatal(err)
	}
	if r, err := nodes[0].Etcd().MemberList(ctx); err != nil || len(r.Members) != 3 {
		t.Errorf("members after one was closed: %v, %v", r, err)
	}
	again := start(t, cfgs[2])
	if err := again.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	if r, err := again.Etcd().Get(ctx, "k"); err != nil || len(r.Kvs) != 1 {
		t.Errorf("after the restart: %v, %v", r, err)
	}
}

// A machine that comes back under another address is the same member: it tells
// the cluster, and the others reach it there.
func TestAddressChanges(t *testing.T) {
	t.Parallel()
	cfgs := machines(t, 3)
	ctx := within(t, 60*time.Second)
	var nodes []*node.Node
	for _, c := range cfgs {
		nodes = append(nodes, start(t, c))
	}
	for _, n := range nodes {
		if err := n.Ready(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := nodes[2].Close(); err != nil {
		t.Fatal(err)
	}
	moved := cfgs[2]
	moved.BasePort = other(t, cfgs[2], "").BasePort
	nodes[2] = start(t, moved)
	if err := nodes[2].Ready(ctx); err != nil {
		t.Fatal(err)
	}
	url := fmt.Sprintf("https://127.0.0.1:%d", moved.BasePort+2)
	eventually(t, "the others know "+url, nodes[0], func() bool {
		for _, m := range nodes[0].Status().Members {
			if m.Name == "n3" {
				return m.PeerURL == url && m.RPC == "ok"
			}
		}
		return false
	})
	if err := nodes[1].Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is one of two that are left", nodes[0], func() bool {
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err := nodes[0].Etcd().Put(short, "k", "v")
		return err == nil
	})
}
