package formation

import (
	"context"
	"time"

	"github.com/quorate/quorate/cluster-test/bench/figure"
)

// idle measures three nodes that nobody uses, over 20 seconds, by the kernel's
// books, and reports the one that costs most: the leader, as a rule.
func idle(ctx context.Context, s *site) ([]figure.Row, error) {
	const settle, window = 5 * time.Second, 20 * time.Second
	t, err := s.formed(ctx)
	if err != nil {
		return nil, err
	}
	defer t.end()
	if err := pause(ctx, settle); err != nil {
		return nil, err
	}
	var before []time.Duration
	for _, b := range t.nodes {
		used, err := figure.ProcessorTime(b.cmd.Process.Pid)
		if err != nil {
			return nil, err
		}
		before = append(before, used)
	}
	start := time.Now()
	if err := pause(ctx, window); err != nil {
		return nil, err
	}
	var share, memory float64
	for i, b := range t.nodes {
		used, err := figure.ProcessorTime(b.cmd.Process.Pid)
		if err != nil {
			return nil, err
		}
		resident, err := figure.ResidentMiB(b.cmd.Process.Pid)
		if err != nil {
			return nil, err
		}
		share = max(share, 100*(used-before[i]).Seconds()/time.Since(start).Seconds())
		memory = max(memory, resident)
	}
	return []figure.Row{
		figure.AtMost("idle node of three, processor", share, "% of a core", 2.5, ""),
		figure.AtMost("idle node of three, resident memory", memory, "MiB", 85, ""),
	}, nil
}
