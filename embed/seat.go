package embed

import (
	"context"
	"errors"
	"fmt"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// ErrNoMember is wrapped by calls on a seat's client whose context ended before
// a member took the seat.
var ErrNoMember = errors.New("embed: no member yet")

// A Seat is where the member of this process will be: it has a client from the
// start, while it is still being found out which cluster the member is in. Calls
// wait for a member under their own context; the member may be exchanged, which
// happens when a formation is given up before it had a quorum.
//
// mu owns the fields below it.
type Seat struct {
	client *clientv3.Client
	life   context.Context
	end    context.CancelCauseFunc

	mu     sync.Mutex
	member *Member
	taken  chan struct{} // closed while there is a member
}

// NewSeat returns an empty seat. The caller closes it.
func NewSeat() *Seat {
	s := &Seat{taken: make(chan struct{})}
	s.life, s.end = context.WithCancelCause(context.Background())
	c := clientv3.NewCtxClient(s.life, clientv3.WithZapLogger(zap.NewNop()))
	c.KV = clientv3.NewKVFromKVClient(&seatKV{s}, c)
	c.Lease = clientv3.NewLeaseFromLeaseClient(&seatLease{s}, c, firstKeepAlive)
	c.Watcher = &seatWatcher{seat: s, closing: make(chan struct{})}
	c.Cluster = clientv3.NewClusterFromClusterClient(&seatCluster{s}, c)
	c.Maintenance = clientv3.NewMaintenanceFromMaintenanceClient(&seatMaintenance{s}, c)
	c.Auth = clientv3.NewAuthFromAuthClient(noAuth{}, c)
	s.client = c
	return s
}

// Client is the seat's client. It is closed by Close.
func (s *Seat) Client() *clientv3.Client { return s.client }

// Put lets m take the seat. Calls that wait go on.
func (s *Seat) Put(m *Member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.member == nil {
		close(s.taken)
	}
	s.member = m
}

// Clear empties the seat: calls wait again. Calls in flight end with their
// member.
func (s *Seat) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.member != nil {
		s.member, s.taken = nil, make(chan struct{})
	}
}

// Close ends the client; calls that wait return ErrStopped. The member, if there
// is one, must have stopped.
func (s *Seat) Close() {
	s.end(ErrStopped)
	s.client.Watcher.Close()
	s.client.Lease.Close()
}

// now returns the member in the seat, nil if there is none.
func (s *Seat) now() *Member {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.member
}

// wait returns the member in the seat as soon as there is one.
func (s *Seat) wait(ctx context.Context) (*Member, error) {
	for {
		s.mu.Lock()
		m, taken := s.member, s.taken
		s.mu.Unlock()
		if m != nil {
			return m, nil
		}
		select {
		case <-taken:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for a member: %w: %w", ErrNoMember, context.Cause(ctx))
		case <-s.life.Done():
			return nil, ErrStopped
		}
	}
}

// on makes one call on whatever member is in the seat.
func on[T any](ctx context.Context, s *Seat, f func(m *Member) (T, error)) (T, error) {
	m, err := s.wait(ctx)
	if err != nil {
		var zero T
		return zero, err
	}
	return f(m)
}
