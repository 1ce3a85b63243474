package embed

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// 64 goroutines open and cancel watches while others put: what hangs clientv3's
// own watcher in process (etcd#18879) within a hundred cycles. All ways to end a
// watch are among them, and keys that are just being written.
func TestWatchStorm(t *testing.T) {
	leavesNothing(t)
	m := startWatchMember(t)
	streams, watchers := gauge(t, streamsGauge), gauge(t, watchersGauge)
	stop := make(chan struct{})
	var puts sync.WaitGroup
	for g := range 2 {
		puts.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := m.kv.Put(context.Background(), fmt.Sprint("/k", i%64), "v"); err != nil {
					t.Error(g, err)
					return
				}
			}
		})
	}
	var n, events atomic.Int64
	began := time.Now()
	var wg sync.WaitGroup
	for g := range 64 {
		wg.Go(func() {
			key := fmt.Sprint("/k", g)
			for i := n.Add(1); i <= stormCycles && !t.Failed(); i = n.Add(1) {
				ctx, cancel := context.WithCancel(context.Background())
				opts := []clientv3.OpOption{clientv3.WithCreatedNotify()}
				switch i % 8 {
				case 0: // of the past: the store has to catch up
					opts = append(opts, clientv3.WithRev(1))
				case 1:
					opts = append(opts, clientv3.WithPrevKV(), clientv3.WithPrefix())
				case 2:
					ctx = clientv3.WithRequireLeader(ctx)
				}
				ch := m.w.Watch(ctx, key, opts...)
				if r, ok := next(t, ch); !ok || !r.Created {
					t.Errorf("cycle %d: %+v", i, r)
				}
				switch i % 64 {
				case 3: // stays for an event
					for r, ok := next(t, ch); ok; r, ok = next(t, ch) {
						if len(r.Events) > 0 { // and not progress, requested below
							events.Add(1)
							break
						}
					}
				case 4:
					m.w.RequestProgress(ctx)
				}
				cancel()
				if i%16 == 5 { // sees the end of it
					if err := last(t, ch); err != nil {
						t.Errorf("cycle %d: %v", i, err)
					}
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	close(stop)
	puts.Wait()
	if events.Load() == 0 {
		t.Error("no watch saw an event")
	}
	m.noWatches(t, watchers)
	if n := gauge(t, streamsGauge) - streams; n > idleStreams {
		t.Errorf("%v streams are left in the store, %d may be", n, idleStreams)
	}
	t.Logf("%d watches in %v, %.0f/s", stormCycles, took.Round(time.Millisecond), stormCycles/took.Seconds())
}

// The server is stopped while watches of all kinds are busy: none may read the
// store after it was closed (that panics), none may hang.
func TestWatchStopWhileBusy(t *testing.T) {
	leavesNothing(t)
	for round := range 5 {
		m := startWatchMember(t)
		for i := range 200 {
			m.put(t, fmt.Sprint("k", i%10), "v")
		}
		var wg sync.WaitGroup
		for g := range 32 {
			wg.Go(func() {
				for i := 0; ; i++ {
					ch := m.w.Watch(context.Background(), "k", clientv3.WithPrefix(), clientv3.WithPrevKV(),
						clientv3.WithRev(int64(g%4)), clientv3.WithCreatedNotify())
					if r, ok := next(t, ch); !ok || r.Err() != nil {
						return
					}
					m.w.RequestProgress(context.Background())
					if i%2 == 0 {
						if last(t, ch) == nil {
							t.Errorf("round %d: a watch ended without saying that the server stopped", round)
						}
						return
					}
				}
			})
		}
		for i := range 50 {
			m.put(t, fmt.Sprint("k", i%10), "v")
		}
		done := make(chan struct{})
		go func() { m.stop(); close(done) }()
		waitClosed(t, "Stop", done)
		wg.Wait()
		m.w.Close()
	}
}
