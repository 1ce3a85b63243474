package clustertest

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"

	"github.com/quorate/quorate/embed"
)

// TestStormHangsEtcdsOwnClient shows why embed has a watcher of its own: on one
// member, 64 goroutines that open and cancel watches stop every watch of
// v3client (etcd#18879), and ours goes on beside it, before and after.
func TestStormHangsEtcdsOwnClient(t *testing.T) {
	const cycles = 10_000
	m := startMember(t)
	theirs := v3client.New(m.Server())

	if n := storm(t.Context(), m.Client(), cycles, 3*time.Second); n != cycles {
		t.Fatalf("our watcher stopped after %d cycles", n)
	}
	n := storm(t.Context(), theirs, cycles, time.Second)
	if n == cycles {
		t.Fatal("v3client outlives the storm: etcd#18879 is mended, and embed's watcher may go")
	}
	t.Logf("v3client stopped after %d cycles", n)
	// Not only the storm's own watches: nobody in the process gets one any more.
	if sees(t, m, theirs, "/other", time.Second) {
		t.Error("v3client serves another watch after the storm")
	}
	if !sees(t, m, m.Client(), "/other", 10*time.Second) {
		t.Error("our watcher serves no watch beside a v3client that hangs")
	}
	if n := storm(t.Context(), m.Client(), cycles, 3*time.Second); n != cycles {
		t.Errorf("our watcher stopped after %d cycles beside a v3client that hangs", n)
	}
}

// sees tells whether a new watch of w sees a put.
func sees(t *testing.T, m *embed.Member, w clientv3.Watcher, key string, patience time.Duration) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	events := make(chan bool, 1)
	// Watch itself may hang.
	go func() {
		ch := w.Watch(ctx, key, clientv3.WithCreatedNotify())
		<-ch
		if _, err := m.Client().Put(ctx, key, "v"); err != nil {
			events <- false
			return
		}
		r, ok := <-ch
		events <- ok && len(r.Events) == 1
	}()
	select {
	case saw := <-events:
		return saw
	case <-ctx.Done():
		return false
	}
}

// startMember starts a member with fast ticks, without fsync and without TLS.
func startMember(t *testing.T) *embed.Member {
	t.Helper()
	m, err := embed.Start(t.Context(), embed.Config{
		Name: "a", Dir: t.TempDir(), PeerURL: fmt.Sprintf("http://127.0.0.1:%d", freePort(t)),
		Tick: 10 * time.Millisecond, Election: 100 * time.Millisecond, NoFsync: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := m.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	<-m.Ready()
	return m
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// storm opens and cancels watches from 64 goroutines until total cycles are done,
// or until no cycle at all has ended for patience. It returns the cycles done.
func storm(ctx context.Context, w clientv3.Watcher, total int64, patience time.Duration) int64 {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var started, done atomic.Int64
	finished := make(chan struct{})
	var wg sync.WaitGroup
	for g := range 64 {
		wg.Go(func() {
			for ctx.Err() == nil && started.Add(1) <= total {
				wctx, cancel := context.WithCancel(ctx)
				ch := w.Watch(wctx, fmt.Sprint("/storm/", g), clientv3.WithCreatedNotify())
				select {
				case r, ok := <-ch:
					if ok && r.Created {
						done.Add(1)
					}
				case <-ctx.Done():
				}
				cancel()
			}
		})
	}
	go func() { wg.Wait(); close(finished) }()
	last := int64(-1)
	for tick := time.NewTicker(patience); ; {
		select {
		case <-finished:
			tick.Stop()
			return done.Load()
		case <-tick.C:
			if done.Load() == last {
				tick.Stop()
				return last // the goroutines end with stop, those that can
			}
			last = done.Load()
		}
	}
}
