package nodetest_test

import (
	"context"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/node"
	"github.com/quorate/quorate/node/nodetest"
)

// An isolated leader loses its quorum and another is elected; what it knew can
// still be read from its disk, and it comes back.
func TestClusterIsolate(t *testing.T) {
	t.Parallel()
	c := nodetest.Cluster(t, 3)
	ctx := within(t, 20*time.Second)
	first := c.Leader()
	put(t, ctx, c.Node(first), "k", "before")

	c.Isolate(first)
	second := c.Leader()
	if second == first {
		t.Fatalf("node %d leads and is isolated", first)
	}
	until(t, ctx, "the isolated node sees that it has no quorum", func() bool { return !c.Node(first).Status().Quorum })
	put(t, ctx, c.Node(second), "k", "after")
	if v := get(t, ctx, c.Node(first), "k", clientv3.WithSerializable()); v != "before" {
		t.Errorf("the isolated node's disk says %q", v)
	}
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if r, err := c.Node(first).Etcd().Get(short, "k"); err == nil {
		t.Errorf("the isolated node answered %v", r)
	}

	c.Heal(first)
	if v := get(t, ctx, c.Node(first), "k"); v != "after" {
		t.Errorf("the healed node says %q", v)
	}
	if c.Leader(); !c.Node(first).Status().Quorum {
		t.Errorf("not healed:%v", c)
	}
}

// A lock of a node that stops is free at once; of one that is killed, with its
// lease, or as soon as the node comes back.
func TestClusterKill(t *testing.T) {
	t.Parallel()
	c := nodetest.Cluster(t, 3)
	ctx := within(t, 30*time.Second)
	lock := func(i int, name string) {
		t.Helper()
		if _, err := c.Node(i).Mutex(name).Lock(ctx); err != nil {
			t.Fatalf("%v\n%v", err, c)
		}
	}
	i := c.Leader()
	other := (i + 1) % 3
	lock(i, "x")
	c.Stop(i)
	began := time.Now()
	lock(other, "x")
	if d := time.Since(began); d > 2*time.Second {
		t.Errorf("the lock of a stopped node was free after %v", d)
	}
	if err := c.Restart(i).Ready(ctx); err != nil {
		t.Fatal(err)
	}

	i = c.Leader()
	other = (i + 1) % 3
	lock(i, "y")
	c.Kill(i)
	if c.Leader() == i {
		t.Error("the killed node leads")
	}
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if _, err := c.Node(other).Mutex("y").Lock(short); err == nil {
		t.Error("the lock of a killed node was free before its lease ended")
	}
	c.Restart(i)
	began = time.Now()
	lock(other, "y")
	if d := time.Since(began); d > 3*time.Second {
		t.Errorf("the lock of a killed node was free %v after it came back", d)
	}
}

func put(t *testing.T, ctx context.Context, n *node.Node, k, v string) {
	t.Helper()
	if _, err := n.Etcd().Put(ctx, k, v); err != nil {
		t.Fatalf("put at %s: %v", n.Status().Name, err)
	}
}

func get(t *testing.T, ctx context.Context, n *node.Node, k string, opts ...clientv3.OpOption) string {
	t.Helper()
	r, err := n.Etcd().Get(ctx, k, opts...)
	if err != nil {
		t.Fatalf("get at %s: %v\n%+v", n.Status().Name, err, n.Status())
	}
	if len(r.Kvs) == 0 {
		return ""
	}
	return string(r.Kvs[0].Value)
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func until(t *testing.T, ctx context.Context, what string, ok func() bool) {
	t.Helper()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("not in time: %s", what)
		case <-time.After(2 * time.Millisecond):
		}
	}
}
