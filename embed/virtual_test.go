package embed_test

import (
	"testing"
	"testing/synctest"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/embed"
)

// virtually runs f with a fresh virtual member in a bubble of its own.
func virtually(t *testing.T, f func(t *testing.T, m *embed.Member)) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		m, err := embed.StartVirtual(t.Context(), embed.Config{Name: "v", Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		<-m.Ready()
		f(t, m)
		if err := m.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A key vanishes with its lease, TTL after the last renewal and at most half a
// second later, on a hundred fresh servers.
func TestVirtualLeases(t *testing.T) {
	began := time.Now()
	var virtual time.Duration
	for range 100 {
		virtually(t, func(t *testing.T, m *embed.Member) {
			c, ctx, start := m.Client(), t.Context(), time.Now()
			const ttl = 5 * time.Second
			l, err := c.Grant(ctx, int64(ttl/time.Second))
			if err != nil {
				t.Fatal(err)
			}
			w := c.Watch(ctx, "k", clientv3.WithFilterPut())
			if _, err := c.Put(ctx, "k", "v", clientv3.WithLease(l.ID)); err != nil {
				t.Fatal(err)
			}
			for range 5 {
				time.Sleep(ttl / 3)
				if _, err := c.KeepAliveOnce(ctx, l.ID); err != nil {
					t.Fatal(err)
				}
			}
			renewed := time.Now()
			if r := <-w; len(r.Events) != 1 {
				t.Fatalf("watch said %+v", r)
			}
			if d := time.Since(renewed); d < ttl || d > ttl+time.Second {
				t.Fatalf("vanished %v after the last renewal", d)
			}
			virtual += time.Since(start)
		})
	}
	t.Logf("100 servers, %v of cluster time in %v", virtual, time.Since(began))
}
