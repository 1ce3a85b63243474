package command

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// etcdCall is the ctx of one command's calls.
type etcdCall = context.Context

// withEtcd runs do on the node's etcd, bounded by --timeout. what says what it
// does, for errors.
func (c *call) withEtcd(what string, do func(clientv3.KV, etcdCall) error) error {
	ctx, cancel, err := c.withTimeout()
	if err != nil {
		return err
	}
	defer cancel()
	client, done, err := c.dial(ctx)
	if err != nil {
		return c.reach(ctx, what, err)
	}
	defer done()
	err = do(client.Etcd(), ctx)
	var own *coded
	switch {
	case err == nil || errors.As(err, &own):
		return err
	case errors.Is(err, rpctypes.ErrNoSpace), errors.Is(err, rpctypes.ErrCorrupt):
		return failure(codeError, what+": the cluster refuses", err.Error(), c.self("status")+" says what to do")
	}
	return c.explain(ctx, what, err)
}

// reach is the error of a dial.
func (c *call) reach(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil && c.ctx.Err() == nil {
		return failure(codeFalse, what+": no answer within "+c.flags.Duration("timeout").String(), "the node on "+c.socket()+" accepts and is silent",
			"try a longer --timeout, or restart the node")
	}
	return err
}

// pages reads all keys with that prefix as of one revision.
func pages(ctx context.Context, kv clientv3.KV, prefix string, keysOnly bool) iter.Seq2[[]*mvccpb.KeyValue, error] {
	return func(yield func([]*mvccpb.KeyValue, error) bool) {
		from, end := prefix, clientv3.GetPrefixRangeEnd(prefix)
		if prefix == "" {
			from, end = "\x00", "\x00"
		}
		opts := []clientv3.OpOption{clientv3.WithRange(end), clientv3.WithLimit(pageSize)}
		if keysOnly {
			opts = append(opts, clientv3.WithKeysOnly())
		}
		for {
			resp, err := kv.Get(ctx, from, opts...)
			if err != nil {
				yield(nil, fmt.Errorf("read from %q: %w", from, err))
				return
			}
			if !yield(resp.Kvs, nil) || !resp.More {
				return
			}
			if len(opts) < 4 { // the later pages show what the first one saw
				opts = append(opts, clientv3.WithRev(resp.Header.Revision))
			}
			from = string(resp.Kvs[len(resp.Kvs)-1].Key) + "\x00"
		}
	}
}
