package embed

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/storage/mvcc"
)

// heldStream is a stream of a store that is busy, or whose lock a dead goroutine
// holds, until it is released.
type heldStream struct {
	mvcc.WatchStream
	release chan struct{}
}

func (s *heldStream) Cancel(id mvcc.WatchID) error {
	<-s.release
	return s.WatchStream.Cancel(id)
}

// The server does not close its store while a watch is in it.
func TestWatchHoldsStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := startWatchMember(t)
		release := make(chan struct{})
		m.w.idle <- &heldStream{m.Watchable().NewWatchStream(), release}
		ch := m.w.Watch(context.Background(), "k")
		stopped := make(chan struct{})
		go func() { m.stop(); close(stopped) }()
		wantEnd(t, ch, rpctypes.ErrStopped)
		time.Sleep(time.Minute)
		select {
		case <-stopped:
			t.Error("the server stopped under a watch")
		default:
		}
		close(release)
		<-stopped
	})
}

// The consumers of a member that died are told so even if its store is stuck,
// and Close does not wait for what will not come.
func TestWatchOfDeadMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := startWatchMember(t)
		m.w.Close()
		life, die := context.WithCancel(context.Background())
		m.w = newWatcher(m.EtcdServer, life.Done(), watchElection)
		release := make(chan struct{})
		m.w.idle <- &heldStream{m.Watchable().NewWatchStream(), release}
		ch := m.w.Watch(context.Background(), "k")
		die()
		wantEnd(t, ch, rpctypes.ErrStopped)
		wantEnd(t, m.w.Watch(context.Background(), "k"), rpctypes.ErrStopped)
		began := time.Now()
		if err := m.w.Close(); err == nil || time.Since(began) > deadPatience {
			t.Errorf("Close returned %v after %v", err, time.Since(began))
		}
		close(release)
		if err := m.w.Close(); err != nil {
			t.Errorf("Close of what has ended at last: %v", err)
		}
	})
}

// A member that stops ends its life and closes its client at once; its watches
// end with the reason all the same.
func TestWatchEndsWithLife(t *testing.T) {
	leavesNothing(t)
	m := startWatchMember(t)
	for range 100 {
		life, die := context.WithCancel(context.Background())
		w := newWatcher(m.EtcdServer, life.Done(), watchElection)
		ch := w.Watch(context.Background(), "k")
		die()
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		wantEnd(t, ch, rpctypes.ErrStopped)
	}
}

// What came after the created revision is seen, whoever writes meanwhile; a
// snapshot at that revision and the watch make up a whole.
func TestWatchCreatedRevision(t *testing.T) {
	leavesNothing(t)
	m := startWatchMember(t)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				m.put(t, "k", "v")
			}
		}
	}()
	for i := range stormCycles / 20 {
		ctx, cancel := context.WithCancel(context.Background())
		ch := m.w.Watch(ctx, "k", clientv3.WithCreatedNotify())
		created, _ := next(t, ch)
		first, _ := next(t, ch)
		if len(first.Events) != 1 || first.Events[0].Kv.ModRevision > created.Header.Revision+1 {
			t.Errorf("watch %d: created at %d, its first event is %v", i, created.Header.Revision, first.Events)
			cancel()
			break
		}
		cancel()
	}
	close(stop)
	<-stopped
}

// The store's count of pending events is that of etcd's own server: every event
// it sent was received, also by a watch that ended before.
func TestWatchCountsEvents(t *testing.T) {
	leavesNothing(t)
	m := startWatchMember(t)
	pending := gauge(t, pendingGauge)
	ctx, cancel := context.WithCancel(context.Background())
	read, unread := m.w.Watch(ctx, "k"), m.w.Watch(ctx, "k")
	for range 50 {
		m.put(t, "k", "v")
		next(t, read)
	}
	until(t, "all but the unread events to be counted", func() bool { return gauge(t, pendingGauge)-pending == 48 })
	cancel()
	last(t, read)
	last(t, unread)
	if n := gauge(t, pendingGauge); n != pending {
		t.Errorf("%v events are pending for nobody", n-pending)
	}
}
