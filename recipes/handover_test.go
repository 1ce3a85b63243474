package recipes_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/quorate/quorate/embed"
	"github.com/quorate/quorate/recipes"
)

// real is two processes on a member in real time.
func real(t testing.TB) (a, b *recipes.Client) {
	t.Helper()
	m, _ := member(t)
	return process(t, m.NewClient(embed.Seam{}), "a"), process(t, m.NewClient(embed.Seam{}), "b")
}

func process(t testing.TB, etcd *clientv3.Client, owner string) *recipes.Client {
	t.Helper()
	c := must(recipes.New(etcd, recipes.Options{Owner: owner, CloseEtcd: true}))
	t.Cleanup(func() {
		if err := c.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return c
}

// member is one in real time, and the path of its socket.
func member(t testing.TB) (*embed.Member, string) {
	t.Helper()
	dir := must(os.MkdirTemp("", "q")) // a short path: a socket's is at most 107 bytes
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "etcd.sock")
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	url := "http://" + l.Addr().String()
	l.Close()
	m, err := embed.Start(context.Background(), embed.Config{
		Name: "a", Dir: t.TempDir(), PeerURL: url, Socket: socket, NoFsync: true, MinFreeBytes: -1,
		Tick: 10 * time.Millisecond, Election: 100 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	<-m.Ready()
	return m, socket
}

// A released lock is the next one's within milliseconds: no watch waits for
// etcd's 100 ms resync loop.
func TestHandOver(t *testing.T) {
	a, b := real(t)
	handOver(t, a, b, 200)
}

// The same through the node's socket, with etcd's own client.
func TestHandOverThroughTheSocket(t *testing.T) {
	m, socket := member(t)
	dial := func(owner string) *recipes.Client {
		return process(t, must(clientv3.New(clientv3.Config{Endpoints: []string{"unix://" + socket}, Logger: zap.NewNop()})), owner)
	}
	handOver(t, dial("a"), process(t, m.NewClient(embed.Seam{}), "b"), 100)
	handOver(t, dial("c"), dial("d"), 100)
}

func handOver(t *testing.T, a, b *recipes.Client, n int) {
	ctx := t.Context()
	h := must(a.Mutex("x").Lock(ctx))
	var took []time.Duration
	for i := range n {
		next := []*recipes.Client{b, a}[i%2]
		type result struct {
			h  *recipes.Held
			at time.Time
		}
		got := make(chan result, 1)
		ready := make(chan struct{})
		go func() {
			close(ready)
			h := must(next.Mutex("x").Lock(ctx))
			got <- result{h, time.Now()}
		}()
		<-ready
		for end := time.Now().Add(10 * time.Second); len(under(t, a.Etcd(), "/quorate/v1/lock/x/")) < 2; {
			if time.Now().After(end) {
				t.Fatal("the waiter never stood in line")
			}
		}
		began := time.Now()
		if err := h.Release(ctx); err != nil {
			t.Fatal(err)
		}
		r := <-got
		took = append(took, r.at.Sub(began))
		h = r.h
	}
	slices.Sort(took)
	t.Logf("hand-over p50 %v, p95 %v, max %v", took[n/2], took[n*95/100], took[n-1])
	if took[n/2] > 5*time.Millisecond {
		t.Errorf("p50 of the hand-over is %v", took[n/2])
	}
	if err := h.Release(ctx); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkLockRelease(b *testing.B) {
	c, _ := real(b)
	ctx := b.Context()
	m := c.Mutex("x")
	must(m.Lock(ctx)).Release(ctx)
	for b.Loop() {
		if err := must(m.Lock(ctx)).Release(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkContended(b *testing.B) {
	c1, c2 := real(b)
	ctx := b.Context()
	turns := make(chan struct{})
	done := make(chan struct{})
	for _, c := range []*recipes.Client{c1, c2, c1, c2} {
		go func() {
			defer func() { done <- struct{}{} }()
			for range turns {
				if err := must(c.Mutex("x").Lock(ctx)).Release(ctx); err != nil {
					b.Error(err)
				}
			}
		}()
	}
	for b.Loop() {
		turns <- struct{}{}
	}
	close(turns)
	for range 4 {
		<-done
	}
}

func BenchmarkValid(b *testing.B) {
	c, _ := real(b)
	h := must(c.Mutex("x").Lock(b.Context()))
	for b.Loop() {
		if !h.Valid() {
			b.Fatal(h.Err())
		}
	}
}
