package nodetest

import (
	"context"
	"log/slog"
	"slices"
	"strings"
)

// quiet drops what etcd and memberlist warn of, in a cluster whose nodes are
// killed and cut off on purpose: hundreds of lines for each that is away. Errors
// pass, and what the node itself says.
type quiet struct {
	slog.Handler
	foreign bool
}

func (q quiet) Enabled(ctx context.Context, l slog.Level) bool {
	return (!q.foreign || l >= slog.LevelError) && q.Handler.Enabled(ctx, l)
}

func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	drop := false
	r.Attrs(func(a slog.Attr) bool {
		drop = isForeign(a)
		return !drop
	})
	if drop && r.Level < slog.LevelError {
		return nil
	}
	return q.Handler.Handle(ctx, r)
}

func (q quiet) WithAttrs(as []slog.Attr) slog.Handler {
	return quiet{q.Handler.WithAttrs(as), q.foreign || slices.ContainsFunc(as, isForeign)}
}

func (q quiet) WithGroup(name string) slog.Handler {
	return quiet{q.Handler.WithGroup(name), q.foreign}
}

func isForeign(a slog.Attr) bool {
	return a.Key == "logger" && (strings.HasPrefix(a.Value.String(), "etcd") || a.Value.String() == "memberlist")
}
