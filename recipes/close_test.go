package recipes_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorate/quorate/recipes"
)

func TestCloseWhileHoldingAndWaiting(t *testing.T) {
	virtually(t, func(t *testing.T, w *world) {
		c, _ := w.process(recipes.Options{TTL: ttl})
		other, _ := w.process(recipes.Options{TTL: ttl})
		h := must(c.Mutex("a").Lock(w.ctx))
		hctx := h.Context(w.ctx)
		foreign := must(other.Mutex("b").Lock(w.ctx))
		waited := make(chan error)
		for _, name := range []string{"a", "b"} {
			go func() {
				_, err := c.Mutex(name).Lock(w.ctx)
				waited <- err
			}()
		}
		time.Sleep(time.Second)
		start := time.Now()
		told := make(chan struct{})
		go func() {
			defer close(told)
			for range 2 {
				if err := <-waited; !errors.Is(err, recipes.ErrClosed) {
					t.Error(err)
				}
			}
		}()
		if err := c.Close(w.ctx); err != nil {
			t.Fatal(err)
		}
		<-told
		if d := time.Since(start); d > 100*time.Millisecond {
			t.Errorf("Close took %v", d)
		}
		synctest.Wait()
		if h.Valid() || !errors.Is(h.Err(), recipes.ErrClosed) || !errors.Is(context.Cause(hctx), recipes.ErrClosed) {
			t.Errorf("valid %v, err %v, cause %v", h.Valid(), h.Err(), context.Cause(hctx))
		}
		if a, b := w.keys("a"), w.keys("b"); len(a) != 0 || len(b) != 1 || b[0] != foreign.Key() {
			t.Errorf("in line: %v, %v", a, b)
		}
		if _, err := c.Mutex("a").Lock(w.ctx); !errors.Is(err, recipes.ErrClosed) {
			t.Error(err)
		}
		if err := h.Release(w.ctx); !errors.Is(err, recipes.ErrClosed) {
			t.Error(err)
		}
		if err := c.Close(w.ctx); err != nil {
			t.Error("second Close:", err)
		}
	})
}

// Close waits for a callback, and revokes its lease only then.
func TestCloseWaitsForCallbacks(t *testing.T) {
	virtually(t, func(t *testing.T, w *world) {
		c, _ := w.process(recipes.Options{TTL: ttl})
		inside := make(chan string)
		result := make(chan error)
		go func() {
			result <- c.Mutex("a").Do(w.ctx, func(ctx context.Context, h *recipes.Held) error {
				inside <- h.Key()
				<-ctx.Done() // told at once
				time.Sleep(15 * time.Second)
				if !slices.Contains(w.keys("a"), h.Key()) {
					t.Error("the claim went while its callback ran")
				}
				return nil
			})
		}()
		<-inside
		start := time.Now()
		closed := make(chan error)
		go func() { closed <- c.Close(w.ctx) }()
		if err := <-result; !errors.Is(err, recipes.ErrClosed) {
			t.Error(err)
		}
		if err := <-closed; err != nil {
			t.Error(err)
		}
		if d := time.Since(start).Round(time.Millisecond); d != 15*time.Second {
			t.Errorf("Close took %v", d)
		}
		if ks := w.keys("a"); len(ks) != 0 {
			t.Errorf("left behind: %v", ks)
		}
	})
}

// A callback that does not end in time keeps its lease until that expires; the
// others, and what waits on the same lease, are freed.
func TestCloseLeavesStubbornCallbacks(t *testing.T) {
	virtually(t, func(t *testing.T, w *world) {
		c, _ := w.process(recipes.Options{TTL: ttl})
		holder, _ := w.process(recipes.Options{TTL: time.Minute})
		must(holder.Mutex("b").Lock(w.ctx))
		inside := make(chan string)
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() {
			err := c.Mutex("a").Do(w.ctx, func(context.Context, *recipes.Held) error {
				inside <- ""
				time.Sleep(time.Minute)
				return nil
			})
			if !errors.Is(err, recipes.ErrClosed) {
				t.Error(err)
			}
		})
		<-inside
		must(c.Mutex("same lease").Lock(w.ctx))
		must(c.Mutex("other lease", recipes.LockOptions{TTL: 20 * time.Second}).Lock(w.ctx))
		wg.Go(func() { c.Mutex("b").Lock(w.ctx) })
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(w.ctx, 5*time.Second)
		defer cancel()
		if err := c.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close: %v", err)
		}
		if ks := w.keys("a"); len(ks) != 1 {
			t.Errorf("revoked a lease whose callback runs: %v", ks)
		}
		if a, b, c := w.keys("same%20lease"), w.keys("other%20lease"), w.keys("b"); len(a)+len(b) != 0 || len(c) != 1 {
			t.Errorf("left behind: %v %v %v", a, b, c)
		}
		time.Sleep(12 * time.Second)
		if ks := w.keys("a"); len(ks) != 0 {
			t.Errorf("still there: %v", ks)
		}
	})
}

// Without a quorum Close ends all the same.
func TestCloseCutOff(t *testing.T) {
	virtually(t, func(t *testing.T, w *world) {
		c, f := w.process(recipes.Options{TTL: ttl})
		h := must(c.Mutex("a").Lock(w.ctx))
		go c.Mutex("a").Lock(w.ctx)
		time.Sleep(time.Second)
		f.set(func(f *faults) { f.cut = true })
		start := time.Now()
		if err := c.Close(w.ctx); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d > 2*time.Second {
			t.Errorf("Close took %v", d)
		}
		if h.Valid() {
			t.Error("valid after Close")
		}
	})
}

// What a killed process held is free as soon as the next one revokes the leases
// it remembered; they are remembered before a key is put under them.
func TestRememberAndRevoke(t *testing.T) {
	virtually(t, func(t *testing.T, w *world) {
		var mu sync.Mutex
		var leases []int64
		early := true
		c, f := w.process(recipes.Options{TTL: time.Minute, Remember: func(ids []int64) {
			mu.Lock()
			defer mu.Unlock()
			leases = slices.Clone(ids)
			early = early && len(under(t, w.m.Client(), "/quorate/v1/")) <= 1
		}})
		must(c.Mutex("a").Lock(w.ctx))
		must(c.Mutex("b", recipes.LockOptions{TTL: 30 * time.Second}).Lock(w.ctx))
		if len(leases) != 2 || !early {
			t.Fatalf("leases %v, before their keys: %v", leases, early)
		}
		f.set(func(f *faults) { f.cut = true }) // killed
		next, _ := w.process(recipes.Options{TTL: time.Minute})
		if err := recipes.RevokeLeases(w.ctx, next.Etcd(), append(leases, 4711)); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		must(next.Mutex("a").TryLock(w.ctx))
		must(next.Mutex("b").TryLock(w.ctx))
		if d := time.Since(start); d > 100*time.Millisecond {
			t.Errorf("free after %v", d)
		}
		f.heal()
		if err := c.Close(w.ctx); err != nil {
			t.Fatal(err)
		}
		if mu.Lock(); len(leases) != 0 {
			t.Errorf("still remembered after Close: %v", leases)
		}
		mu.Unlock()
	})
}
