package formation

import (
	"context"
	"fmt"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/cluster-test/bench/figure"
)

// leadersKilled kills the leader and takes the longest time for which a user of
// either other node waits for a write to be acknowledged.
func leadersKilled(ctx context.Context, s *site) ([]figure.Row, error) {
	times, err := s.leaderless(ctx, "leader killed", 30, func(ctx context.Context, b *box) error {
		b.kill()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return []figure.Row{
		figure.AtMost("leader killed, writes go on", figure.Milliseconds(figure.Quantile(times, 0.5)), "ms", 1500, "p50"),
		figure.AtMost("leader killed, writes go on", figure.Milliseconds(figure.Quantile(times, 0.99)), "ms", 4000, "p99"),
	}, nil
}

// leadersStopped is the same for a leader that is stopped in good order.
func leadersStopped(ctx context.Context, s *site) ([]figure.Row, error) {
	times, err := s.leaderless(ctx, "leader stopped", 20, func(ctx context.Context, b *box) error { return b.stop(ctx) })
	if err != nil {
		return nil, err
	}
	return []figure.Row{
		figure.Print("leader stopped in order, writes go on, p50", figure.Milliseconds(figure.Quantile(times, 0.5)), "ms"),
		figure.AtMost("leader stopped in order, writes go on", figure.Milliseconds(figure.Quantile(times, 0.95)), "ms", 300, "p95"),
	}, nil
}

// leaderless takes the leader away again and again.
func (s *site) leaderless(ctx context.Context, what string, runs int, remove func(context.Context, *box) error) ([]time.Duration, error) {
	t, err := s.formed(ctx)
	if err != nil {
		return nil, err
	}
	defer t.end()
	var times []time.Duration
	err = s.each(ctx, what, runs, func(int) (string, error) {
		leader, others, err := t.settled(ctx)
		if err != nil {
			return "", err
		}
		took, err := outage(ctx, leader, others, remove)
		if err != nil {
			return "", err
		}
		times = append(times, took)
		if err := leader.start(ctx); err != nil {
			return "", err
		}
		return ms(took), leader.ready(ctx)
	})
	return times, err
}

// outage removes the leader and returns the longest time between two writes
// that were acknowledged to the same node, from the removal until the leader's
// process is gone and both other nodes have written again for a while.
func outage(ctx context.Context, leader *box, others []*box, remove func(context.Context, *box) error) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var writers []*writer
	for _, b := range others {
		w, err := write(ctx, b)
		if err != nil {
			return 0, err
		}
		defer w.stop()
		writers = append(writers, w)
	}
	begin := time.Now()
	for _, w := range writers {
		w.from(begin)
	}
	if err := remove(ctx, leader); err != nil {
		return 0, err
	}
	gone := time.Now()
	var longest time.Duration
	for _, w := range writers {
		// Writes that began when the leader was gone need another one.
		gap, err := w.until(ctx, gone.Add(200*time.Millisecond))
		if err != nil {
			return 0, fmt.Errorf("writes do not go on: %w", err)
		}
		longest = max(longest, gap)
	}
	return longest, nil
}

// A writer writes to a node every 20 ms, whatever becomes of the writes before:
// one that got lost with the leader fails after seconds, and hides nothing.
type writer struct {
	client *clientv3.Client
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	last    time.Time // when a write was acknowledged
	begun   time.Time // when the last of them began
	longest time.Duration
	acked   chan struct{} // closed with the next
}

const writePeriod = 20 * time.Millisecond

func write(ctx context.Context, b *box) (*writer, error) {
	c, err := b.client()
	if err != nil {
		return nil, err
	}
	if _, err := c.Put(ctx, "/bench/"+b.name, "v"); err != nil { // the connection stands
		c.Close()
		return nil, err
	}
	w := &writer{client: c, acked: make(chan struct{})}
	ctx, w.cancel = context.WithCancel(ctx)
	w.wg.Go(func() {
		t := time.NewTicker(writePeriod)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
			}
			w.wg.Go(func() {
				begin := time.Now()
				if _, err := c.Put(ctx, "/bench/"+b.name, "v"); err == nil {
					w.note(begin)
				}
			})
		}
	})
	return w, nil
}

func (w *writer) note(begun time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.longest = max(w.longest, now.Sub(w.last))
	w.last = now
	if begun.After(w.begun) {
		w.begun = begun
	}
	close(w.acked)
	w.acked = make(chan struct{})
}

// from begins the measurement.
func (w *writer) from(begin time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last, w.longest = begin, 0
}

// until waits for the acknowledgement of a write that began after end, and
// returns the longest time without one.
func (w *writer) until(ctx context.Context, end time.Time) (time.Duration, error) {
	for {
		w.mu.Lock()
		begun, longest, acked := w.begun, w.longest, w.acked
		w.mu.Unlock()
		if begun.After(end) {
			return longest, nil
		}
		select {
		case <-acked:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

func (w *writer) stop() {
	w.cancel()
	w.wg.Wait()
	w.client.Close()
}
