package recipes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// remember adds a lease to what Options.Remember keeps, or takes it out.
func (c *Client) remember(id clientv3.LeaseID, add bool) {
	c.rememberMu.Lock()
	defer c.rememberMu.Unlock()
	if add {
		c.remembered[id] = struct{}{}
	} else {
		delete(c.remembered, id)
	}
	if c.opt.Remember == nil {
		return
	}
	ids := make([]int64, 0, len(c.remembered))
	for id := range c.remembered {
		ids = append(ids, int64(id))
	}
	slices.Sort(ids)
	c.opt.Remember(ids)
}

// retire revokes the lease of a lost session, but not before the server may have
// ended it itself: who held a claim under it has that long to notice.
func (c *Client) retire(s *session) {
	c.background(func() {
		if wait := time.Duration(s.snapshot().expires() - c.clk.now()); wait > 0 && s.why != errLeaseGone && !sleep(c.ctx, wait) {
			return
		}
		for try := 1; ; try++ {
			err := c.revoke(c.ctx, s.id, tryTimeout)
			if err == nil {
				return
			}
			c.log.Debug("lease not revoked", "lease", fmt.Sprintf("%x", int64(s.id)), "error", err)
			if !pause(c.ctx, try) {
				return
			}
		}
	})
}

func (c *Client) revoke(ctx context.Context, id clientv3.LeaseID, timeout time.Duration) error {
	tctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := revoke(tctx, c.etcd, id); err != nil {
		return err
	}
	c.remember(id, false)
	return nil
}

func revoke(ctx context.Context, c *clientv3.Client, id clientv3.LeaseID) error {
	if _, err := c.Revoke(ctx, id); err != nil && !leaseGone(err) {
		return fmt.Errorf("revoke lease %x: %w", int64(id), err)
	}
	return nil
}

// RevokeLeases revokes leases an earlier process remembered (Options.Remember),
// so that what it held is free at once. A lease that is gone already is no
// error. It asks the server once for each; on an error, which joins all of
// them, call it again with the same IDs.
func RevokeLeases(ctx context.Context, c *clientv3.Client, ids []int64) error {
	var errs []error
	for _, id := range ids {
		if err := revoke(ctx, c, clientv3.LeaseID(id)); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
