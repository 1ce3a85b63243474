package recipes

import (
	"context"
	"errors"
	"time"
)

// LockOptions for Mutex; the zero value is usable.
type LockOptions struct {
	// TTL of the lease the lock is held on. If zero, the client's. Below MinTTL
	// the lock's methods return ErrTTL.
	TTL time.Duration
}

// A Mutex is a lock that processes share by its name. It is only a handle: make
// as many as you like; every acquire is a claim of its own, also among the
// goroutines of one process, and every holder has its own fence.
type Mutex struct {
	c   *Client
	req request
	err error // why the handle is no good
}

// Mutex returns the lock of that name: 1 to 255 bytes, any of them. A bad name
// or TTL is reported by the handle's methods, as ErrName or ErrTTL.
//
// The lock's keys stand under /quorate/v1/lock/<name>/, the name escaped by
// url.PathEscape; etcd's own concurrency.Mutex and `etcdctl lock` on that prefix
// (without its last slash) stand in the same line.
func (c *Client) Mutex(name string, opts ...LockOptions) *Mutex {
	m := &Mutex{c: c, req: request{kind: kindLock, name: name, ttl: c.opt.TTL}}
	m.err = checkName("lock", name)
	if len(opts) > 0 && m.err == nil {
		m.req.ttl, m.err = wholeTTL(opts[0].TTL, c.opt.TTL)
	}
	return m
}

// Lock waits in line, first come first served, until the lock is held.
//
// If ctx ends first, the error wraps ctx's, and ErrNoQuorum if no majority of
// the members answered; nothing is left behind in the line: Lock waits up to
// 250 ms for its claim to be out, and what is not confirmed by then, or wraps
// ErrUnknownOutcome, is seen to in the background. ErrClosed after Client.Close.
// A session lost while waiting costs the place in line, not the wait.
func (m *Mutex) Lock(ctx context.Context) (*Held, error) {
	if m.err != nil {
		return nil, m.err
	}
	return m.c.acquire(ctx, m.req)
}

// TryLock takes the lock if nobody holds it or waits for it; else the error
// wraps ErrLocked. The server is always asked, and a refusal leaves nothing
// behind. Without a quorum it waits under ctx, as Lock does.
func (m *Mutex) TryLock(ctx context.Context) (*Held, error) {
	if m.err != nil {
		return nil, m.err
	}
	r := m.req
	r.try = true
	return m.c.acquire(ctx, r)
}

// Do calls fn while it holds the lock, with a context that ends when the lock is
// lost (see Held.Context), and releases it after fn returned, also by a panic.
// It returns fn's error, joined with one that wraps ErrLost (or ErrClosed) if
// the lock was lost before fn returned; fn's own guarded work may be done all
// the same. Client.Close waits for fn, and while fn runs its lease is not
// revoked.
func (m *Mutex) Do(ctx context.Context, fn func(ctx context.Context, h *Held) error) (err error) {
	h, err := m.Lock(ctx)
	if err != nil {
		return err
	}
	if !m.c.enterCallback(h) {
		return errors.Join(closedError(), h.Release(ctx))
	}
	defer func() {
		if lost := m.c.leaveCallback(ctx, h); lost != nil && !errors.Is(err, lost) {
			err = errors.Join(err, lost)
		}
	}()
	return fn(h.Context(ctx), h)
}
