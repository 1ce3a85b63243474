package embed

import (
	"strings"
	"sync/atomic"

	"go.uber.org/zap/zapcore"
)

// ear listens to etcd's log for the one thing that etcd says nowhere else: that
// it stops because this member was removed from the cluster. A member that was
// away when that happened learns it from its peers' refusals, and its own list
// still has it.
type ear struct {
	zapcore.LevelEnabler
	removed *atomic.Bool
}

func newEar(removed *atomic.Bool) zapcore.Core {
	return &ear{LevelEnabler: zapcore.WarnLevel, removed: removed}
}

func (e *ear) With([]zapcore.Field) zapcore.Core { return e }

func (e *ear) Check(x zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if x.Message == "server error" {
		return ce.AddCore(x, e)
	}
	return ce
}

func (e *ear) Write(_ zapcore.Entry, fields []zapcore.Field) error {
	if err := errorField(fields); err != nil && strings.Contains(err.Error(), "permanently removed") {
		e.removed.Store(true)
	}
	return nil
}

func (e *ear) Sync() error { return nil }
