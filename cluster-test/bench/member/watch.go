package member

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/storage/mvcc"

	"github.com/quorate/quorate/cluster-test/bench/figure"
	"github.com/quorate/quorate/embed"
)

// cycles opens and cancels watches from 64 goroutines, each waiting until its
// watch is registered. There is no baseline: etcd's own in-process client hangs
// within a hundred cycles (storm_test.go).
func cycles(ctx context.Context, dir string) ([]figure.Row, error) {
	const total = 500_000
	m, err := startMember(ctx, dir, nil)
	if err != nil {
		return nil, err
	}
	defer stopMember(m)
	if err := storm(ctx, m.Client(), total/10); err != nil { // warm
		return nil, err
	}
	goroutines, watchers := settled(), watcherGauge()
	start := time.Now()
	if err := storm(ctx, m.Client(), total); err != nil {
		return nil, err
	}
	rate := total / time.Since(start).Seconds()
	// What was cancelled ends on goroutines of its own, soon after.
	left := 0.0
	for deadline := time.Now().Add(3 * time.Second); time.Now().Before(deadline); {
		left = max(0, float64(settled()-goroutines)) + max(0, watcherGauge()-watchers)
		if left == 0 {
			break
		}
	}
	return []figure.Row{
		figure.AtLeast("open/cancel of a watch, 64 goroutines", rate, "/s", 100_000, ""),
		figure.AtMost("left over after 500,000 cycles", left, "goroutines and watchers", 0, ""),
	}, nil
}

func storm(ctx context.Context, w clientv3.Watcher, total int64) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	var n, failed atomic.Int64
	var wg sync.WaitGroup
	for g := range 64 {
		wg.Go(func() {
			key := fmt.Sprint("/storm/", g)
			for n.Add(1) <= total {
				wctx, stop := context.WithCancel(ctx)
				if r, ok := <-w.Watch(wctx, key, clientv3.WithCreatedNotify()); !ok || !r.Created {
					failed.Add(1)
				}
				stop()
			}
		})
	}
	wg.Wait()
	if f := failed.Load(); f > 0 {
		return fmt.Errorf("%d of %d watches were not opened", f, total)
	}
	return nil
}

// settled counts goroutines after those that only wait for a processor have run.
func settled() int {
	n := runtime.NumGoroutine()
	for range 100 {
		runtime.Gosched()
		n = min(n, runtime.NumGoroutine())
	}
	return n
}

// watcherGauge is the number of watchers in etcd's store, as its own metric tells.
func watcherGauge() float64 {
	families, err := embed.Gatherer().Gather()
	if err != nil {
		return -1
	}
	for _, f := range families {
		if f.GetName() == "etcd_debugging_mvcc_watcher_total" {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	return -1
}

// events takes the time from the call of Put to the event at its receiver, in
// turns on our watcher and on a stream of the server's own store.
func events(ctx context.Context, dir string) ([]figure.Row, error) {
	const samples, warm = 6000, 500
	m, err := startMember(ctx, dir, nil)
	if err != nil {
		return nil, err
	}
	defer stopMember(m)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	seen := make(chan time.Time, 1)
	ours := m.Client().Watch(ctx, "/event/ours", clientv3.WithCreatedNotify())
	<-ours
	go func() {
		for range ours {
			seen <- time.Now()
		}
	}()
	stream := m.Server().Watchable().NewWatchStream()
	defer stream.Close()
	if _, err := stream.Watch(ctx, 0, []byte("/event/theirs"), nil, 0); err != nil {
		return nil, err
	}
	go func() {
		for r := range stream.Chan() {
			mvcc.ReportEventReceived(len(r.Events))
			seen <- time.Now()
		}
	}()

	times := map[string][]time.Duration{}
	for i := range samples + warm {
		for _, key := range []string{"/event/ours", "/event/theirs"} {
			start := time.Now()
			if _, err := m.Client().Put(ctx, key, "v"); err != nil {
				return nil, err
			}
			if d := (<-seen).Sub(start); i >= warm {
				times[key] = append(times[key], d)
			}
		}
	}
	return []figure.Row{figure.NoSlower("put → event in process, against the server's own stream",
		figure.Microseconds(figure.Quantile(times["/event/ours"], 0.5)),
		figure.Microseconds(figure.Quantile(times["/event/theirs"], 0.5)), "µs", 1.2, "p50")}, nil
}
