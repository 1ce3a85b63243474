package recipes_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/client/v3/concurrency"

	"github.com/quorate/quorate/recipes"
)

// etcd's own Mutex (and so `etcdctl lock`) on the same prefix stands in the same
// line: neither holds while the other does, and both get their turn.
func TestInterop(t *testing.T) {
	virtually(t, func(t *testing.T, w *world) {
		c, _ := w.process(recipes.Options{})
		etcd := w.m.NewClient(newFaults().seam())
		defer etcd.Close()
		var (
			mu     sync.Mutex
			inside int
			count  = map[string]int{}
			wg     sync.WaitGroup
		)
		enter := func(who string) {
			mu.Lock()
			defer mu.Unlock()
			if inside++; inside != 1 {
				t.Errorf("%d inside", inside)
			}
			count[who]++
		}
		leave := func() { mu.Lock(); inside--; mu.Unlock() }
		for i := range 3 {
			wg.Go(func() {
				for range 20 {
					h := must(c.Mutex("x/y").Lock(w.ctx))
					enter("ours")
					time.Sleep(time.Duration(i+1) * 10 * time.Millisecond)
					leave()
					if err := h.Release(w.ctx); err != nil {
						t.Error(err)
					}
				}
			})
			wg.Go(func() {
				s := must(concurrency.NewSession(etcd, concurrency.WithTTL(10)))
				defer s.Close()
				m := concurrency.NewMutex(s, "/quorate/v1/lock/x%2Fy")
				for range 20 {
					if err := m.Lock(w.ctx); err != nil {
						t.Error(err)
						return
					}
					enter("etcd's")
					time.Sleep(time.Duration(i+1) * 10 * time.Millisecond)
					leave()
					if err := m.Unlock(w.ctx); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if count["ours"] != 60 || count["etcd's"] != 60 {
			t.Fatalf("%v", count)
		}

		// A foreign holder is named by its key, and a foreign waiter is left alone.
		s := must(concurrency.NewSession(etcd))
		defer s.Close()
		m := concurrency.NewMutex(s, "/quorate/v1/lock/z")
		if err := m.Lock(w.ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Mutex("z").TryLock(w.ctx); err == nil || !strings.Contains(err.Error(), m.Key()) {
			t.Fatalf("TryLock while etcd's Mutex holds: %v", err)
		}
		if err := m.Unlock(w.ctx); err != nil {
			t.Fatal(err)
		}
		h := must(c.Mutex("z").Lock(w.ctx))
		ctx, cancel := context.WithTimeout(w.ctx, time.Second)
		defer cancel()
		if err := m.TryLock(ctx); err != concurrency.ErrLocked {
			t.Fatalf("etcd's TryLock while ours holds: %v", err)
		}
		done := make(chan error)
		go func() { done <- m.Lock(w.ctx) }()
		time.Sleep(time.Second)
		if ks := w.keys("z"); len(ks) != 2 || !slices.Contains(ks, m.Key()) {
			t.Fatal(ks)
		}
		if err := h.Release(w.ctx); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}
