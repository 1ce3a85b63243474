package embed_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/quorate/quorate/embed"
)

const patience = 20 * time.Second

// freeURL is a peer URL on a port that was free a moment ago.
func freeURL(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

// shortDir is a directory whose path leaves room for a socket's name.
func shortDir(t testing.TB) string {
	t.Helper()
	d, err := os.MkdirTemp("", "q")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(d) })
	return d
}

// fast is a single member with fast ticks and no fsync.
func fast(t testing.TB) embed.Config {
	return embed.Config{
		Name: "a", Dir: t.TempDir(), PeerURL: freeURL(t),
		Tick: 10 * time.Millisecond, Election: 100 * time.Millisecond,
		NoFsync: true, MinFreeBytes: -1,
	}
}

// start starts a member and stops it with the test.
func start(t testing.TB, c embed.Config) *embed.Member {
	t.Helper()
	m, err := embed.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, m) })
	return m
}

// startReady starts a member and waits until it is ready.
func startReady(t testing.TB, c embed.Config) *embed.Member {
	t.Helper()
	m := start(t, c)
	waitFor(t, "ready", m.Ready())
	return m
}

func stop(t testing.TB, m *embed.Member) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := m.Stop(ctx); err != nil {
		t.Error("stop:", err)
	}
}

func waitFor(t testing.TB, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatal("timed out waiting for", what)
	}
}

// eventually polls, for what no channel tells of.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("timed out waiting until", what)
		}
	}
}

func leaks(t testing.TB) {
	t.Helper()
	t.Cleanup(func() {
		if err := goleak.Find(); err != nil {
			t.Error(fmt.Errorf("leak: %w", err))
		}
	})
}
