package main

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/quorate/quorate/node/nodetest"
)

// network knows which machine has the address.
type network struct {
	mu     sync.Mutex
	t      *testing.T
	holder int // -1: nobody
	fence  int64
	up     chan int // tells of each take-over
}

// machine is one machine's side of the network.
type machine struct {
	*network
	i int
}

func (m machine) Up(_ context.Context, fence int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.holder >= 0 {
		m.t.Errorf("machines %d and %d have the address", m.holder, m.i)
	}
	if fence <= m.fence {
		m.t.Errorf("fence %d after %d", fence, m.fence)
	}
	m.holder, m.fence = m.i, fence
	m.up <- m.i
	return nil
}

func (m machine) Down() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.holder == m.i {
		m.holder = -1
	}
	return nil
}

// One of three machines has the address. It moves when the network of that
// machine fails, which leaves the program running there, and when it is stopped;
// it is never in two places.
func TestVIP(t *testing.T) {
	c := nodetest.Cluster(t, 3)
	net := &network{t: t, holder: -1, up: make(chan int, 16)}
	ctx, cancel := context.WithCancel(context.Background())
	var programs sync.WaitGroup
	for i, n := range c.Nodes() {
		programs.Go(func() { hold(ctx, n, machine{net, i}) })
	}
	t.Cleanup(func() {
		cancel()
		programs.Wait()
	})
	next := func(after string) int {
		t.Helper()
		const limit = 15 * time.Second
		select {
		case i := <-net.up:
			return i
		case <-time.After(limit):
			t.Fatalf("nobody has the address %v after %s:%v", limit, after, c)
			return -1
		}
	}
	first := next("the start")

	c.Isolate(first)
	second := next("a cable was pulled")
	c.Heal(first)
	if second == first {
		t.Error("the machine without a network has the address")
	}

	c.Stop(second)
	if third := next("a machine was stopped"); third == second {
		t.Error("the machine that was stopped has the address")
	}
}
