package embed

import (
	"context"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3rpc"
	"go.etcd.io/etcd/server/v3/storage/mvcc"
)

// response is the consumer's own copy of r: the store gives the same KeyValue
// to all watchers, and the bytes of a key are those in its index, so a consumer
// that writes into what it got would damage both.
func (h *watch) response(r mvcc.WatchResponse) clientv3.WatchResponse {
	out := clientv3.WatchResponse{Header: h.w.header(r.Revision)}
	if len(r.Events) == 0 {
		return out
	}
	out.Events = make([]*clientv3.Event, len(r.Events))
	for i, e := range r.Events {
		c := copyEvent(e)
		if h.prevKV && !v3rpc.IsCreateEvent(e) {
			c.PrevKv = h.previous(e.Kv)
		}
		out.Events[i] = c
	}
	return out
}

// previous is the key as it was before kv; nil if that has been compacted
// meanwhile, as it is for remote clients.
func (h *watch) previous(kv *mvccpb.KeyValue) *mvccpb.KeyValue {
	// Not under the watch's context: it must not turn into a missing value.
	r, err := h.w.server.Watchable().Range(context.Background(), kv.Key, nil, mvcc.RangeOptions{Rev: kv.ModRevision - 1})
	if err != nil || len(r.KVs) == 0 {
		return nil
	}
	return r.KVs[0] // decoded for us, shared with nobody
}

// copyEvent copies e, without its PrevKv, with two allocations.
func copyEvent(e *mvccpb.Event) *mvccpb.Event {
	var c struct {
		event mvccpb.Event
		kv    mvccpb.KeyValue
	}
	k, v := len(e.Kv.Key), len(e.Kv.Value)
	b := make([]byte, k+v)
	copy(b, e.Kv.Key)
	copy(b[k:], e.Kv.Value)
	c.kv.Key = b[:k:k] // an append must not reach the value
	if v > 0 {
		c.kv.Value = b[k:]
	}
	c.kv.CreateRevision = e.Kv.CreateRevision
	c.kv.ModRevision = e.Kv.ModRevision
	c.kv.Version = e.Kv.Version
	c.kv.Lease = e.Kv.Lease
	c.event.Type = e.Type
	c.event.Kv = &c.kv
	return &c.event
}

// watchRange is op's range as the store wants it: a nil end is a single key, an
// empty one everything from key on.
func watchRange(op clientv3.Op) (key, end []byte) {
	key, end = op.KeyBytes(), op.RangeBytes()
	if len(key) == 0 {
		key = []byte{0} // the smallest key; the store has no empty one
	}
	switch {
	case len(end) == 0:
		end = nil
	case len(end) == 1 && end[0] == 0:
		end = []byte{}
	}
	return key, end
}

// filters are what drops the events op does not want.
func filters(op clientv3.Op) (f []mvcc.FilterFunc) {
	if op.IsFilterPut() {
		f = append(f, func(e *mvccpb.Event) bool { return e.Type == mvccpb.Event_PUT })
	}
	if op.IsFilterDelete() {
		f = append(f, func(e *mvccpb.Event) bool { return e.Type == mvccpb.Event_DELETE })
	}
	return f
}
