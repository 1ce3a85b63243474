package nodetest

import (
	"context"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
)

// faultyKV is the KV seam.
type faultyKV struct {
	pb.KVClient
	l *link
}

func (l *link) kv(next pb.KVClient) pb.KVClient { return &faultyKV{KVClient: next, l: l} }

func (k *faultyKV) Range(ctx context.Context, in *pb.RangeRequest, o ...grpc.CallOption) (*pb.RangeResponse, error) {
	return through(ctx, k.l, "range", atRead, func(ctx context.Context) (*pb.RangeResponse, error) { return k.KVClient.Range(ctx, in, o...) })
}

func (k *faultyKV) RangeStream(ctx context.Context, in *pb.RangeRequest, o ...grpc.CallOption) (pb.KV_RangeStreamClient, error) {
	return through(ctx, k.l, "range-stream", atRead, func(ctx context.Context) (pb.KV_RangeStreamClient, error) {
		return k.KVClient.RangeStream(ctx, in, o...)
	})
}

func (k *faultyKV) Put(ctx context.Context, in *pb.PutRequest, o ...grpc.CallOption) (*pb.PutResponse, error) {
	return through(ctx, k.l, "put", atWrite, func(ctx context.Context) (*pb.PutResponse, error) { return k.KVClient.Put(ctx, in, o...) })
}

func (k *faultyKV) DeleteRange(ctx context.Context, in *pb.DeleteRangeRequest, o ...grpc.CallOption) (*pb.DeleteRangeResponse, error) {
	return through(ctx, k.l, "delete", atWrite, func(ctx context.Context) (*pb.DeleteRangeResponse, error) {
		return k.KVClient.DeleteRange(ctx, in, o...)
	})
}

func (k *faultyKV) Txn(ctx context.Context, in *pb.TxnRequest, o ...grpc.CallOption) (*pb.TxnResponse, error) {
	method, at := "txn", atWrite
	if readsOnly(in) {
		method, at = "read-txn", atRead
	}
	return through(ctx, k.l, method, at, func(ctx context.Context) (*pb.TxnResponse, error) { return k.KVClient.Txn(ctx, in, o...) })
}

func (k *faultyKV) Compact(ctx context.Context, in *pb.CompactionRequest, o ...grpc.CallOption) (*pb.CompactionResponse, error) {
	return through(ctx, k.l, "compact", atWrite, func(ctx context.Context) (*pb.CompactionResponse, error) {
		return k.KVClient.Compact(ctx, in, o...)
	})
}

// readsOnly reports whether neither branch of t, at any depth, writes.
func readsOnly(t *pb.TxnRequest) bool {
	for _, ops := range [][]*pb.RequestOp{t.GetSuccess(), t.GetFailure()} {
		for _, op := range ops {
			switch r := op.GetRequest().(type) {
			case *pb.RequestOp_RequestRange:
			case *pb.RequestOp_RequestTxn:
				if !readsOnly(r.RequestTxn) {
					return false
				}
			default:
				return false
			}
		}
	}
	return true
}
