package recipes

import (
	"context"
	"errors"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// A withdrawal takes a claim out of its line for good. It goes on in the
// background until the server confirmed it, the lease is gone, or Close ends it
// (and revokes the lease).
type withdrawal struct {
	done chan struct{}
	err  error // after done: nil if the key stood there until we deleted it, as far as can be known
}

// withdraw starts one; it only ever deletes the claim's own key.
//
// A put whose outcome is not known may still be on its way: through a paused
// leader it can arrive after a delete that found nothing, or, sent twice, after
// the delete of the one that got through. So wherever a put could still be under
// way the same transaction writes the claim's void key, which every put of the
// claim demands to be absent. The void key lives as long as the lease.
//
// Called again for a claim it returns the first withdrawal.
func (c *Client) withdraw(cl *claim) *withdrawal {
	cl.once.Do(func() {
		w := &withdrawal{done: make(chan struct{})}
		cl.out = w
		if cl.tries == 0 || cl.refused {
			w.end(cl, nil)
			return
		}
		c.mu.Lock()
		c.pending[w] = struct{}{}
		started := c.backgroundLocked(func() {
			err := c.withdrawing(cl)
			c.mu.Lock()
			delete(c.pending, w)
			c.mu.Unlock()
			w.end(cl, err)
		})
		c.mu.Unlock()
		if !started {
			w.end(cl, errEnded)
		}
	})
	return cl.out
}

func (w *withdrawal) end(cl *claim, err error) {
	w.err = err
	cl.forget()
	close(w.done)
}

var (
	errKeyGone = errors.New("its key had been deleted")
	errEnded   = fmt.Errorf("%w before the server answered; the lease is revoked with the rest", ErrClosed)
)

func (c *Client) withdrawing(cl *claim) error {
	rev, _, _ := cl.look()
	void := rev == 0 || cl.tries > 1
	for try := 1; ; try++ {
		deleted, err := c.withdrawOnce(cl, rev, void)
		switch {
		case err == nil && (deleted || try > 1): // an earlier try may have been the one
			return nil
		case err == nil:
			return errKeyGone
		case leaseGone(err):
			return errLeaseGone
		case void && refused(err):
			// No space for the void key: free the line at least, and try on.
			if _, err := c.withdrawOnce(cl, rev, false); err != nil {
				c.log.Debug("claim not withdrawn", "key", cl.key, "error", err)
			}
		}
		c.log.Debug("claim not withdrawn", "key", cl.key, "error", err)
		if !pause(c.ctx, try) {
			return errEnded
		}
	}
}

func (c *Client) withdrawOnce(cl *claim, rev int64, void bool) (bool, error) {
	tctx, cancel := context.WithTimeout(c.ctx, tryTimeout)
	defer cancel()
	ops := []clientv3.Op{clientv3.OpDelete(cl.key)}
	txn := c.etcd.Txn(tctx)
	switch {
	case void:
		ops = append(ops, clientv3.OpPut(cl.void, "", clientv3.WithLease(cl.s.id)))
	case rev != 0:
		txn = txn.If(clientv3.Compare(clientv3.CreateRevision(cl.key), "=", rev))
	}
	r, err := txn.Then(ops...).Commit()
	if err != nil {
		return false, err
	}
	return r.Succeeded && r.Responses[0].GetResponseDeleteRange().GetDeleted() > 0, nil
}

// settled waits for the withdrawal, but not beyond ctx.
func (w *withdrawal) settled(ctx context.Context) error {
	select {
	case <-w.done:
		return w.err
	default:
	}
	select {
	case <-w.done:
		return w.err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrUnknownOutcome, ctx.Err())
	}
}
