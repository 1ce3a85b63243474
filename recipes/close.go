package recipes

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// releaseTimeout bounds how long Do waits for its release to be confirmed;
// closeTimeout the last requests of Close.
const (
	releaseTimeout = 5 * time.Second
	closeTimeout   = time.Second
)

// enterCallback notes that a callback runs under h, so that Close neither
// revokes its lease nor withdraws its claim; false if Close came first.
func (c *Client) enterCallback(h *Held) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isClosing {
		return false
	}
	c.callbacks[h.s.id]++
	h.inCallback = true
	return true
}

// leaveCallback releases h after its callback returned; the error says that the
// lock was lost before.
func (c *Client) leaveCallback(ctx context.Context, h *Held) error {
	_, err := h.giveBack()
	if errors.Is(err, ErrClosed) {
		c.withdraw(h.cl) // Close left it standing while the callback ran
	}
	c.mu.Lock()
	if c.callbacks[h.s.id]--; c.callbacks[h.s.id] == 0 {
		delete(c.callbacks, h.s.id)
	}
	h.inCallback = false
	c.mu.Unlock()
	select {
	case c.returned <- struct{}{}:
	default:
	}
	if err != nil {
		return err
	}
	rctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	if err := h.Release(rctx); errors.Is(err, ErrLost) {
		return err
	}
	return nil // released, or about to be
}

// running is how many callbacks run.
func (c *Client) running() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.callbacks {
		n += k
	}
	return n
}

// Close ends the client: nothing new begins, waiters get ErrClosed, what is held
// is lost at once (with ErrClosed), and callbacks of Do are waited for until ctx
// ends. Then the leases are revoked, so that others get the locks without
// waiting for a TTL, but never a lease under which a callback still runs: that
// one ends by itself, and Close says so. Every goroutine of the client has ended
// when Close returns. It takes about a second beyond ctx if the cluster does not
// answer. Called again it waits for the first call.
func (c *Client) Close(ctx context.Context) error {
	c.mu.Lock()
	if c.isClosing {
		c.mu.Unlock()
		select {
		case <-c.closed:
			return c.closeErr
		case <-ctx.Done():
			return fmt.Errorf("wait for an earlier Close: %w", ctx.Err())
		}
	}
	c.isClosing = true
	c.endIntake()
	c.mu.Unlock()
	c.takeBack()
	c.ops.Wait()
	c.takeBack() // what was granted in the meantime
	err := c.waitCallbacks(ctx)
	c.endKeeping() // or a keeper would replace the leases that are revoked now
	c.keeping.Wait()
	c.revokeAll()

	c.mu.Lock()
	c.hasEnded = true
	for _, l := range c.lines {
		if l.idle != nil {
			l.idle.Stop()
		}
	}
	c.mu.Unlock()
	c.cancel()
	c.bg.Wait()
	if c.opt.CloseEtcd {
		if e := c.etcd.Close(); e != nil && !errors.Is(e, context.Canceled) {
			err = errors.Join(err, fmt.Errorf("close the etcd client: %w", e))
		}
	}
	c.closeErr = err
	close(c.closed)
	return err
}

// takeBack ends all that is held; the claims go now, or when their callbacks end.
func (c *Client) takeBack() {
	c.mu.Lock()
	var mine []*Held
	for h := range c.held {
		mine = append(mine, h)
	}
	c.mu.Unlock()
	for _, h := range mine {
		if !h.lose(ErrClosed) {
			continue
		}
		c.mu.Lock()
		wait := h.inCallback
		c.mu.Unlock()
		if !wait {
			c.withdraw(h.cl)
		}
	}
}

func (c *Client) waitCallbacks(ctx context.Context) error {
	for {
		n := c.running()
		if n == 0 {
			return nil
		}
		select {
		case <-c.returned:
		case <-ctx.Done():
			return fmt.Errorf("close: %d callbacks still run, their leases are left to expire: %w", n, ctx.Err())
		}
	}
}

// revokeAll revokes every lease but those under which a callback runs; of those
// it waits for the other claims to be withdrawn.
func (c *Client) revokeAll() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	c.rememberMu.Lock()
	ids := slices.Sorted(maps.Keys(c.remembered))
	c.rememberMu.Unlock()
	for _, id := range ids {
		c.mu.Lock()
		busy := c.callbacks[id] > 0
		c.mu.Unlock()
		if busy {
			continue
		}
		if err := c.revoke(ctx, id, closeTimeout); err != nil {
			c.log.Warn("lease not revoked at close", "error", err)
		}
	}
	c.mu.Lock()
	pending := slices.Collect(maps.Keys(c.pending))
	c.mu.Unlock()
	for _, w := range pending {
		if err := w.settled(ctx); errors.Is(err, ErrUnknownOutcome) {
			return
		}
	}
}
