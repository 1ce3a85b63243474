package recipes_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorate/quorate/recipes"
)

func TestLockAndRelease(t *testing.T) {
	virtually(t, func(t *testing.T, w *world) {
		c, _ := w.process(recipes.Options{Owner: "me"})
		ctx := w.ctx
		h := must(c.Mutex("a").Lock(ctx))
		if !h.Valid() || h.Err() != nil || len(w.keys("a")) != 1 || w.keys("a")[0] != h.Key() {
			t.Fatalf("valid %v, err %v, keys %v", h.Valid(), h.Err(), w.keys("a"))
		}
		hctx := h.Context(ctx)
		_, err := c.Mutex("a").TryLock(ctx)
		if !errors.Is(err, recipes.ErrLocked) {
			t.Fatalf("TryLock of a held lock: %v", err)
		}
		t.Log(err)
		if err := h.Release(ctx); err != nil {
			t.Fatal(err)
		}
		if h.Valid() || h.Err() != nil || len(w.keys("a")) != 0 {
			t.Fatalf("after Release: valid %v, err %v, keys %v", h.Valid(), h.Err(), w.keys("a"))
		}
		synctest.Wait()
		if !errors.Is(context.Cause(hctx), recipes.ErrReleased) {
			t.Fatalf("context ended by %v", context.Cause(hctx))
		}
		if err := h.Release(ctx); err != nil {
			t.Fatal("second Release: ", err)
		}
		h2 := must(c.Mutex("a").TryLock(ctx))
		if h2.Fence() <= h.Fence() {
			t.Fatalf("fence %d after %d", h2.Fence(), h.Fence())
		}
	})
}

// Exclusion and growing fences among goroutines and processes.
func TestExclusion(t *testing.T) {
	virtually(t, func(t *testing.T, w *world) {
		var (
			mu     sync.Mutex
			inside int
			last   int64
			wg     sync.WaitGroup
			total  int
			keys   = map[string]bool{}
		)
		for p := range 3 {
			c, _ := w.process(recipes.Options{Owner: fmt.Sprint("p", p)})
			for g := range 4 {
				wg.Go(func() {
					for i := range 5 {
						h, err := c.Mutex("x").Lock(w.ctx)
						if err != nil {
							t.Error(err)
							return
						}
						mu.Lock()
						inside++
						total++
						if inside != 1 {
							t.Errorf("%d inside", inside)
						}
						if h.Fence() <= last {
							t.Errorf("fence %d after %d", h.Fence(), last)
						}
						last = h.Fence()
						if keys[h.Key()] {
							t.Errorf("key %s was used before", h.Key())
						}
						keys[h.Key()] = true
						mu.Unlock()
						time.Sleep(time.Duration(1+(p+g+i)%7) * 100 * time.Millisecond)
						if !h.Valid() {
							t.Error("not valid: ", h.Err())
						}
						mu.Lock()
						inside--
						mu.Unlock()
						if err := h.Release(w.ctx); err != nil {
							t.Error(err)
						}
					}
				})
			}
		}
		wg.Wait()
		if total != 60 {
			t.Fatalf("%d of 60", total)
		}
		if ks := w.keys("x"); len(ks) != 0 {
			t.Fatalf("left behind: %v", ks)
		}
	})
}

// Of many who try at the same time one gets it; the others are told at once and
// leave nothing behind.
func TestTryLockRace(t *testing.T) {
	virtually(t, func(t *testing.T, w *world) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		var won []*recipes.Held
		for range 3 {
			c, _ := w.process(recipes.Options{})
			must(c.Mutex("warm").Lock(w.ctx)).Release(w.ctx)
			for range 5 {
				wg.Go(func() {
					start := time.Now()
					h, err := c.Mutex("x").TryLock(w.ctx)
					if err != nil && !errors.Is(err, recipes.ErrLocked) {
						t.Error(err)
					}
					if d := time.Since(start); d > time.Second {
						t.Errorf("told after %v", d)
					}
					if err == nil {
						mu.Lock()
						won = append(won, h)
						mu.Unlock()
					}
				})
			}
		}
		wg.Wait()
		if len(won) != 1 {
			t.Fatalf("%d got it", len(won))
		}
		if ks := w.keys("x"); len(ks) != 1 || ks[0] != won[0].Key() {
			t.Fatalf("in line: %v", ks)
		}
	})
}
