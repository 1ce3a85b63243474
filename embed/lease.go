package embed

import (
	"context"
	"errors"
	"io"
	"sync"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"go.etcd.io/etcd/server/v3/etcdserver"
	etcderrors "go.etcd.io/etcd/server/v3/etcdserver/errors"
	"go.etcd.io/etcd/server/v3/lease"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// retryLease bounds lease calls by the member's life and repeats the two that
// only read.
type retryLease struct {
	pb.LeaseClient
	caller
}

func (r *retryLease) LeaseGrant(ctx context.Context, in *pb.LeaseGrantRequest, o ...grpc.CallOption) (*pb.LeaseGrantResponse, error) {
	return once(ctx, r.caller, func(ctx context.Context) (*pb.LeaseGrantResponse, error) {
		return r.LeaseClient.LeaseGrant(ctx, in, o...)
	})
}

func (r *retryLease) LeaseRevoke(ctx context.Context, in *pb.LeaseRevokeRequest, o ...grpc.CallOption) (*pb.LeaseRevokeResponse, error) {
	return once(ctx, r.caller, func(ctx context.Context) (*pb.LeaseRevokeResponse, error) {
		return r.LeaseClient.LeaseRevoke(ctx, in, o...)
	})
}

func (r *retryLease) LeaseTimeToLive(ctx context.Context, in *pb.LeaseTimeToLiveRequest, o ...grpc.CallOption) (*pb.LeaseTimeToLiveResponse, error) {
	return read(ctx, r.caller, func(ctx context.Context) (*pb.LeaseTimeToLiveResponse, error) {
		return r.LeaseClient.LeaseTimeToLive(ctx, in, o...)
	})
}

func (r *retryLease) LeaseLeases(ctx context.Context, in *pb.LeaseLeasesRequest, o ...grpc.CallOption) (*pb.LeaseLeasesResponse, error) {
	return read(ctx, r.caller, func(ctx context.Context) (*pb.LeaseLeasesResponse, error) {
		return r.LeaseClient.LeaseLeases(ctx, in, o...)
	})
}

// LeaseKeepAlive refuses once the member is gone, with an error that clientv3
// takes for final: its loop repeats etcd's own "server stopped" without pause.
func (r *retryLease) LeaseKeepAlive(ctx context.Context, o ...grpc.CallOption) (pb.Lease_LeaseKeepAliveClient, error) {
	if r.life.Err() != nil {
		return nil, context.Cause(r.life)
	}
	s, err := r.LeaseClient.LeaseKeepAlive(ctx, o...)
	if err != nil {
		return nil, err
	}
	return &livingStream{Lease_LeaseKeepAliveClient: s, life: r.life}, nil
}

// livingStream ends with the member.
type livingStream struct {
	pb.Lease_LeaseKeepAliveClient
	life context.Context
}

func (s *livingStream) Recv() (*pb.LeaseKeepAliveResponse, error) {
	resp, err := s.Lease_LeaseKeepAliveClient.Recv()
	if err != nil && s.life.Err() != nil {
		return nil, context.Cause(s.life)
	}
	return resp, err
}

// directLease is the lease half of the server without gRPC: a renewal is a
// direct call, made by whoever waits for its answer. etcd's own adapter starts
// two goroutines and four channels for each KeepAliveOnce.
type directLease struct {
	pb.LeaseClient
	s     *etcdserver.EtcdServer
	guard *spaceGuard
}

func (l *directLease) LeaseGrant(ctx context.Context, in *pb.LeaseGrantRequest, o ...grpc.CallOption) (*pb.LeaseGrantResponse, error) {
	if err := l.guard.refusal(); err != nil {
		return nil, err
	}
	return l.LeaseClient.LeaseGrant(ctx, in, o...)
}

func (l *directLease) LeaseKeepAlive(ctx context.Context, _ ...grpc.CallOption) (pb.Lease_LeaseKeepAliveClient, error) {
	return &renewals{ctx: ctx, s: l.s, wake: make(chan struct{}, 1)}, nil
}

// renewals is a keep-alive stream without goroutines: Send notes the lease,
// Recv renews it. Send never blocks. clientv3 sends each of its leases at most
// twice a second, so what waits is bounded by its leases.
type renewals struct {
	grpc.ClientStream // only for the methods nobody calls in process
	ctx               context.Context
	s                 *etcdserver.EtcdServer
	wake              chan struct{}

	mu     sync.Mutex
	due    []int64
	closed bool
}

func (r *renewals) Send(in *pb.LeaseKeepAliveRequest) error {
	r.mu.Lock()
	closed := r.closed
	if !closed {
		r.due = append(r.due, in.ID)
	}
	r.mu.Unlock()
	if closed {
		return io.EOF
	}
	r.signal()
	return r.ctx.Err()
}

func (r *renewals) CloseSend() error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.signal()
	return nil
}

