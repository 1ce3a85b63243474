package embed

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

func TestWatchDelivers(t *testing.T) {
	leavesNothing(t)
	m := startWatchMember(t)
	ctx, cancel := context.WithCancel(context.Background())
	ch := m.w.Watch(ctx, "k", clientv3.WithCreatedNotify(), clientv3.WithPrevKV())
	before := m.KV().Rev()
	created, _ := next(t, ch)
	if !created.Created || created.Header.Revision != before || created.Header.ClusterId != uint64(m.Cluster().ID()) ||
		created.Header.MemberId != uint64(m.MemberID()) || created.Header.RaftTerm != m.Term() {
		t.Fatalf("created response %+v", created)
	}
	first := m.put(t, "k", "1")
	second := m.put(t, "k", "2")
	m.put(t, "other", "3")
	if _, err := m.kv.Delete(ctx, "k"); err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		rev        int64
		typ        string
		val, prevV string
	}{{first, "PUT", "1", ""}, {second, "PUT", "2", "1"}, {second + 2, "DELETE", "", "2"}} {
		r, ok := next(t, ch)
		if !ok || r.Err() != nil || len(r.Events) != 1 || r.Header.Revision != want.rev {
			t.Fatalf("response %d: %+v %v", i, r, ok)
		}
		e := r.Events[0]
		if e.Type.String() != want.typ || string(e.Kv.Value) != want.val || e.Kv.ModRevision != want.rev || string(e.PrevKv.GetValue()) != want.prevV {
			t.Fatalf("event %d: %v", i, e)
		}
	}
	cancel()
	if err := last(t, ch); err != nil {
		t.Fatalf("a cancelled watch ended with %v", err)
	}
}

func TestWatchRefusals(t *testing.T) {
	leavesNothing(t)
	m := startWatchMember(t)
	done, cancel := context.WithCancel(context.Background())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		opts []clientv3.OpOption
		want string // "" = the channel is closed without a response
	}{
		"empty range":          {context.Background(), []clientv3.OpOption{clientv3.WithRange("a")}, "range is empty"},
		"negative revision":    {context.Background(), []clientv3.OpOption{clientv3.WithRev(-1)}, rpctypes.ErrCompacted.Error()},
		"context already over": {done, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			ch := m.w.Watch(c.ctx, "k", c.opts...)
			r, ok := next(t, ch)
			if c.want == "" {
				if ok {
					t.Fatalf("got %+v", r)
				}
				return
			}
			if !ok || !r.Canceled || r.Err() == nil || !strings.Contains(r.Err().Error(), c.want) {
				t.Fatalf("got %+v (%v), want %q", r, r.Err(), c.want)
			}
			if r, ok := next(t, ch); ok {
				t.Fatalf("a second response: %+v", r)
			}
		})
	}
}

func TestWatchClose(t *testing.T) {
	leavesNothing(t)
	m := startWatchMember(t)
	var chs []clientv3.WatchChan
	for range 100 {
		chs = append(chs, m.w.Watch(context.Background(), "k", clientv3.WithPrefix()))
	}
	for range 5 { // nobody reads: two responses are under way in each watch
		m.put(t, "k", "v")
	}
	done := make(chan struct{})
	go func() { m.w.Close(); close(done) }()
	waitClosed(t, "Close", done)
	for _, ch := range chs {
		if err := last(t, ch); err != nil {
			t.Fatalf("a closed watch ended with %v", err)
		}
	}
	if _, ok := next(t, m.w.Watch(context.Background(), "k")); ok {
		t.Fatal("a watch of a closed watcher gets a response")
	}
	if err := m.w.RequestProgress(context.Background()); !errors.Is(err, errWatcherClosed) {
		t.Fatalf("RequestProgress on a closed watcher: %v", err)
	}
	if err := m.w.Close(); err != nil {
		t.Fatal(err)
	}
}

// Server.Stop closes no stream of the store; the watcher must notice by itself.
func TestWatchServerStops(t *testing.T) {
	leavesNothing(t)
	m := startWatchMember(t)
	idle := m.w.Watch(context.Background(), "idle")
	stuck := m.w.Watch(context.Background(), "k", clientv3.WithPrevKV())
	for range 300 {
		m.put(t, "k", "v")
	}
	done := make(chan struct{})
	go func() { m.stop(); close(done) }()
	waitClosed(t, "Stop with open watches", done)
	wantEnd(t, idle, rpctypes.ErrStopped)
	wantEnd(t, stuck, rpctypes.ErrStopped)
	wantEnd(t, m.w.Watch(context.Background(), "k"), rpctypes.ErrStopped)
	if err := m.w.RequestProgress(context.Background()); !errors.Is(err, rpctypes.ErrStopped) {
		t.Fatalf("RequestProgress on a stopped server: %v", err)
	}
	late := newWatcher(m.EtcdServer, nil, time.Second)
	wantEnd(t, late.Watch(context.Background(), "k"), rpctypes.ErrStopped)
	late.Close()
}
