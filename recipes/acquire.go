package recipes

import (
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// withdrawPatience is how long a call that is cancelled waits for its key to be
// out of the line; the rest goes on in the background.
const withdrawPatience = 250 * time.Millisecond

// A request is what an acquire wants.
type request struct {
	kind, name string
	ttl        time.Duration
	try        bool // only if nobody stands in line

	began instant
}

// errAgain: this claim came to nothing, by no fault of the caller's; take another.
var errAgain = errors.New("claim lost while waiting")

// acquire stands in line until it is at the head under a live session.
func (c *Client) acquire(ctx context.Context, r request) (*Held, error) {
	if err := c.begin(); err != nil {
		return nil, err
	}
	defer c.end()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("acquire lock %q: %w", r.name, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.intake, cancel)() // Close ends the wait too
	r.began = c.clk.now()
	k := c.keeper(r.ttl)
	for try := 0; ; try++ {
		if try > 0 && !pause(ctx, try) {
			return nil, c.ended(ctx, r, "its place in the line was lost", true, true)
		}
		h, err := c.attempt(ctx, k, r)
		if !errors.Is(err, errAgain) {
			return h, err
		}
	}
}

// attempt is one claim's life until it is granted or withdrawn.
func (c *Client) attempt(ctx context.Context, k *keeper, r request) (h *Held, err error) {
	if r.try {
		if err := c.refusedNow(ctx, r); err != nil {
			return nil, err
		}
	}
	s, ok := k.session(ctx)
	if !ok {
		return nil, c.ended(ctx, r, "there is no session", false, true)
	}
	l := c.openLine(r.kind, r.name)
	cl := l.enter(s)
	defer func() {
		if h == nil {
			c.abandon(cl)
		}
	}()
	if err := c.follows(ctx, r, l); err != nil {
		return nil, err
	}
	if err := c.submit(ctx, r, cl); err != nil {
		return nil, err
	}
	return c.await(ctx, k, r, cl)
}

// abandon withdraws a claim and gives that a moment.
func (c *Client) abandon(cl *claim) {
	ctx, cancel := context.WithTimeout(c.ctx, withdrawPatience)
	defer cancel()
	if err := c.withdraw(cl).settled(ctx); err != nil {
		c.log.Debug("claim is withdrawn in the background", "key", cl.key, "error", err)
	}
}

// refusedNow asks the server whether anybody stands in line; nothing is left
// behind by asking.
func (c *Client) refusedNow(ctx context.Context, r request) error {
	prefix := linePrefix(r.kind, r.name)
	for try := 1; ; try++ {
		g, err := c.etcd.Get(ctx, prefix, clientv3.WithFirstCreate()...)
		switch {
		case err == nil && len(g.Kvs) == 0:
			return nil
		case err == nil:
			kv := g.Kvs[0]
			return lockedError(r.name, holder{decodeClaim(kv.Value).Owner, string(kv.Key), kv.CreateRevision})
		case refused(err):
			return fmt.Errorf("look who holds lock %q: %w", r.name, err)
		case !pause(ctx, try):
			return c.ended(ctx, r, "nobody could say who holds it", false, true)
		}
	}
}

// follows waits until the line's copy does.
func (c *Client) follows(ctx context.Context, r request, l *line) error {
	for {
		synced, _, moved := l.look()
		if synced {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return c.ended(ctx, r, "the line could not be read", false, true)
		}
	}
}

// submit puts the claim in line. A try whose outcome is not known is sent again
// with the same key, which finds the first one if it got through.
func (c *Client) submit(ctx context.Context, r request, cl *claim) error {
	value := claimValue{Version: claimVers, Owner: c.opt.Owner}.encode()
	for try := 1; ; try++ {
		if cl.s.state() == lost {
			return errAgain
		}
		err := cl.put(ctx, value, r.try)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, ErrLocked):
			if err := c.refusedNow(ctx, r); err != nil {
				return err
			}
			return errAgain // whoever it was has left meanwhile
		case leaseGone(err):
			cl.s.end(errLeaseGone)
			return errAgain
		case refused(err):
			return fmt.Errorf("stand in line for lock %q: %w", r.name, err)
		case !pause(ctx, try):
			return c.ended(ctx, r, "the request was not answered: "+err.Error(), false, false)
		}
	}
}

// await waits for the head of the line, and there for a live session.
func (c *Client) await(ctx context.Context, k *keeper, r request, cl *claim) (*Held, error) {
	for {
		_, moved := k.look()
		rev, head, gone := cl.look()
		st := cl.s.state()
		switch {
		case gone:
			k.hurry()
			return nil, errAgain
		case st == lost:
			return nil, errAgain
		case head && st == live:
			if h := c.grant(r.name, cl, rev); h != nil {
				c.tell(Event{Type: "lock_acquired", Name: r.name, Text: "acquired", Fence: rev})
				return h, nil
			}
			continue // lost at this very moment: the next look says how
		}
		select {
		case <-cl.wake:
		case <-moved:
		case <-ctx.Done():
			synced, _, _ := cl.l.look()
			return nil, c.ended(ctx, r, "others were before it in the line", synced && cl.s.state() == live, true)
		}
	}
}

// silence is how long the cluster may take to answer before that counts as having
// no quorum.
const silence = 100 * time.Millisecond

// ended tells why a wait was over: the client was closed, or ctx ended. answered
// says that the cluster had answered so far, known that no request is open.
func (c *Client) ended(ctx context.Context, r request, during string, answered, known bool) error {
	if c.intake.Err() != nil {
		return closedError()
	}
	quorum := answered || c.clk.now()-r.began < instant(silence)
	return c.waitError(ctx, r.name, during, quorum, known)
}
