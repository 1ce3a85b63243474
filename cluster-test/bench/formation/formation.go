// Package formation measures three nodes: how they become one cluster, what
// they do when one of them goes, and what they cost. The nodes are processes of
// the built peer program, started with configuration files, on loopback, with
// the timing that every cluster has.
package formation

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/quorate/quorate/cluster-test/bench/figure"
)

// Run measures all figures of three nodes, in about seven minutes.
func Run(ctx context.Context, say func(format string, args ...any)) ([]figure.Row, error) {
	// Sockets need short paths, and everything the bench writes lies in one place.
	dir, err := os.MkdirTemp("", "qb")
	if err != nil {
		return nil, fmt.Errorf("make a directory: %w", err)
	}
	defer os.RemoveAll(dir)
	s := &site{dir: dir, peer: filepath.Join(dir, "peer"), say: say}
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", s.peer, "github.com/quorate/quorate/cmd/peer").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build peer: %w\n%s", err, out)
	}
	var rows []figure.Row
	for _, part := range []struct {
		name string
		run  func(context.Context, *site) ([]figure.Row, error)
	}{
		{"cold starts", colds},
		{"power cuts", powerCuts},
		{"two boxes off", boxesOff},
		{"leaders killed", leadersKilled},
		{"leaders stopped", leadersStopped},
		{"linearizable reads", reads},
		{"an idle node", idle},
	} {
		start, before := time.Now(), load()
		got, err := part.run(ctx, s)
		if err != nil {
			return nil, fmt.Errorf("measure %s: %w", part.name, err)
		}
		say("%s: %.1f s, load %s before and %s after", part.name, time.Since(start).Seconds(), before, load())
		rows = append(rows, got...)
	}
	return rows, nil
}

// load is how busy the machine has been in the last minute: figures of a busy
// one are worth less.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(b), " ")
	return first
}

// each runs a trial n times and says how far it is, since a person waits.
func (s *site) each(ctx context.Context, what string, n int, trial func(i int) (string, error)) error {
	for i := range n {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		text, err := trial(i)
		if err != nil {
			return fmt.Errorf("%s %d of %d: %w", what, i+1, n, err)
		}
		s.say("%s %d of %d: %s", what, i+1, n, text)
	}
	return nil
}

func ms(d time.Duration) string { return fmt.Sprintf("%.0f ms", figure.Milliseconds(d)) }

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
