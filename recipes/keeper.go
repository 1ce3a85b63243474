package recipes

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	proofTimeout = time.Second     // for the read, and again for the keep-alive
	tryTimeout   = 5 * time.Second // for one try of any other request
	glance       = time.Second     // how often a sleeping machine is looked for
)

// A keeper keeps one live session for a TTL: it grants, proves, and after a loss
// grants anew. All claims with that TTL share the session's lease.
type keeper struct {
	c   *Client
	ttl time.Duration // whole seconds

	probe chan struct{} // prove now

	mu    sync.Mutex
	cur   *session      // nil while there is none
	moved chan struct{} // closed and replaced whenever the state may have changed
}

func newKeeper(c *Client, ttl time.Duration) *keeper {
	return &keeper{c: c, ttl: ttl, probe: make(chan struct{}, 1), moved: make(chan struct{})}
}

func (k *keeper) notify() {
	k.mu.Lock()
	close(k.moved)
	k.moved = make(chan struct{})
	k.mu.Unlock()
}

func (k *keeper) publish(s *session) {
	k.mu.Lock()
	k.cur = s
	k.mu.Unlock()
	k.notify()
}

// look returns the current session, if any, and a channel that closes when
// things may have changed since.
func (k *keeper) look() (*session, <-chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.cur, k.moved
}

// session waits for a live one; false means ctx ended.
func (k *keeper) session(ctx context.Context) (*session, bool) {
	for {
		s, moved := k.look()
		if s != nil && s.state() == live {
			return s, true
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return nil, false
		}
	}
}

// hurry asks for a proof now, since something hints that the lease is gone.
func (k *keeper) hurry() {
	select {
	case k.probe <- struct{}{}:
	default:
	}
}

func (k *keeper) run(ctx context.Context) {
	for try := 0; ctx.Err() == nil; {
		s, err := k.grant(ctx)
		if err != nil {
			try++
			k.c.log.Debug("no lease granted", "ttl", k.ttl, "error", err)
			k.notify()
			pause(ctx, try)
			continue
		}
		try = 0
		k.publish(s)
		k.keep(ctx, s)
		if ctx.Err() != nil {
			s.end(ErrClosed) // Close decides what becomes of the lease
			return
		}
		k.publish(nil)
		k.c.log.Warn("session lost", "lease", fmt.Sprintf("%x", int64(s.id)), "why", s.why)
		k.c.tell(Event{Type: "session_lost", Text: s.why.Error()})
		k.c.retire(s)
	}
}

// grant takes a lease. It counts as a proof sent before the request: the lease
// came into being after that, by an entry a majority agreed on.
func (k *keeper) grant(ctx context.Context) (*session, error) {
	tctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	sent := k.c.clk.now()
	r, err := k.c.etcd.Grant(tctx, int64(k.ttl/time.Second))
	if err != nil {
		return nil, fmt.Errorf("grant a lease: %w", err)
	}
	k.c.remember(r.ID, true) // before any key can be put under it
	s := newSession(k.c.clk, r.ID, life{ttl: time.Duration(r.TTL) * time.Second, sent: sent}, k.notify, k.hurry)
	if !s.check() {
		k.c.retire(s)
		return nil, fmt.Errorf("grant a lease: answered after %v, past its deadline", time.Duration(k.c.clk.now()-sent))
	}
	return s, nil
}

// keep proves the session until it is lost or ctx ends.
func (k *keeper) keep(ctx context.Context, s *session) {
	for {
		wait := time.Duration(s.snapshot().next() - k.c.clk.now())
		t := time.NewTimer(min(max(wait, 0), glance))
		due := wait <= glance
		select {
		case <-t.C:
		case <-k.probe:
			due = true
		case <-s.lost:
		case <-ctx.Done():
		}
		t.Stop()
		if ctx.Err() != nil || !s.check() {
			return
		}
		if !due {
			continue
		}
		if err := k.prove(ctx, s); err != nil && ctx.Err() == nil {
			k.c.log.Debug("session not proven", "lease", fmt.Sprintf("%x", int64(s.id)), "error", err)
			sleep(ctx, rand.N(20*time.Millisecond)) // not all at the same time
		}
	}
}

// prove sends one proof: the linearizable read first, then the keep-alive.
func (k *keeper) prove(ctx context.Context, s *session) error {
	sent := k.c.clk.now()
	readTerm, err := k.read(ctx)
	if err != nil {
		s.failed()
		return fmt.Errorf("read for a proof: %w", err)
	}
	ttl, keepTerm, err := k.keepAlive(ctx, s.id)
	switch {
	case leaseGone(err):
		s.end(errLeaseGone)
		return err
	case err != nil:
		s.failed()
		return fmt.Errorf("keep the lease alive: %w", err)
	}
	return s.proved(proof{sent: sent, ttl: ttl, readTerm: readTerm, keepTerm: keepTerm})
}

func (k *keeper) read(ctx context.Context) (term uint64, err error) {
	tctx, cancel := context.WithTimeout(ctx, proofTimeout)
	defer cancel()
	r, err := k.c.etcd.Get(tctx, proofKey, clientv3.WithKeysOnly())
	if err != nil {
		return 0, err
	}
	return r.Header.GetRaftTerm(), nil
}

func (k *keeper) keepAlive(ctx context.Context, id clientv3.LeaseID) (ttl time.Duration, term uint64, err error) {
	tctx, cancel := context.WithTimeout(ctx, proofTimeout)
	defer cancel()
	r, err := k.c.etcd.KeepAliveOnce(tctx, id)
	if err != nil {
		return 0, 0, err
	}
	return time.Duration(r.TTL) * time.Second, r.ResponseHeader.GetRaftTerm(), nil
}

// sleep waits for d or the end of ctx, and says whether it was d.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// pause waits before try number try+1: 25 ms, doubling up to 1 s, with jitter.
func pause(ctx context.Context, try int) bool {
	d := min(25*time.Millisecond<<min(max(try-1, 0), 6), time.Second)
	return sleep(ctx, d/2+rand.N(d/2))
}
