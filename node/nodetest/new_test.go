package nodetest_test

import (
	"os"
	"testing"
	"time"

	"github.com/quorate/quorate/embed"
	"github.com/quorate/quorate/node"
	"github.com/quorate/quorate/node/nodetest"
)

// A node of New is usable at once, and leaves nothing behind.
func TestNew(t *testing.T) {
	var dir string
	t.Run("node", func(t *testing.T) {
		hooked := false
		n := nodetest.New(t, node.Config{EtcdConfig: func(c *embed.EtcdConfig) {
			hooked = c.UnsafeNoFsync
		}})
		if !hooked {
			t.Error("the hook of the caller was not called, or before ours")
		}
		h, err := n.Mutex("x").Lock(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !h.Valid() {
			t.Error("not valid")
		}
		if len(n.Socket()) > 60 {
			t.Errorf("the socket's path is long: %s", n.Socket())
		}
		dir = n.DataDir()
		if _, err := os.Stat(dir); err != nil {
			t.Error(err)
		}
	})
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the data directory is still there: %v", err)
	}
}

// Two nodes live side by side, and a node that its test closes is no error.
func TestNewTwice(t *testing.T) {
	a, b := nodetest.New(t), nodetest.New(t)
	if a.Socket() == b.Socket() {
		t.Error("one socket for two nodes")
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if _, err := b.Etcd().Put(t.Context(), "k", "v"); err != nil {
		t.Error(err)
	}
}

// BenchmarkNew is the time from nothing to a usable node, and back.
func BenchmarkNew(b *testing.B) {
	var usable time.Duration
	for b.Loop() {
		began := time.Now()
		n := nodetest.New(b)
		usable += time.Since(began)
		n.Close()
	}
	b.ReportMetric(float64(usable.Microseconds())/float64(b.N)/1000, "ms-to-usable")
}
