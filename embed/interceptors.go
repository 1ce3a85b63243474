package embed

import (
	"context"
	"errors"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// serverOptions hold the callers on the socket to the rules of the in-process
// client. etcd puts its own interceptors in front of chained ones.
func (m *Member) serverOptions() []grpc.ServerOption {
	return []grpc.ServerOption{grpc.ChainUnaryInterceptor(m.admit), grpc.ChainStreamInterceptor(m.stream)}
}

// stream ends streams with the member. etcd does not: its Close would wait for
// an open watch for seconds. The code is one by which clients know to look for
// the server again.
func (m *Member) stream(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	ctx, cancel := context.WithCancel(ss.Context())
	defer cancel()
	defer context.AfterFunc(m.life, cancel)()
	err := next(srv, &boundStream{ServerStream: ss, ctx: ctx})
	if err != nil && m.life.Err() != nil {
		return rpctypes.ErrGRPCStopped
	}
	return err
}

type boundStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *boundStream) Context() context.Context { return s.ctx }

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
		resp, err := once(ctx, caller{life: m.life}, func(ctx context.Context) (any, error) { return next(ctx, req) })
		if err != nil && m.life.Err() != nil {
			return nil, rpctypes.ErrGRPCStopped
		}
		return resp, err
	}
	code := codes.FailedPrecondition
	if errors.Is(err, ErrNoSpace) {
		code = codes.ResourceExhausted
	}
	return nil, status.Error(code, err.Error())
}
