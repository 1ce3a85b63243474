package node_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/node"
)

func TestEmptyConfigIsUsableAtOnce(t *testing.T) {
	n := start(t, node.Config{})
	ctx := within(t, 10*time.Second)
	h, err := n.Mutex("x").Lock(ctx) // waits for quorum under its own ctx
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	w := n.Etcd().Watch(ctx, "k")
	if _, err := n.Etcd().Txn(ctx).If(h.Guard()).Then(clientv3.OpPut("k", "v")).Commit(); err != nil {
		t.Fatal(err)
	}
	if r := <-w; r.Err() != nil || string(r.Events[0].Kv.Value) != "v" {
		t.Errorf("watch said %+v", r)
	}
	if err := h.Release(ctx); err != nil {
		t.Fatal(err)
	}
	s := n.Status()
	if s.Phase != node.Running || !s.Quorum || s.Leader != s.ID || len(s.Problems) != 0 || len(s.Members) != 1 || !s.Members[0].Self || s.Members[0].Role != "voter" {
		t.Errorf("status = %+v", s)
	}
	dir := n.DataDir()
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the temporary directory is still there: %v", err)
	}
}

func TestCloseKeepsIdentityAndData(t *testing.T) {
	dir := filepath.Join(shortDir(t), "data")
	ctx := within(t, 20*time.Second)
	n := start(t, node.Config{DataDir: dir, Name: "box"})
	if _, err := n.Etcd().Put(ctx, "k", "v"); err != nil {
		t.Fatal(err)
	}
	before := n.Status()
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); !errors.Is(err, node.ErrClosed) {
		t.Errorf("second Close: %v", err)
	}
	if err := n.Err(); err != nil {
		t.Errorf("Err after Close: %v", err)
	}
	if s := n.Status(); s.Phase != node.Stopped {
		t.Errorf("phase after Close: %s", s.Phase)
	}
	if err := n.Ready(ctx); !errors.Is(err, node.ErrClosed) {
		t.Errorf("Ready after Close: %v", err)
	}
	for _, name := range []string{"peer.sock", "etcd.sock"} {
		if _, err := os.Stat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there: %v", name, err)
		}
	}
	again := start(t, node.Config{DataDir: dir})
	r, err := again.Etcd().Get(ctx, "k")
	if err != nil || len(r.Kvs) != 1 {
		t.Fatalf("after the restart: %v, %v", r, err)
	}
	if after := again.Status(); after.ID != before.ID || after.Etcd.ClusterID != before.Etcd.ClusterID {
		t.Errorf("identity changed from %+v to %+v", before, after)
	}
}

// A killed process leaves sockets, a lock file and leases; the next start takes
// all of them over, and its locks are free at once rather than after their TTL.
func TestStartAfterKill(t *testing.T) {
	dir := shortDir(t)
	kill := startChild(t, dir)
	kill()
	if _, err := os.Stat(filepath.Join(dir, "peer.sock")); err != nil {
		t.Fatalf("the killed process left no socket to replace: %v", err)
	}
	n := start(t, node.Config{DataDir: dir})
	began := time.Now()
	h, err := n.Mutex("held").Lock(within(t, 20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release(context.Background())
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("the lock of the killed process was free after %v, its TTL is 10 s", d)
	}
}

// What a running node holds is not touched by a second one on its directory.
func TestTwoProcessesOnOneDirectory(t *testing.T) {
	dir := shortDir(t)
	startChild(t, dir)
	_, err := node.Start(t.Context(), node.Config{DataDir: dir})
	if !errors.Is(err, node.ErrInUse) {
		t.Fatalf("err = %v", err)
	}
	if s, err := (node.Remote{Socket: filepath.Join(dir, "peer.sock")}).Status(t.Context()); err != nil || !s.Quorum {
		t.Errorf("the first node: %+v, %v", s, err)
	}
}

func TestTwoNodesInOneProcess(t *testing.T) {
	a, b := start(t, node.Config{}), start(t, node.Config{})
	ctx := within(t, 10*time.Second)
	for _, n := range []*node.Node{a, b} {
		h, err := n.Mutex("same name").TryLock(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer h.Release(ctx)
	}
	if a.Status().Etcd.ClusterID == b.Status().Etcd.ClusterID {
		t.Error("two single nodes are one cluster")
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Etcd().Put(ctx, "k", "v"); err != nil {
		t.Errorf("closing one node hurt the other: %v", err)
	}
}

// The raft port may be taken by a stranger between two starts. Nobody else
// knows the old one, so another is chosen and published.
func TestRaftPortTaken(t *testing.T) {
	dir := shortDir(t)
	ctx := within(t, 20*time.Second)
	n := start(t, node.Config{DataDir: dir})
	if err := n.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	old := n.Status().Members[0].PeerURL
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	occupy(t, old)
	again := start(t, node.Config{DataDir: dir})
	for again.Status().Members[0].PeerURL == old {
		select {
		case <-ctx.Done():
			t.Fatalf("the member list still says %s", old)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestCloseEndsWhatIsHeld(t *testing.T) {
	n := start(t, node.Config{})
	ctx := within(t, 10*time.Second)
	h, err := n.Mutex("x").Lock(ctx)
	if err != nil {
		t.Fatal(err)
	}
	held := h.Context(context.Background())
	waiting := make(chan error, 1)
	go func() {
		_, err := n.Mutex("x").Lock(ctx)
		waiting <- err
	}()
	began := time.Now()
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(began); d > 3*time.Second {
		t.Errorf("Close took %v", d)
	}
	if h.Valid() || held.Err() == nil {
		t.Error("the lock is still valid after Close")
	}
	if err := <-waiting; err == nil {
		t.Error("a lock was granted by a closed node")
	}
}

func TestEvents(t *testing.T) {
	n := start(t, node.Config{})
	ctx := within(t, 10*time.Second)
	if err := n.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	h, err := n.Mutex("x").Lock(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Release(ctx); err != nil {
		t.Fatal(err)
	}
	want := []string{"started", "ready", "lock_acquired", "lock_released"}
	for e, err := range n.Events(ctx) {
		if err != nil {
			t.Fatalf("still missing %v: %v", want, err)
		}
		if i := slices.Index(want, e.Type); i >= 0 {
			want = slices.Delete(want, i, i+1)
		}
		if len(want) == 0 {
			break
		}
	}
	closed := make(chan []string)
	go func() {
		var types []string
		for e := range n.Events(context.Background()) {
			types = append(types, e.Type)
		}
		closed <- types
	}()
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	types := <-closed // the stream ends with the node
	if len(types) < 2 || !slices.Equal(types[len(types)-2:], []string{"stopping", "stopped"}) {
		t.Errorf("events: %v", types)
	}
}
