package recipes

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Held is what an acquire returns: a lock that is held until Release, or until
// it is lost. All methods may be used by many goroutines, also afterwards.
type Held struct {
	c     *Client
	s     *session
	cl    *claim
	name  string
	fence int64

	inCallback bool // guarded by c.mu

	ended  atomic.Bool
	lost   chan struct{}
	ctx    context.Context // ends when the lock is not held any more
	cancel context.CancelCauseFunc

	mu       sync.Mutex
	err      error // why lost
	deadline instant
	released *withdrawal
}

// grant makes the claim a Held; nil if it has been lost meanwhile.
func (c *Client) grant(name string, cl *claim, rev int64) *Held {
	ctx, cancel := context.WithCancelCause(context.Background())
	h := &Held{c: c, s: cl.s, cl: cl, name: name, fence: rev, lost: make(chan struct{}), ctx: ctx, cancel: cancel}
	c.mu.Lock()
	c.held[h] = struct{}{}
	c.mu.Unlock()
	cl.l.mu.Lock()
	gone := cl.gone
	cl.held = h
	cl.l.mu.Unlock()
	if !gone && cl.s.hold(h) {
		return h
	}
	cl.l.mu.Lock()
	cl.held = nil
	cl.l.mu.Unlock()
	c.mu.Lock()
	delete(c.held, h)
	c.mu.Unlock()
	cancel(ErrLost)
	return nil
}

// Key is the etcd key of the claim: /quorate/v1/lock/<name>/<lease>.<n>. It is
// never used again.
func (h *Held) Key() string { return h.cl.key }

// Fence is the fencing token: the create revision of Key. Of two holders of one
// lock the later has the higher fence, always. Give it to the resource the lock
// protects, and let that refuse what comes with a lower one than it has seen.
func (h *Held) Fence() int64 { return h.fence }

// TTL is the lease's time to live as the server granted it.
func (h *Held) TTL() time.Duration { return h.s.snapshot().ttl }

// Valid reads the clock and says whether the lock is held now. After a pause of
// the process or the machine it is false on its first instruction, before any
// channel or context had a chance to tell. It asks nobody: about 1 µs.
func (h *Held) Valid() bool { return !h.ended.Load() && h.s.alive() }

// Deadline is until when the lock is held without any further word from the
// cluster; it moves on while the cluster answers. It lies before the earliest
// moment at which the server can end the lease, by a tenth of the TTL and at
// least 250 ms. Once the lock is lost or released it stands still.
func (h *Held) Deadline() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended.Load() {
		return h.c.clk.time(h.deadline)
	}
	return h.c.clk.time(instant(h.s.until.Load()))
}

// Lost is closed when the lock is lost: at the deadline, as soon as the key is
// seen to be deleted, or by Client.Close. Release does not close it.
func (h *Held) Lost() <-chan struct{} { return h.lost }

// Err is nil while the lock is held and after a Release in time; else it wraps
// ErrLost, or ErrClosed if the client was closed, and says why.
func (h *Held) Err() error {
	if !h.ended.Load() {
		h.s.state() // a deadline that has passed counts, told or not
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

// Context returns a context that ends when parent does, when the lock is lost,
// and when it is released. It ends by the Deadline, so before the lease can end
// on the server. context.Cause tells why: it wraps ErrLost, ErrClosed or
// ErrReleased. A process or machine that is paused sees its contexts end late:
// look at Valid before what must not be done without the lock.
func (h *Held) Context(parent context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(parent)
	if h.ctx.Err() != nil {
		cancel(context.Cause(h.ctx)) // now, and not when a goroutine gets to it
	}
	stop := context.AfterFunc(h.ctx, func() { cancel(context.Cause(h.ctx)) })
	context.AfterFunc(ctx, func() { stop() })
	return ctx
}

// Guard is a condition for any etcd transaction: it holds only while this claim
// stands. What is written under it is never written by a former holder.
func (h *Held) Guard() clientv3.Cmp {
	return clientv3.Compare(clientv3.CreateRevision(h.cl.key), "=", h.fence)
}

// Release gives the lock back. From its first instruction on Valid is false and
// the contexts are ending. It returns when the server has confirmed it, or when
// ctx ends: then the error wraps ErrUnknownOutcome, and the release goes on in
// the background. Called again it waits again and does nothing else. If the lock
// had been lost before, the error wraps ErrLost (or ErrClosed): another may have
// held it at the same time.
func (h *Held) Release(ctx context.Context) error {
	w, err := h.giveBack()
	if err != nil {
		return err
	}
	switch err := w.settled(ctx); {
	case err == nil:
		return nil
	case errors.Is(err, errKeyGone), errors.Is(err, errLeaseGone):
		return lostError(h.name, err)
	default:
		return fmt.Errorf("release lock %q, which goes on in the background: %w", h.name, err)
	}
}

// giveBack starts the release, once, and does not wait for it; the error says
// that the lock was lost before.
func (h *Held) giveBack() (*withdrawal, error) {
	h.s.state() // a deadline that has passed counts
	h.mu.Lock()
	if h.err != nil {
		defer h.mu.Unlock()
		return nil, h.err
	}
	first := h.released == nil
	if first {
		h.endLocked() // before the key can go
		h.released = h.c.withdraw(h.cl)
	}
	w := h.released
	h.mu.Unlock()
	if first {
		h.finish(fmt.Errorf("lock %q: %w", h.name, ErrReleased))
		h.c.tell(Event{Type: "lock_released", Name: h.name, Text: "released", Fence: h.fence})
	}
	return w, nil
}

// lose ends the Held from our side or the server's; true for the first to do so.
func (h *Held) lose(why error) bool {
	h.mu.Lock()
	if h.ended.Load() {
		h.mu.Unlock()
		return false
	}
	h.endLocked()
	h.err = lostError(h.name, why)
	h.mu.Unlock()
	h.finish(h.err)
	close(h.lost)
	if !errors.Is(why, ErrClosed) {
		h.cl.forget() // its key is gone, or goes with the lease
	}
	h.c.log.Warn("lock lost", "name", h.name, "fence", h.fence, "why", why)
	h.c.tell(Event{Type: "lock_lost", Name: h.name, Text: why.Error(), Fence: h.fence})
	return true
}

func loseAll(hs []*Held) {
	for _, h := range hs {
		h.lose(errKeyGone)
		h.s.hurry() // perhaps the whole lease is gone
	}
}

func (h *Held) endLocked() {
	h.deadline = instant(h.s.until.Load())
	h.ended.Store(true)
}

func (h *Held) finish(cause error) {
	h.cancel(cause)
	h.s.drop(h)
	h.c.mu.Lock()
	delete(h.c.held, h)
	h.c.mu.Unlock()
}
