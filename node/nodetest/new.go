package nodetest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/quorate/quorate/embed"
	"github.com/quorate/quorate/node"
)

// readyTimeout bounds how long New waits for the first linearizable read. A
// single node needs milliseconds.
const readyTimeout = 30 * time.Second

// New returns a running node that is closed when the test ends; an error of
// Close, or a node that ended by itself, fails the test. The node is Ready.
//
// Without a Config, or where its fields are empty: a single node on a temporary
// directory with a short path, raft's clock at 10 and 100 ms, no waiting for
// the disk, a free port, and what the node logs from warnings on in the test's
// log. A Config.EtcdConfig is called after these are set and has the last word.
//
// New is not for testing/synctest bubbles, because of its sockets; [Virtual]
// is.
func New(t testing.TB, cfg ...node.Config) *node.Node {
	t.Helper()
	var c node.Config
	if len(cfg) > 0 {
		c = cfg[0]
	}
	if c.DataDir == "" {
		// Not t.TempDir: its paths carry the test's name, and a socket's path
		// has 107 bytes.
		dir, err := os.MkdirTemp("", "q")
		if err != nil {
			t.Fatalf("make a data directory: %v", err)
		}
		t.Cleanup(func() {
			if err := os.RemoveAll(dir); err != nil {
				t.Errorf("remove the data directory: %v", err)
			}
		})
		c.DataDir = dir
	}
	if c.Timing == (node.Timing{}) {
		c.Timing = node.Timing{Tick: 10 * time.Millisecond, Election: 100 * time.Millisecond}
	}
	if c.Logger == nil {
		log, stop := testLog(t, slog.LevelWarn)
		t.Cleanup(stop)
		c.Logger = log
	}
	hook := c.EtcdConfig
	c.EtcdConfig = func(e *embed.EtcdConfig) {
		e.UnsafeNoFsync = true
		if hook != nil {
			hook(e)
		}
	}

	ctx, cancel := context.WithTimeout(t.Context(), readyTimeout)
	defer cancel()
	n, err := node.Start(ctx, c)
	if err != nil {
		t.Fatalf("start a node: %v", err)
	}
	t.Cleanup(func() {
		if err := n.Err(); err != nil {
			t.Errorf("the node ended by itself: %v", err)
		}
		if err := n.Close(); err != nil && !errors.Is(err, node.ErrClosed) {
			t.Errorf("close the node: %v", err)
		}
	})
	if err := n.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	return n
}

// testLog is a logger into the test's log. After stop, which runs when the node
// is closed, nothing is written: a test that has ended takes no more lines.
func testLog(t testing.TB, from slog.Level) (_ *slog.Logger, stop func()) {
	w := &testWriter{to: t.Output()}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: from})), w.stop
}

type testWriter struct {
	mu sync.Mutex
	to io.Writer // nil once stopped
}

func (w *testWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.to == nil {
		return len(b), nil
	}
	return w.to.Write(b)
}

func (w *testWriter) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.to = nil
}