func (r *renewals) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *renewals) Recv() (*pb.LeaseKeepAliveResponse, error) {
	for {
		if err := r.ctx.Err(); err != nil {
			return nil, err
		}
		id, ok, closed := r.next()
		switch {
		case ok:
			return r.renew(id)
		case closed:
			return nil, io.EOF
		}
		select {
		case <-r.wake:
		case <-r.ctx.Done():
		}
	}
}

func (r *renewals) next() (id int64, ok, closed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.due) == 0 {
		return 0, false, r.closed
	}
	id, r.due = r.due[0], r.due[1:]
	return id, true, r.closed
}

// renew fills the header before it renews, like etcd's lease server: filled
// after, a lease revoked at revision 3 could be answered "alive" at revision 4,
// and the term could be a later leader's than the one that renewed.
func (r *renewals) renew(id int64) (*pb.LeaseKeepAliveResponse, error) {
	resp := &pb.LeaseKeepAliveResponse{ID: id, Header: &pb.ResponseHeader{
		ClusterId: uint64(r.s.Cluster().ID()),
		MemberId:  uint64(r.s.MemberID()),
		RaftTerm:  r.s.Term(),
		Revision:  r.s.KV().Rev(),
	}}
	ttl, err := r.s.LeaseRenew(r.ctx, lease.LeaseID(id))
	if errors.Is(err, lease.ErrLeaseNotFound) {
		err, ttl = nil, 0
	}
	if err != nil {
		return nil, renewError(err)
	}
	resp.TTL = ttl
	return resp, nil
}

func (r *renewals) Context() context.Context     { return r.ctx }
func (r *renewals) Header() (metadata.MD, error) { return nil, nil }
func (r *renewals) Trailer() metadata.MD         { return nil }

// renewError gives etcd's errors the codes they have on the wire, by which
// clientv3 tells a passing one from a final one.
func renewError(err error) error {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, etcderrors.ErrNoLeader):
		return rpctypes.ErrGRPCNoLeader
	case errors.Is(err, etcderrors.ErrNotLeader):
		return rpctypes.ErrGRPCNotLeader
	case errors.Is(err, etcderrors.ErrLeaderChanged):
		return rpctypes.ErrGRPCLeaderChanged
	case errors.Is(err, etcderrors.ErrCanceled):
		return rpctypes.ErrGRPCCanceled
	case errors.Is(err, etcderrors.ErrStopped):
		return rpctypes.ErrGRPCStopped
	case errors.Is(err, etcderrors.ErrTimeout):
		return rpctypes.ErrGRPCTimeout
	case errors.Is(err, etcderrors.ErrTimeoutDueToLeaderFail):
		return rpctypes.ErrGRPCTimeoutDueToLeaderFail
	case errors.Is(err, etcderrors.ErrTimeoutDueToConnectionLost):
		return rpctypes.ErrGRPCTimeoutDueToConnectionLost
	case errors.Is(err, etcderrors.ErrTimeoutWaitAppliedIndex):
		return rpctypes.ErrGRPCTimeoutWaitAppliedIndex
	}
	return status.Error(codes.Unknown, err.Error())
}
