package embed

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

type noHook struct{}

func (noHook) OnWrite(*zapcore.CheckedEntry, []zapcore.Field) {}

func TestLogBridge(t *testing.T) {
	type line = map[string]any
	for _, tt := range []struct {
		name string
		log  func(*zap.Logger)
		want line // nil: nothing is logged
	}{
		{"below the level", func(l *zap.Logger) { l.Debug("x") }, nil},
		{"level and fields", func(l *zap.Logger) { l.Warn("m", zap.Int("n", 3), zap.Error(errors.New("e"))) },
			line{"level": "WARN", "msg": "m", "n": 3.0, "error": "e", "logger": "etcd"}},
		{"name", func(l *zap.Logger) { l.Named("raft").Info("m") }, line{"level": "INFO", "msg": "m", "logger": "etcd.raft"}},
		{"with", func(l *zap.Logger) { l.With(zap.String("a", "b")).Error("m") }, line{"level": "ERROR", "msg": "m", "a": "b", "logger": "etcd"}},
		{"namespace", func(l *zap.Logger) { l.Info("m", zap.Namespace("g"), zap.Bool("b", true)) },
			line{"level": "INFO", "msg": "m", "logger": "etcd", "g": line{"b": true}}},
		{"slices", func(l *zap.Logger) { l.Info("m", zap.Strings("s", []string{"x"})) }, line{"level": "INFO", "msg": "m", "logger": "etcd", "s": []any{"x"}}},
		{"fatal is an error here", func(l *zap.Logger) { l.Fatal("m") }, line{"level": "ERROR", "msg": "m", "logger": "etcd"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			tt.log(newZap(slog.New(slog.NewJSONHandler(&b, nil)), noHook{}))
			if tt.want == nil {
				if b.Len() > 0 {
					t.Fatal(b.String())
				}
				return
			}
			var got line
			if err := json.Unmarshal(b.Bytes(), &got); err != nil {
				t.Fatal(err, b.String())
			}
			delete(got, "time")
			w, _ := json.Marshal(tt.want)
			g, _ := json.Marshal(got)
			if !bytes.Equal(w, g) {
				t.Errorf("got %s, want %s", g, w)
			}
		})
	}
}

// The caller that a record names is etcd's, not this package.
func TestLogSource(t *testing.T) {
	var b bytes.Buffer
	newZap(slog.New(slog.NewJSONHandler(&b, &slog.HandlerOptions{AddSource: true})), noHook{}).Info("m")
	if !bytes.Contains(b.Bytes(), []byte("log_internal_test.go")) {
		t.Error(b.String())
	}
}
