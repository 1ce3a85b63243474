package embed_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/embed"
	"github.com/quorate/quorate/internal/problem"
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

// The start of a member whose starter gave up is cleared away.
func TestStartGivenUp(t *testing.T) {
	leaks(t)
	c := fast(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := embed.Start(ctx, c); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want Canceled", err)
	}
	var m *embed.Member
	eventually(t, "the directory is free", func() (ok bool) {
		var err error
		m, err = embed.Start(t.Context(), c)
		return err == nil
	})
	waitFor(t, "ready", m.Ready())
	stop(t, m)
}

func TestLogDirectory(t *testing.T) {
	leaks(t)
	c := fast(t)
	c.WALDir = t.TempDir()
	m := startReady(t, c)
	if log, err := filepath.Glob(filepath.Join(c.WALDir, "*", "*.wal")); err != nil || len(log) == 0 {
		t.Errorf("no log in WALDir: %v", err)
	}
	other := fast(t)
	other.WALDir = c.WALDir
	if _, err := embed.Start(t.Context(), other); !errors.Is(err, embed.ErrDirInUse) {
		t.Errorf("a second member on the log: %v, want ErrDirInUse", err)
	}
	if _, err := m.Client().Put(t.Context(), "k", "v"); err != nil {
		t.Fatal(err)
	}
	stop(t, m)
	m = startReady(t, c)
	if r, err := m.Client().Get(t.Context(), "k"); err != nil || len(r.Kvs) != 1 {
		t.Errorf("after a restart: %v, %v", r, err)
	}
}

func TestConfigIsRefused(t *testing.T) {
	for name, spoil := range map[string]func(*embed.Config){
		"name":      func(c *embed.Config) { c.Name = "" },
		"directory": func(c *embed.Config) { c.Dir = "" },
		"peer URL":  func(c *embed.Config) { c.PeerURL = "127.0.0.1:1" },
		"tick":      func(c *embed.Config) { c.Tick = 1500 * time.Microsecond },
		"election":  func(c *embed.Config) { c.Election = 4 * c.Tick },
		"quota":     func(c *embed.Config) { c.QuotaBytes = -1 },
		"TLS":       func(c *embed.Config) { c.PeerURL = "https://127.0.0.1:1" },
		"founders":  func(c *embed.Config) { c.InitialCluster = map[string]string{"b": c.PeerURL} },
	} {
		c := fast(t)
		spoil(&c)
		var p *problem.Error
		if _, err := embed.Start(t.Context(), c); !errors.Is(err, embed.ErrConfig) || !errors.As(err, &p) || p.What == "" || p.Why == "" || p.Do == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
