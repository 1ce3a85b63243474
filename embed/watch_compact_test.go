package embed

import (
	"context"
	"errors"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

func wantCompacted(t testing.TB, ch clientv3.WatchChan, rev int64) (events int) {
	t.Helper()
	for {
		r, ok := next(t, ch)
		if !ok {
			t.Fatal("the watch ended without a word")
		}
		if len(r.Events) > 0 {
			events += len(r.Events)
			continue
		}
		if !errors.Is(r.Err(), rpctypes.ErrCompacted) || !r.Canceled || r.CompactRevision != rev || r.Header.Revision < rev {
			t.Fatalf("got %+v (%v), want a compaction to %d", r, r.Err(), rev)
		}
		if r, ok := next(t, ch); ok {
			t.Fatalf("after the compaction came %+v", r)
		}
		return events
	}
}

func TestWatchCompactedStart(t *testing.T) {
	leavesNothing(t)
	m := startWatchMember(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	first := m.put(t, "k", "1")
	second := m.put(t, "k", "2")
	m.put(t, "k", "3")
	m.compact(t, second)
	wantCompacted(t, m.w.Watch(ctx, "k", clientv3.WithRev(first)), second)
	// From the compacted revision on there is everything, but of its events no
	// previous value.
	r, _ := next(t, m.w.Watch(ctx, "k", clientv3.WithRev(second), clientv3.WithPrevKV()))
	if len(r.Events) != 2 || r.Events[0].PrevKv != nil || string(r.Events[1].PrevKv.GetValue()) != "2" {
		t.Errorf("got %v", r.Events)
	}
}

// A consumer that is too slow gets what its stream holds, in order, and then
// learns that it missed something. It never sees a gap.
func TestWatchCompactedWhileSlow(t *testing.T) {
	leavesNothing(t)
	m := startWatchMember(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	watchers := gauge(t, watchersGauge)
	slow, never := m.w.Watch(ctx, "k"), m.w.Watch(ctx, "k")
	first := m.put(t, "k", "v")
	rev := first
	for range 1000 {
		rev = m.put(t, "k", "v")
	}
	m.compact(t, rev)
	expect := first
	var r clientv3.WatchResponse
	for r, _ = next(t, slow); r.CompactRevision == 0; r, _ = next(t, slow) {
		if r.Err() != nil || t.Failed() {
			t.Fatal(r.Err())
		}
		for _, e := range r.Events {
			if e.Kv.ModRevision != expect {
				t.Fatalf("revision %d where %d was due", e.Kv.ModRevision, expect)
			}
			expect++
		}
	}
	if r.CompactRevision != rev || expect > first+200 || expect < first+100 {
		t.Errorf("compaction to %d came after revision %d, want %d after some 130", r.CompactRevision, expect, rev)
	}
	// It can go on where the response says.
	r, _ = next(t, m.w.Watch(ctx, "k", clientv3.WithRev(r.CompactRevision)))
	if len(r.Events) != 1 || r.Events[0].Kv.ModRevision != rev {
		t.Errorf("resumed with %v", r.Events)
	}
	// A consumer that is gone needs no more than the end of its context.
	cancel()
	m.noWatches(t, watchers)
	_ = never
}
