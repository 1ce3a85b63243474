package embed_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
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

// A queue writes and deletes a sixtieth of the quota each second, twice what a
// busy one does, for two and a half minutes: without the compactor the database would be
// full after one.
func TestVirtualChurnStaysUnderQuota(t *testing.T) {
	const quota = 16 << 20
	const perSecond, size = 16, 16 << 10
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		m, err := embed.StartVirtual(t.Context(), embed.Config{Name: "v", Dir: dir, QuotaBytes: quota})
		if err != nil {
			t.Fatal(err)
		}
		<-m.Ready()
		c, ctx, value := m.Client(), t.Context(), strings.Repeat("x", size)
		written := 0
		for s := range 150 {
			for i := range perSecond {
				key := fmt.Sprintf("q/%d/%d", s, i)
				if _, err := c.Put(ctx, key, value); err != nil {
					t.Fatalf("after %d s and %d MiB: %v", s, written>>20, err)
				}
				if _, err := c.Delete(ctx, key); err != nil {
					t.Fatal(err)
				}
				written += size
			}
			time.Sleep(time.Second)
		}
		st := m.Status()
		if st.DBSize > quota || len(st.Alarms) > 0 {
			t.Errorf("%d of %d bytes, alarms %v", st.DBSize, st.Quota, st.Alarms)
		}
		t.Logf("wrote %d MiB, the database has %d MiB, %d in use", written>>20, st.DBSize>>20, st.DBInUse>>20)
		if err := m.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
}

// Thirty seconds of history are there, forty-five are not, and what is quiet is
// left alone.
func TestVirtualHistory(t *testing.T) {
	virtually(t, func(t *testing.T, m *embed.Member) {
		c, ctx := m.Client(), t.Context()
		var revs []int64 // one each second
		for range 120 {
			r, err := c.Put(ctx, "k", "v")
			if err != nil {
				t.Fatal(err)
			}
			revs = append(revs, r.Header.Revision)
			time.Sleep(time.Second)
		}
		now := len(revs)
		if _, err := c.Get(ctx, "k", clientv3.WithRev(revs[now-30])); err != nil {
			t.Error("30 s ago:", err)
		}
		if _, err := c.Get(ctx, "k", clientv3.WithRev(revs[now-45])); !errors.Is(err, rpctypes.ErrCompacted) {
			t.Error("45 s ago:", err)
		}
		time.Sleep(time.Minute) // the rest is compacted, and then there is nothing to do
		quiet := m.Status().Applied
		time.Sleep(10 * time.Minute)
		if n := m.Status().Applied; n > quiet+1 {
			t.Errorf("%d log entries in ten quiet minutes", n-quiet)
		}
	})
}
