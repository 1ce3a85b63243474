package formation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/quorate/quorate/cluster-test/bench/figure"
)

// colds takes the time from the start of the last of three processes, on empty
// directories, until all are ready, in turns with bare etcd members that are
// told of each other by a static list: the same processor, disk, ticks and
// mTLS. The others start up to half a second earlier, the same in both. What we
// do more is to find and to check each other, and to wait for all three: of a
// static list, two that were first have often elected a leader already.
func colds(ctx context.Context, s *site) ([]figure.Row, error) {
	const runs = 20
	gaps := rand.New(rand.NewPCG(3, 20))
	var ours, bare []time.Duration
	err := s.each(ctx, "cold start", runs, func(int) (string, error) {
		gap := [2]time.Duration{time.Duration(gaps.Int64N(250)) * time.Millisecond, time.Duration(gaps.Int64N(250)) * time.Millisecond}
		o, err := s.cold(ctx, gap)
		if err != nil {
			return "", err
		}
		b, err := s.coldBare(ctx, gap)
		if err != nil {
			return "", fmt.Errorf("bare etcd: %w", err)
		}
		ours, bare = append(ours, o), append(bare, b)
		return fmt.Sprintf("%s, bare etcd %s", ms(o), ms(b)), nil
	})
	if err != nil {
		return nil, err
	}
	row := func(q float64, limit float64, note string) figure.Row {
		r := figure.AtMost("three processes, cold, from exec of the last one to all ready",
			figure.Milliseconds(figure.Quantile(ours, q)), "ms", limit, note)
		baseline := figure.Milliseconds(figure.Quantile(bare, q))
		ratio := r.Value / baseline
		r.Baseline, r.Ratio = &baseline, &ratio
		return r
	}
	return []figure.Row{row(0.5, 4000, "p50"), row(0.95, 6000, "p95")}, nil
}

// staggered starts three with pauses between them and returns when the last was
// started.
func staggered(ctx context.Context, gaps [2]time.Duration, start func(i int) error) (last time.Time, err error) {
	for i := range 3 {
		if i > 0 {
			if err := pause(ctx, gaps[i-1]); err != nil {
				return last, err
			}
		}
		last = time.Now()
		if err := start(i); err != nil {
			return last, err
		}
	}
	return last, nil
}

func (s *site) cold(ctx context.Context, gaps [2]time.Duration) (time.Duration, error) {
	t, err := s.newTrio()
	if err != nil {
		return 0, err
	}
	defer t.end()
	last, err := staggered(ctx, gaps, func(i int) error { return t.nodes[i].start(ctx) })
	if err != nil {
		return 0, err
	}
	if err := t.ready(ctx); err != nil {
		return 0, err
	}
	return time.Since(last), nil
}

// powerCuts kills all three at once and takes the time from the start of the
// first process to all ready. All three read their logs and hold an election.
func powerCuts(ctx context.Context, s *site) ([]figure.Row, error) {
	const runs = 10
	t, err := s.formed(ctx)
	if err != nil {
		return nil, err
	}
	defer t.end()
	var times []time.Duration
	err = s.each(ctx, "power cut", runs, func(int) (string, error) {
		if _, _, err := t.settled(ctx); err != nil {
			return "", err
		}
		t.kill()
		begin := time.Now()
		if err := t.start(ctx); err != nil {
			return "", err
		}
		if err := t.ready(ctx); err != nil {
			return "", err
		}
		times = append(times, time.Since(begin))
		return ms(times[len(times)-1]), nil
	})
	if err != nil {
		return nil, err
	}
	return []figure.Row{
		figure.AtMost("kill -9 of all three, restart to all ready", figure.Milliseconds(figure.Quantile(times, 0.5)), "ms", 1500, "p50"),
		figure.Print("kill -9 of all three, restart to all ready, p95", figure.Milliseconds(figure.Quantile(times, 0.95)), "ms"),
	}, nil
}
