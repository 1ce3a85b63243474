package embed

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/storage/mvcc"
	"google.golang.org/grpc/metadata"
)

// wantProgress reads ch up to a progress response and returns its revision; all
// events before it must be below it.
func wantProgress(t testing.TB, ch clientv3.WatchChan) (rev int64, events int) {
	t.Helper()
	return wantProgressWithin(t, ch, watchPatience)
}

func wantProgressWithin(t testing.TB, ch clientv3.WatchChan, d time.Duration) (rev int64, events int) {
	t.Helper()
	for {
		r, ok := nextWithin(t, ch, d)
		if !ok || r.Err() != nil {
			t.Fatalf("the watch ended (%v) where progress was due", r.Err())
		}
		if r.IsProgressNotify() {
			return r.Header.Revision, events
		}
		events += len(r.Events)
	}
}

func TestWatchRequestProgress(t *testing.T) {
	leavesNothing(t)
	m := startWatchMember(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	red := metadata.AppendToOutgoingContext(ctx, "colour", "red")
	quiet, other := m.w.Watch(ctx, "quiet"), m.w.Watch(red, "quiet")
	future := m.w.Watch(ctx, "quiet", clientv3.WithRev(m.KV().Rev()+3))
	for i := range 3 {
		if i > 0 {
			m.put(t, "k", "v") // the third one reaches future's revision
		}
		if err := m.w.RequestProgress(ctx); err != nil {
			t.Fatal(err)
		}
		if rev, _ := wantProgress(t, quiet); rev != m.KV().Rev() {
			t.Errorf("progress at %d, the store is at %d", rev, m.KV().Rev())
		}
	}
	rev := m.put(t, "k", "v")
	if at, _ := wantProgress(t, future); at < rev {
		t.Errorf("a watch from %d progressed at %d", rev, at)
	}
	select {
	case r := <-other:
		t.Errorf("a watch with other metadata got %+v", r)
	default:
	}
	if err := m.w.RequestProgress(red); err != nil {
		t.Fatal(err)
	}
	wantProgress(t, other)
	cancel()
	if err := m.w.RequestProgress(ctx); err != context.Canceled {
		t.Errorf("with a cancelled context: %v", err)
	}
}

// The store drops a request whose watch has no free slot; the consumer gets its
// answer all the same, after everything before it.
func TestWatchRequestProgressOfSlow(t *testing.T) {
	for name, events := range map[string]int{"slots full": 130, "behind": 400} {
		t.Run(name, func(t *testing.T) {
			leavesNothing(t)
			m := startWatchMember(t)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			ch := m.w.Watch(ctx, "k")
			var rev int64
			for range events {
				rev = m.put(t, "k", "v")
			}
			if err := m.w.RequestProgress(ctx); err != nil {
				t.Fatal(err)
			}
			if at, n := wantProgress(t, ch); at < rev || n != events {
				t.Errorf("progress at %d after %d events, want %d after %d", at, n, rev, events)
			}
		})
	}
}

// As etcd's own server does it: every interval, but not after events.
func TestWatchProgressNotify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const interval = 3 * time.Second
		m := startWatchMember(t)
		m.Cfg.WatchProgressNotifyInterval = interval
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		began := time.Now()
		ch := m.w.Watch(ctx, "k", clientv3.WithProgressNotify())
		mute := m.w.Watch(ctx, "k")
		want := func(at time.Duration) {
			t.Helper()
			if rev, _ := wantProgress(t, ch); rev != m.KV().Rev() || time.Since(began) != at {
				t.Errorf("progress at %d after %v, want %d after %v", rev, time.Since(began), m.KV().Rev(), at)
			}
		}
		m.put(t, "other", "v")
		want(1 * interval)
		want(2 * interval)
		time.Sleep(interval / 2)
		m.put(t, "k", "v")
		want(4 * interval) // not 3: the event told as much
		if r, _ := next(t, mute); len(r.Events) != 1 {
			t.Errorf("%+v", r)
		}
		select {
		case r := <-mute:
			t.Errorf("a watch without WithProgressNotify got %+v", r)
		default:
		}
	})
}

func TestWatchProgressNotifyDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := startWatchMember(t)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		began := time.Now()
		wantProgressWithin(t, m.w.Watch(ctx, "k", clientv3.WithProgressNotify()), time.Hour)
		if d := time.Since(began); d < 10*time.Minute || d > 11*time.Minute {
			t.Errorf("progress after %v", d)
		}
	})
}

// staleStream is at revision 10 but answers requests for progress, if at all,
// with what it is told to.
type staleStream struct {
	mvcc.WatchStream
	answers chan mvcc.WatchResponse
	asked   atomic.Int64
}

func (s *staleStream) Chan() <-chan mvcc.WatchResponse { return s.answers }
func (s *staleStream) RequestProgress(mvcc.WatchID)    { s.asked.Add(1) }
func (s *staleStream) Rev() int64                      { return 10 }

// A progress response from before the request is no answer to it.
func TestWatchRequestProgressStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := startWatchMember(t)
		s := &staleStream{WatchStream: m.Watchable().NewWatchStream(), answers: make(chan mvcc.WatchResponse, 1)}
		m.w.idle <- s
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		ch := m.w.Watch(ctx, "k")
		if err := m.w.RequestProgress(ctx); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			rev    int64
			repeat bool
		}{{9, true}, {10, false}} {
			s.answers <- mvcc.WatchResponse{Revision: c.rev}
			if rev, _ := wantProgress(t, ch); rev != c.rev {
				t.Errorf("progress at %d, want %d", rev, c.rev)
			}
			synctest.Wait()
			asked := s.asked.Load()
			time.Sleep(time.Minute)
			if again := s.asked.Load() > asked; again != c.repeat {
				t.Errorf("after progress at %d of 10 it is asked for again: %v", c.rev, again)
			}
		}
	})
}
