package embed

import (
	"context"
	"testing"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/storage/mvcc"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// What a consumer does to its events reaches neither another watch nor the store.
func TestWatchEventsAreOwn(t *testing.T) {
	leavesNothing(t)
	m := startWatchMember(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	opts := []clientv3.OpOption{clientv3.WithPrevKV(), clientv3.WithPrefix()}
	vandal, honest := m.w.Watch(ctx, "key", opts...), m.w.Watch(ctx, "key", opts...)
	m.put(t, "key", "old")
	rev := m.put(t, "key", "new")
	for range 2 {
		r, _ := next(t, vandal)
		e := r.Events[0]
		for _, kv := range []*mvccpb.KeyValue{e.Kv, e.PrevKv} {
			if kv == nil {
				continue
			}
			_ = append(kv.Key, "xxx"...) // must not reach the value
			if s := string(kv.Value); s != "old" && s != "new" {
				t.Errorf("appending to the key made the value %q", s)
			}
			kv.Key[0], kv.Value[0] = 'X', 'X'
			kv.ModRevision, kv.Lease = -1, 7
		}
		e.Type = mvccpb.Event_DELETE
		r.Header.Revision = -1
	}
	var e *clientv3.Event
	for range 2 {
		r, _ := next(t, honest)
		e = r.Events[0]
	}
	if e.Type != mvccpb.Event_PUT || string(e.Kv.Key) != "key" || string(e.Kv.Value) != "new" || e.Kv.ModRevision != rev ||
		e.Kv.Lease != 0 || string(e.PrevKv.Key) != "key" || string(e.PrevKv.Value) != "old" {
		t.Errorf("another watch sees %v", e)
	}
	g, err := m.kv.Get(ctx, "key")
	if err != nil || len(g.Kvs) != 1 || string(g.Kvs[0].Value) != "new" {
		t.Errorf("the store has %v, %v", g, err)
	}
	// The past too, which other watches are told from the same objects.
	r, _ := next(t, m.w.Watch(ctx, "key", clientv3.WithRev(rev)))
	if string(r.Events[0].Kv.Key) != "key" || string(r.Events[0].Kv.Value) != "new" {
		t.Errorf("a later watch sees %v", r.Events[0])
	}
}

type userSpan struct {
	noop.Span
	ended bool
}

func (s *userSpan) End(...trace.SpanEndOption) { s.ended = true }

// The store ends the span in the context of a watch; the user's is not its own.
func TestWatchLeavesSpanAlone(t *testing.T) {
	leavesNothing(t)
	m := startWatchMember(t)
	var span userSpan
	ctx, cancel := context.WithCancel(trace.ContextWithSpan(context.Background(), &span))
	ch := m.w.Watch(ctx, "k")
	cancel()
	last(t, ch)
	m.w.Close()
	if span.ended {
		t.Error("cancelling a watch ended the span of its context")
	}
}

// A context that ends just now must not make an event without its previous value.
func TestWatchPrevKVOutlivesContext(t *testing.T) {
	leavesNothing(t)
	m := startWatchMember(t)
	m.put(t, "k", "1")
	rev := m.put(t, "k", "2")
	ctx, cancel := context.WithCancel(context.Background())
	h := newWatch(ctx, m.w, clientv3.OpWatch("k", clientv3.WithPrevKV()), "", false)
	cancel()
	r := h.response(mvcc.WatchResponse{Revision: rev, Events: []*mvccpb.Event{
		{Type: mvccpb.Event_PUT, Kv: &mvccpb.KeyValue{Key: []byte("k"), CreateRevision: rev - 1, ModRevision: rev}},
	}})
	if v := string(r.Events[0].PrevKv.GetValue()); v != "1" {
		t.Errorf("the previous value is %q", v)
	}
}
