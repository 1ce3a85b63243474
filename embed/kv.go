package embed

import (
	"context"
	"fmt"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
)

// retryKV repeats reads over a change of leader until their context ends, and
// sends every write exactly once. A guarded write that is sent again reports
// "not acquired" while its first sending holds, so only the caller, who knows
// what its key means, may try again.
type retryKV struct {
	pb.KVClient
	caller
}

func (r *retryKV) Range(ctx context.Context, in *pb.RangeRequest, o ...grpc.CallOption) (*pb.RangeResponse, error) {
	return read(ctx, r.caller, func(ctx context.Context) (*pb.RangeResponse, error) { return r.KVClient.Range(ctx, in, o...) })
}

func (r *retryKV) Put(ctx context.Context, in *pb.PutRequest, o ...grpc.CallOption) (*pb.PutResponse, error) {
	return once(ctx, r.caller, func(ctx context.Context) (*pb.PutResponse, error) { return r.KVClient.Put(ctx, in, o...) })
}

func (r *retryKV) DeleteRange(ctx context.Context, in *pb.DeleteRangeRequest, o ...grpc.CallOption) (*pb.DeleteRangeResponse, error) {
	return once(ctx, r.caller, func(ctx context.Context) (*pb.DeleteRangeResponse, error) {
		return r.KVClient.DeleteRange(ctx, in, o...)
	})
}

func (r *retryKV) Txn(ctx context.Context, in *pb.TxnRequest, o ...grpc.CallOption) (*pb.TxnResponse, error) {
	f := func(ctx context.Context) (*pb.TxnResponse, error) { return r.KVClient.Txn(ctx, in, o...) }
	if onlyReads(in) {
		return read(ctx, r.caller, f)
	}
	return once(ctx, r.caller, f)
}

func (r *retryKV) Compact(ctx context.Context, in *pb.CompactionRequest, o ...grpc.CallOption) (*pb.CompactionResponse, error) {
	return once(ctx, r.caller, func(ctx context.Context) (*pb.CompactionResponse, error) {
		return r.KVClient.Compact(ctx, in, o...)
	})
}

// caller bounds calls by the member's life: after a Fatal, etcd may never
// answer again.
type caller struct{ life context.Context }

// once makes one call that ends when ctx or the member does.
func once[T any](ctx context.Context, c caller, f func(context.Context) (T, error)) (T, error) {
	var zero T
	if c.life.Err() != nil {
		return zero, context.Cause(c.life)
	}
	cctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)()
	v, err := f(cctx)
	if err != nil && c.life.Err() != nil && ctx.Err() == nil {
		return zero, context.Cause(c.life)
	}
	return v, err
}

const (
	firstPause = 10 * time.Millisecond
	maxPause   = 200 * time.Millisecond
)

// read repeats a call without effects while the cluster is between leaders.
func read[T any](ctx context.Context, c caller, f func(context.Context) (T, error)) (T, error) {
	var zero T
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		v, err := once(ctx, c, f)
		if err == nil || !passing(err) {
			return v, err
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return zero, fmt.Errorf("read: %w (the member last said: %v)", ctx.Err(), err)
		case <-c.life.Done():
			t.Stop()
			return zero, context.Cause(c.life)
		}
	}
}

// passing reports whether an error is one that a later try may not meet.
func passing(err error) bool {
	switch rpctypes.Error(err) {
	case rpctypes.ErrNoLeader, rpctypes.ErrNotLeader, rpctypes.ErrLeaderChanged,
		rpctypes.ErrTimeout, rpctypes.ErrTimeoutDueToLeaderFail, rpctypes.ErrTimeoutDueToConnectionLost,
		rpctypes.ErrTimeoutWaitAppliedIndex, rpctypes.ErrTooManyRequests:
		return true
	}
	return false
}

// onlyReads reports whether neither branch of a txn, at any depth, writes.
func onlyReads(t *pb.TxnRequest) bool {
	for _, ops := range [][]*pb.RequestOp{t.GetSuccess(), t.GetFailure()} {
		for _, op := range ops {
			switch r := op.GetRequest().(type) {
			case *pb.RequestOp_RequestRange:
			case *pb.RequestOp_RequestTxn:
				if !onlyReads(r.RequestTxn) {
					return false
				}
			default:
				return false
			}
		}
	}
	return true
}

// needsSpace reports whether either branch of a txn, at any depth, puts.
func needsSpace(t *pb.TxnRequest) bool {
	for _, ops := range [][]*pb.RequestOp{t.GetSuccess(), t.GetFailure()} {
		for _, op := range ops {
			switch r := op.GetRequest().(type) {
			case *pb.RequestOp_RequestPut:
				return true
			case *pb.RequestOp_RequestTxn:
				if needsSpace(r.RequestTxn) {
					return true
				}
			}
		}
	}
	return false
}

// guardKV refuses what needs space while the disk is nearly full. Deletes and
// compaction pass: they are how space is made.
type guardKV struct {
	pb.KVClient
	guard *spaceGuard
}

func (g *guardKV) Put(ctx context.Context, in *pb.PutRequest, o ...grpc.CallOption) (*pb.PutResponse, error) {
	if err := g.guard.refusal(); err != nil {
		return nil, err
	}
	return g.KVClient.Put(ctx, in, o...)
}

func (g *guardKV) Txn(ctx context.Context, in *pb.TxnRequest, o ...grpc.CallOption) (*pb.TxnResponse, error) {
	if err := g.guard.refusal(); err != nil && needsSpace(in) {
		return nil, err
	}
	return g.KVClient.Txn(ctx, in, o...)
}
