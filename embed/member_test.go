package embed_test

import (
	"context"
	"errors"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/embed"
)

func TestPutGetWatch(t *testing.T) {
	leaks(t)
	m := startReady(t, fast(t))
	c := m.Client()
	ctx := t.Context()
	w := c.Watch(ctx, "k")
	if _, err := c.Put(ctx, "k", "v"); err != nil {
		t.Fatal(err)
	}
	if r := <-w; len(r.Events) != 1 || string(r.Events[0].Kv.Value) != "v" {
		t.Fatalf("watch said %+v", r)
	}
	r, err := c.Get(ctx, "k")
	if err != nil || len(r.Kvs) != 1 {
		t.Fatal(r, err)
	}
}

func TestStartStopStart(t *testing.T) {
	leaks(t)
	c := fast(t)
	for i := range 3 {
		began := time.Now()
		m, err := embed.Start(t.Context(), c)
		if err != nil {
			t.Fatal(i, err)
		}
		waitFor(t, "ready", m.Ready())
		ready := time.Since(began)
		if _, err := m.Client().Put(t.Context(), "k", "v"); err != nil {
			t.Fatal(err)
		}
		began = time.Now()
		stop(t, m)
		t.Logf("ready in %v, stopped in %v", ready, time.Since(began))
		if m.Err() != nil {
			t.Fatal(m.Err())
		}
		waitFor(t, "done", m.Done())
		stop(t, m) // twice
	}
}

func TestStopBeforeReady(t *testing.T) {
	leaks(t)
	c := fast(t)
	c.InitialCluster = map[string]string{"a": c.PeerURL, "b": freeURL(t)} // never a quorum
	c.Socket = shortDir(t) + "/s"
	m, err := embed.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-m.Ready():
		t.Fatal("ready without a quorum")
	default:
	}
	began := time.Now()
	stop(t, m)
	if d := time.Since(began); d > 3*time.Second {
		t.Fatalf("stop took %v", d)
	}
}

func TestCallsEndWithTheMember(t *testing.T) {
	leaks(t)
	c := fast(t)
	c.InitialCluster = map[string]string{"a": c.PeerURL, "b": freeURL(t)}
	m, err := embed.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	other := m.NewClient(embed.Seam{}) // and nobody closes it
	errs := make(chan error, 4)
	go func() { _, err := m.Client().Get(context.Background(), "k"); errs <- err }()
	go func() { _, err := other.Put(context.Background(), "k", "v"); errs <- err }()
	go func() { _, err := other.KeepAliveOnce(context.Background(), 7); errs <- err }()
	go func() {
		for range other.Watch(clientv3.WithRequireLeader(context.Background()), "k") {
		}
		errs <- embed.ErrStopped
	}()
	stop(t, m)
	for range 4 {
		if err := <-errs; !errors.Is(err, embed.ErrStopped) {
			t.Errorf("got %v, want ErrStopped", err)
		}
	}
	if _, err := m.Client().Get(context.Background(), "k"); !errors.Is(err, embed.ErrStopped) {
		t.Errorf("after Stop got %v, want ErrStopped", err)
	}
	if _, err := other.KeepAliveOnce(context.Background(), 7); !errors.Is(err, embed.ErrStopped) {
		t.Errorf("after Stop got %v, want ErrStopped", err)
	}
}
