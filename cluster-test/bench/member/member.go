// Package member measures one member in the process.
package member

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/quorate/quorate/cluster-test/bench/figure"
)

// Run measures all figures of one member, in about two minutes.
func Run(ctx context.Context, say func(format string, args ...any)) ([]figure.Row, error) {
	// Sockets need short paths, and everything the bench writes lies in one place.
	dir, err := os.MkdirTemp("", "qb")
	if err != nil {
		return nil, fmt.Errorf("make a directory: %w", err)
	}
	defer os.RemoveAll(dir)
	var rows []figure.Row
	for _, part := range []struct {
		name string
		run  func(ctx context.Context, dir string) ([]figure.Row, error)
	}{
		{"node.Start", starts},
		{"nodetest.New", nodetests},
		{"Close", closes},
		{"opening and cancelling watches", cycles},
		{"put to event", events},
		{"linearizable reads", reads},
		{"an idle node", idle},
		{"the binary", binary},
		{"the modules", modules},
	} {
		start := time.Now()
		got, err := part.run(ctx, dir)
		if err != nil {
			return nil, fmt.Errorf("measure %s: %w", part.name, err)
		}
		say("%s: %.1f s", part.name, time.Since(start).Seconds())
		rows = append(rows, got...)
	}
	return rows, nil
}
