package nodetest

import (
	"context"
	"errors"
	"sync"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// A witness goes with one call from the caller of the etcd client to the seam
// and back, past the client's own repetitions: what it has seen at the end is
// what reached the caller.
type witness struct {
	mu      sync.Mutex
	delayed bool
	last    Fault // of those that make errors
}

type witnessKey struct{}

// mark tells the witness of ctx's call, if there is one, of a fault.
func mark(ctx context.Context, f Fault) {
	w, _ := ctx.Value(witnessKey{}).(*witness)
	if w == nil || f == "" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if f == Delay {
		w.delayed = true
		return
	}
	w.last = f
}

// attend sends a witness along with a call; report takes the call's error.
func (l *link) attend(ctx context.Context) (_ context.Context, report func(error)) {
	w := &witness{}
	return context.WithValue(ctx, witnessKey{}, w), func(err error) {
		l.pass() // a paused process does not see its answer
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.delayed {
			l.v.bite(Delay)
		}
		if err != nil && w.last != "" {
			l.v.bite(w.last)
		}
		if errors.Is(err, rpctypes.ErrCompacted) {
			l.v.bite(Compaction)
		}
	}
}

type witnessKV struct {
	clientv3.KV
	l *link
}

func (k witnessKV) Put(ctx context.Context, key, val string, opts ...clientv3.OpOption) (*clientv3.PutResponse, error) {
	ctx, report := k.l.attend(ctx)
	r, err := k.KV.Put(ctx, key, val, opts...)
	report(err)
	return r, err
}

func (k witnessKV) Get(ctx context.Context, key string, opts ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	ctx, report := k.l.attend(ctx)
	r, err := k.KV.Get(ctx, key, opts...)
	report(err)
	return r, err
}

func (k witnessKV) Delete(ctx context.Context, key string, opts ...clientv3.OpOption) (*clientv3.DeleteResponse, error) {
	ctx, report := k.l.attend(ctx)
	r, err := k.KV.Delete(ctx, key, opts...)
	report(err)
	return r, err
}

func (k witnessKV) Compact(ctx context.Context, rev int64, opts ...clientv3.CompactOption) (*clientv3.CompactResponse, error) {
	ctx, report := k.l.attend(ctx)
	r, err := k.KV.Compact(ctx, rev, opts...)
	report(err)
	return r, err
}

func (k witnessKV) Do(ctx context.Context, op clientv3.Op) (clientv3.OpResponse, error) {
	ctx, report := k.l.attend(ctx)
	r, err := k.KV.Do(ctx, op)
	report(err)
	return r, err
}

func (k witnessKV) Txn(ctx context.Context) clientv3.Txn {
	ctx, report := k.l.attend(ctx)
	return &witnessTxn{txn: k.KV.Txn(ctx), report: report}
}

type witnessTxn struct {
	txn    clientv3.Txn
	report func(error)
}

func (t *witnessTxn) If(cs ...clientv3.Cmp) clientv3.Txn {
	t.txn = t.txn.If(cs...)
	return t
}

func (t *witnessTxn) Then(ops ...clientv3.Op) clientv3.Txn {
	t.txn = t.txn.Then(ops...)
	return t
}

func (t *witnessTxn) Else(ops ...clientv3.Op) clientv3.Txn {
	t.txn = t.txn.Else(ops...)
	return t
}

func (t *witnessTxn) Commit() (*clientv3.TxnResponse, error) {
	r, err := t.txn.Commit()
	t.report(err)
	return r, err
}

type witnessLease struct {
	clientv3.Lease
	l *link
}

func (w witnessLease) Grant(ctx context.Context, ttl int64) (*clientv3.LeaseGrantResponse, error) {
	ctx, report := w.l.attend(ctx)
	r, err := w.Lease.Grant(ctx, ttl)
	report(err)
	return r, err
}

func (w witnessLease) Revoke(ctx context.Context, id clientv3.LeaseID) (*clientv3.LeaseRevokeResponse, error) {
	ctx, report := w.l.attend(ctx)
	r, err := w.Lease.Revoke(ctx, id)
	report(err)
	return r, err
}

func (w witnessLease) TimeToLive(ctx context.Context, id clientv3.LeaseID, opts ...clientv3.LeaseOption) (*clientv3.LeaseTimeToLiveResponse, error) {
	ctx, report := w.l.attend(ctx)
	r, err := w.Lease.TimeToLive(ctx, id, opts...)
	report(err)
	return r, err
}

func (w witnessLease) KeepAliveOnce(ctx context.Context, id clientv3.LeaseID) (*clientv3.LeaseKeepAliveResponse, error) {
	ctx, report := w.l.attend(ctx)
	r, err := w.Lease.KeepAliveOnce(ctx, id)
	report(err)
	return r, err
}
