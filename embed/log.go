package embed

import (
	"context"
	"log/slog"
	"runtime"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// newZap makes etcd's logger: it writes to l, and hands etcd's last words to
// hook instead of ending the process. Nothing global is touched.
func newZap(l *slog.Logger, hook zapcore.CheckWriteHook, ears ...zapcore.Core) *zap.Logger {
	return zap.New(zapcore.NewTee(append(ears, &slogCore{h: l.Handler()})...),
		zap.AddCaller(),
		zap.WithFatalHook(hook),
		zap.WithPanicHook(hook),
		zap.ErrorOutput(discard{}),
	)
}

// slogCore is a zapcore.Core on a slog.Handler. zap's named fields become
// attributes, its namespaces groups; its levels above Error become Error, since
// slog has none and the hook says the rest.
type slogCore struct{ h slog.Handler }

func (c *slogCore) Enabled(l zapcore.Level) bool {
	return c.h.Enabled(context.Background(), slogLevel(l))
}

func (c *slogCore) With(fields []zapcore.Field) zapcore.Core {
	return &slogCore{h: c.h.WithAttrs(attrs(fields))}
}

func (c *slogCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	e.Level = calm(e)
	if c.Enabled(e.Level) {
		return ce.AddCore(e, c)
	}
	return ce
}

func (c *slogCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	r := slog.NewRecord(e.Time, slogLevel(e.Level), e.Message, pc(e.Caller))
	name := "etcd"
	if e.LoggerName != "" {
		name += "." + e.LoggerName
	}
	r.AddAttrs(slog.String("logger", name))
	r.AddAttrs(attrs(fields)...)
	return c.h.Handle(context.Background(), r)
}

func (c *slogCore) Sync() error { return nil }

func slogLevel(l zapcore.Level) slog.Level {
	switch {
	case l <= zapcore.DebugLevel:
		return slog.LevelDebug
	case l == zapcore.InfoLevel:
		return slog.LevelInfo
	case l == zapcore.WarnLevel:
		return slog.LevelWarn
	}
	return slog.LevelError
}

// attrs lets zap encode its own fields, which knows all of their kinds.
func attrs(fields []zapcore.Field) []slog.Attr {
	out := make([]slog.Attr, 0, len(fields))
	for i, f := range fields {
		if f.Type == zapcore.NamespaceType {
			rest := attrs(fields[i+1:])
			return append(out, slog.Attr{Key: f.Key, Value: slog.GroupValue(rest...)})
		}
		enc := zapcore.NewMapObjectEncoder()
		f.AddTo(enc)
		if v, ok := enc.Fields[f.Key]; ok {
			out = append(out, slog.Any(f.Key, v))
			continue
		}
		for k, v := range enc.Fields { // inline objects bring names of their own
			out = append(out, slog.Any(k, v))
		}
	}
	return out
}

func pc(c zapcore.EntryCaller) uintptr {
	if !c.Defined {
		return 0
	}
	if f := runtime.FuncForPC(c.PC); f == nil {
		return 0
	}
	return c.PC
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) Sync() error                 { return nil }
