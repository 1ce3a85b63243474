package nodetest

import (
	"context"
	"sync"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
)

// faultyLease is the lease seam.
type faultyLease struct {
	pb.LeaseClient
	l *link
}

func (l *link) lease(next pb.LeaseClient) pb.LeaseClient {
	return &faultyLease{LeaseClient: next, l: l}
}

func (f *faultyLease) LeaseGrant(ctx context.Context, in *pb.LeaseGrantRequest, o ...grpc.CallOption) (*pb.LeaseGrantResponse, error) {
	return through(ctx, f.l, "grant", atWrite, func(ctx context.Context) (*pb.LeaseGrantResponse, error) {
		return f.LeaseClient.LeaseGrant(ctx, in, o...)
	})
}

func (f *faultyLease) LeaseRevoke(ctx context.Context, in *pb.LeaseRevokeRequest, o ...grpc.CallOption) (*pb.LeaseRevokeResponse, error) {
	return through(ctx, f.l, "revoke", atWrite, func(ctx context.Context) (*pb.LeaseRevokeResponse, error) {
		return f.LeaseClient.LeaseRevoke(ctx, in, o...)
	})
}

func (f *faultyLease) LeaseTimeToLive(ctx context.Context, in *pb.LeaseTimeToLiveRequest, o ...grpc.CallOption) (*pb.LeaseTimeToLiveResponse, error) {
	return through(ctx, f.l, "time-to-live", atRead, func(ctx context.Context) (*pb.LeaseTimeToLiveResponse, error) {
		return f.LeaseClient.LeaseTimeToLive(ctx, in, o...)
	})
}

func (f *faultyLease) LeaseLeases(ctx context.Context, in *pb.LeaseLeasesRequest, o ...grpc.CallOption) (*pb.LeaseLeasesResponse, error) {
	return through(ctx, f.l, "leases", atRead, func(ctx context.Context) (*pb.LeaseLeasesResponse, error) {
		return f.LeaseClient.LeaseLeases(ctx, in, o...)
	})
}

// LeaseKeepAlive gives a stream in which each renewal is a call of its own: an
// error of one ends the stream, as a broken connection would.
func (f *faultyLease) LeaseKeepAlive(ctx context.Context, o ...grpc.CallOption) (pb.Lease_LeaseKeepAliveClient, error) {
	if err := f.l.pass(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	next, err := f.LeaseClient.LeaseKeepAlive(ctx, o...)
	if err != nil {
		cancel(err)
		return nil, err
	}
	return &faultyRenewals{Lease_LeaseKeepAliveClient: next, l: f.l, lease: f.LeaseClient, ctx: ctx, cancel: cancel}, nil
}

// faultyRenewals is a stream of renewals. What befalls a renewal before it is
// executed happens in Send, the rest in Recv; a fault that ends the stream
// cancels it, which wakes a Recv that waits for an answer that will not come.
type faultyRenewals struct {
	pb.Lease_LeaseKeepAliveClient
	l      *link
	lease  pb.LeaseClient
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu  sync.Mutex
	due []verdict // of renewals sent and not answered
}

// broken is why a stream ended.
type broken struct{ err error }

func (b broken) Error() string { return b.err.Error() }

func (s *faultyRenewals) Send(in *pb.LeaseKeepAliveRequest) error {
	if err := s.l.pass(); err != nil {
		return err
	}
	d := s.l.decide("keep-alive", atWrite)
	mark(s.ctx, d.fault)
	// A member without a leader holds a renewal until there is one, or the
	// caller gives up, or it gives up itself.
	if !s.l.hasLeader() {
		mark(s.ctx, NoLeader)
		found, err := s.l.awaitLeader(s.ctx, requestTimeout)
		if err == nil && !found {
			err = rpctypes.ErrGRPCNoLeader
		}
		if err != nil {
			return s.end(err)
		}
	}
	switch {
	case d.fault == Error:
		return s.end(s.l.refuse(s.ctx, refusal(d)))
	case d.fault == Unknown && d.after:
		return s.end(lose(s.ctx, s.l, d, func(ctx context.Context) (struct{}, error) { return struct{}{}, renewOnce(ctx, s.lease, in) }))
	case d.fault == Delay && !d.after:
		if err := s.l.sleep(s.ctx, d.wait); err != nil {
			return s.end(err)
		}
	}
	s.mu.Lock()
	s.due = append(s.due, d)
	s.mu.Unlock()
	return s.Lease_LeaseKeepAliveClient.Send(in)
}

// end makes Recv return err. Send itself says nothing, as a real one that has
// put its message into a buffer.
func (s *faultyRenewals) end(err error) error {
	s.cancel(broken{err})
	return nil
}

func (s *faultyRenewals) Recv() (*pb.LeaseKeepAliveResponse, error) {
	r, err := s.Lease_LeaseKeepAliveClient.Recv()
	if b, ok := context.Cause(s.ctx).(broken); ok {
		return nil, b.err
	}
	d := s.answered()
	switch {
	case err != nil:
	case d.fault == Unknown:
		err = lose(s.ctx, s.l, d, func(context.Context) (struct{}, error) { return struct{}{}, nil })
	case d.fault == Delay && d.after:
		err = s.l.sleep(s.ctx, d.wait)
	}
	if perr := s.l.pass(); perr != nil {
		return nil, perr
	}
	if err == nil {
		err = s.ctx.Err()
	}
	if err != nil {
		s.cancel(err)
		return nil, err
	}
	return r, nil
}

func (s *faultyRenewals) answered() verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.due) == 0 {
		return verdict{}
	}
	d := s.due[0]
	s.due = s.due[1:]
	return d
}

// renewOnce renews over a stream of its own.
func renewOnce(ctx context.Context, c pb.LeaseClient, in *pb.LeaseKeepAliveRequest) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := c.LeaseKeepAlive(ctx)
	if err != nil {
		return err
	}
	if err := s.Send(in); err != nil {
		return err
	}
	_, err = s.Recv()
	return err
}
