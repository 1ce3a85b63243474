package embed

import (
	"context"
	"errors"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// serverOptions hold the callers on the socket to the rules of the in-process
// client. etcd puts its own interceptors in front of chained ones.
func (m *Member) serverOptions() []grpc.ServerOption {
	return []grpc.ServerOption{grpc.ChainUnaryInterceptor(m.admit)}
}

func (m *Member) admit(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	var err error
	switch r := req.(type) {
	case *pb.AuthEnableRequest:
		err = errAuth()
	case *pb.PutRequest, *pb.LeaseGrantRequest:
		err = m.guard.refusal()
	case *pb.TxnRequest:
		if needsSpace(r) {
			err = m.guard.refusal()
		}
	}
	if err == nil {
		return next(ctx, req)
	}
	code := codes.FailedPrecondition
	if errors.Is(err, ErrNoSpace) {
		code = codes.ResourceExhausted
	}
	return nil, status.Error(code, err.Error())
}
