// Config follows a key with the ordinary etcd client of the node in this
// process: put, get and watch are direct calls, without a socket.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/node"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) error {
	n, err := node.Start(ctx, node.Config{})
	if err != nil {
		return err
	}
	defer n.Close()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := n.Etcd()
	now, err := c.Get(ctx, "/config/level")
	if err != nil {
		return err
	}
	// Watching from the revision behind the read misses nothing in between.
	changes := c.Watch(ctx, "/config/level", clientv3.WithRev(now.Header.Revision+1))
	if _, err := c.Put(ctx, "/config/level", "debug"); err != nil {
		return err
	}
	for change := range changes {
		if err := change.Err(); err != nil {
			return err
		}
		for _, e := range change.Events {
			fmt.Fprintf(out, "%s is now %s\n", e.Kv.Key, e.Kv.Value)
			return nil
		}
	}
	return context.Cause(ctx)
}
