package recipes_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorate/quorate/recipes"
)

func nth(ns ...int) func(int) bool {
	return func(n int) bool {
		for _, k := range ns {
			if n == k {
				return true
			}
		}
		return false
	}
}

// The claim got through and its answer was lost: the next try finds it.
func TestLostAnswer(t *testing.T) {
	for name, take := range map[string]func(m *recipes.Mutex, ctx context.Context) (*recipes.Held, error){
		"Lock": (*recipes.Mutex).Lock, "TryLock": (*recipes.Mutex).TryLock,
	} {
		t.Run(name, func(t *testing.T) {
			virtually(t, func(t *testing.T, w *world) {
				c, f := w.process(recipes.Options{})
				f.set(func(f *faults) { f.lostReply = nth(1, 2) })
				h, err := take(c.Mutex("a"), w.ctx)
				if err != nil {
					t.Fatal(err)
				}
				if ks := w.keys("a"); len(ks) != 1 || ks[0] != h.Key() {
					t.Fatalf("in line: %v", ks)
				}
				if r := must(w.m.Client().Get(w.ctx, h.Key())); r.Kvs[0].CreateRevision != h.Fence() {
					t.Fatalf("fence %d, create revision %d", h.Fence(), r.Kvs[0].CreateRevision)
				}
				f.set(func(f *faults) { f.txns = 0 })
				if err := h.Release(w.ctx); err != nil { // its answers are lost too
					t.Fatal(err)
				}
				if ks := w.keys("a"); len(ks) != 0 {
					t.Fatalf("left behind: %v", ks)
				}
			})
		})
	}
}

// A put of unknown outcome arrives after its caller gave up, and after the
// withdrawal: it must not stand in line.
func TestLatePut(t *testing.T) {
	virtually(t, func(t *testing.T, w *world) {
		c, f := w.process(recipes.Options{})
		must(c.Mutex("warm").Lock(w.ctx))
		late := make(chan struct{})
		f.set(func(f *faults) { f.late, f.lateOnce = late, true })
		ctx, cancel := context.WithCancel(w.ctx)
		defer cancel()
		ended := make(chan error)
		go func() {
			_, err := c.Mutex("a").Lock(ctx)
			ended <- err
		}()
		synctest.Wait() // the put is under way; the withdrawal must not share its fate
		f.set(func(f *faults) { f.late = nil })
		cancel()
		err := <-ended
		if !errors.Is(err, recipes.ErrUnknownOutcome) || !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		t.Log(err)
		time.Sleep(2 * time.Second) // the withdrawal is through
		close(late)
		synctest.Wait()
		time.Sleep(time.Second)
		if ks := w.keys("a"); len(ks) != 0 {
			t.Fatalf("a late put stands in line: %v", ks)
		}
		must(c.Mutex("a").TryLock(w.ctx))
	})
}

// The first put is under way while the second gets through, is granted and
// released: the first must find the door shut.
func TestLateFirstPut(t *testing.T) {
	virtually(t, func(t *testing.T, w *world) {
		c, f := w.process(recipes.Options{})
		must(c.Mutex("warm").Lock(w.ctx))
		late := make(chan struct{})
		f.set(func(f *faults) { f.late, f.lateOnce = late, true })
		h := must(c.Mutex("a").Lock(w.ctx)) // by its second try
		if err := h.Release(w.ctx); err != nil {
			t.Fatal(err)
		}
		close(late)
		time.Sleep(time.Second)
		if ks := w.keys("a"); len(ks) != 0 {
			t.Fatalf("a late put stands in line: %v", ks)
		}
		if ks := under(t, w.m.Client(), "/quorate/v1/sys/void/"); len(ks) != 1 {
			t.Fatalf("void keys: %v", ks)
		}
	})
}

// A wait that ends while nobody answers says so, and who is missing.
func TestNoQuorum(t *testing.T) {
	virtually(t, func(t *testing.T, w *world) {
		c, f := w.process(recipes.Options{Missing: func() string { return "box2, box3" }})
		ctx, cancel := context.WithTimeout(w.ctx, 3*time.Second)
		defer cancel()
		f.set(func(f *faults) { f.cut = true })
		for _, take := range []func() (*recipes.Held, error){
			func() (*recipes.Held, error) { return c.Mutex("a").Lock(ctx) },
			func() (*recipes.Held, error) {
				ctx, cancel := context.WithTimeout(w.ctx, 3*time.Second)
				defer cancel()
				return c.Mutex("a").TryLock(ctx)
			},
		} {
			_, err := take()
			if !errors.Is(err, recipes.ErrNoQuorum) || !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, recipes.ErrUnknownOutcome) {
				t.Error(err)
			}
			if !strings.Contains(err.Error(), "box2, box3") {
				t.Errorf("does not say who is missing: %v", err)
			}
		}
		f.heal()
		h := must(c.Mutex("a").Lock(w.ctx))

		// Behind a holder, a wait that ends has nothing to do with quorum.
		ctx2, cancel2 := context.WithTimeout(w.ctx, time.Second)
		defer cancel2()
		if _, err := c.Mutex("a").Lock(ctx2); errors.Is(err, recipes.ErrNoQuorum) || !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if err := h.Release(w.ctx); err != nil {
			t.Fatal(err)
		}
	})
}

// A release that is not confirmed in time goes on in the background.
func TestReleaseInTheBackground(t *testing.T) {
	virtually(t, func(t *testing.T, w *world) {
		c, f := w.process(recipes.Options{TTL: time.Minute})
		h := must(c.Mutex("a").Lock(w.ctx))
		f.set(func(f *faults) { f.cut = true })
		ctx, cancel := context.WithTimeout(w.ctx, time.Second)
		defer cancel()
		if err := h.Release(ctx); !errors.Is(err, recipes.ErrUnknownOutcome) || h.Valid() {
			t.Fatal(err, h.Valid())
		}
		f.heal()
		if err := h.Release(w.ctx); err != nil { // waits for the same one
			t.Fatal(err)
		}
		if ks := w.keys("a"); len(ks) != 0 {
			t.Fatalf("left behind: %v", ks)
		}
	})
}

// Many waits that are cancelled at any moment leave nothing behind.
func TestCancelStorm(t *testing.T) {
	virtually(t, func(t *testing.T, w *world) {
		c, f := w.process(recipes.Options{})
		holder, _ := w.process(recipes.Options{Owner: "holder"})
		f.set(func(f *faults) { f.lostReply = func(n int) bool { return n%7 == 0 } })
		h := must(holder.Mutex("a").Lock(w.ctx))
		done := make(chan struct{})
		for i := range 200 {
			go func() {
				defer func() { done <- struct{}{} }()
				ctx, cancel := context.WithTimeout(w.ctx, time.Duration(i)*3*time.Millisecond)
				defer cancel()
				take := c.Mutex("a").Lock
				if i%3 == 0 {
					take = c.Mutex("a").TryLock
				}
				if h, err := take(ctx); err == nil {
					t.Error("acquired a held lock")
					h.Release(w.ctx)
				}
			}()
		}
		for range 200 {
			<-done
		}
		f.heal()
		time.Sleep(5 * time.Second)
		if ks := w.keys("a"); len(ks) != 1 || ks[0] != h.Key() {
			t.Fatalf("in line: %v", ks)
		}
		if err := h.Release(w.ctx); err != nil {
			t.Fatal(err)
		}
		must(c.Mutex("a").TryLock(w.ctx))
	})
}
