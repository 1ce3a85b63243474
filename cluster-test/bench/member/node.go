package member

import (
	"context"
	"fmt"
	"os"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/cluster-test/bench/figure"
	"github.com/quorate/quorate/node"
	"github.com/quorate/quorate/node/nodetest"
)

// starts takes the time from node.Start with an empty Config to the first
// acknowledged write, on the disk of the system's temporary directory.
func starts(ctx context.Context, _ string) ([]figure.Row, error) {
	const samples = 300
	var times []time.Duration
	for range samples {
		start := time.Now()
		n, err := node.Start(ctx, node.Config{})
		if err != nil {
			return nil, err
		}
		_, err = n.Etcd().Put(ctx, "/first", "v")
		times = append(times, time.Since(start))
		if closed := n.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return nil, err
		}
	}
	return []figure.Row{figure.AtMost("node.Start with an empty Config to the first acknowledged write",
		figure.Milliseconds(figure.Quantile(times, 0.5)), "ms", 150, "p50")}, nil
}

// nodetests takes the time of nodetest.New to a write on what it returns.
func nodetests(ctx context.Context, dir string) ([]figure.Row, error) {
	const samples = 300
	var times []time.Duration
	for i := range samples {
		t := newTB(ctx, fmt.Sprintf("bench%d", i), dir)
		err := t.run(func() error {
			start := time.Now()
			n := nodetest.New(t)
			_, err := n.Etcd().Put(ctx, "/first", "v")
			times = append(times, time.Since(start))
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return []figure.Row{figure.AtMost("nodetest.New to usable",
		figure.Milliseconds(figure.Quantile(times, 0.5)), "ms", 60, "p50")}, nil
}

// closes takes the time of Close with 100 open watches in process, and a client
// with an open watch on the socket.
func closes(ctx context.Context, _ string) ([]figure.Row, error) {
	const samples, watches = 200, 100
	var times []time.Duration
	for range samples {
		d, err := closeOne(ctx, watches)
		if err != nil {
			return nil, err
		}
		times = append(times, d)
	}
	return []figure.Row{figure.AtMost("Close with 100 open watches and an open client",
		figure.Milliseconds(figure.Quantile(times, 0.95)), "ms", 300, "p95")}, nil
}

func closeOne(ctx context.Context, watches int) (time.Duration, error) {
	n, err := node.Start(ctx, node.Config{})
	if err != nil {
		return 0, err
	}
	defer n.Close()
	wctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := n.Ready(ctx); err != nil {
		return 0, err
	}
	for i := range watches {
		<-n.Etcd().Watch(wctx, fmt.Sprint("/close/", i), clientv3.WithCreatedNotify())
	}
	outside, err := node.Dial(ctx, n.Socket())
	if err != nil {
		return 0, err
	}
	closing, stop := context.WithTimeout(context.Background(), 10*time.Second)
	defer stop()
	defer outside.Close(closing)
	<-outside.Etcd().Watch(wctx, "/close/outside", clientv3.WithCreatedNotify())
	start := time.Now()
	if err := n.Close(); err != nil {
		return 0, err
	}
	took := time.Since(start)
	if _, err := os.Stat(n.Socket()); err == nil {
		return 0, fmt.Errorf("close left %s behind", n.Socket())
	}
	return took, nil
}
