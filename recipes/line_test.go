package recipes_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/recipes"
)

// One watch a line, however many claims, closed after idling.
func TestOneWatchALine(t *testing.T) {
	virtually(t, func(t *testing.T, w *world) {
		c, f := w.process(recipes.Options{})
		opened := func() (n int) { f.set(func(f *faults) { n = f.opened }); return n }
		use := func(name string) {
			h := must(c.Mutex(name).Lock(w.ctx))
			if err := h.Release(w.ctx); err != nil {
				t.Fatal(err)
			}
		}
		for range 50 {
			use("a")
		}
		if n := opened(); n != 1 {
			t.Fatalf("%d watches for one line", n)
		}
		use("b")
		if n := opened(); n != 2 {
			t.Fatalf("%d watches for two lines", n)
		}
		time.Sleep(50 * time.Second)
		use("a")
		time.Sleep(50 * time.Second)
		use("a")
		if n := opened(); n != 2 {
			t.Fatalf("%d watches: one was closed while in use", n)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if n := f.open(); n != 0 {
			t.Fatalf("%d watches are open after idling", n)
		}
		use("a")
		if n := opened(); n != 3 {
			t.Fatalf("%d watches", n)
		}
	})
}

// What happens between the snapshot and the watch must not be missed: the holder
// leaves at the very moment the waiter's watch opens.
func TestWatchThenSnapshot(t *testing.T) {
	virtually(t, func(t *testing.T, w *world) {
		a, _ := w.process(recipes.Options{Owner: "a"})
		b, f := w.process(recipes.Options{Owner: "b"})
		h := must(a.Mutex("x").Lock(w.ctx))
		f.set(func(f *faults) {
			f.onWatch = func() {
				if err := h.Release(w.ctx); err != nil {
					t.Error(err)
				}
			}
		})
		ctx, cancel := context.WithTimeout(w.ctx, time.Minute)
		defer cancel()
		if _, err := b.Mutex("x").Lock(ctx); err != nil {
			t.Fatal(err)
		}
	})
}

// A snapshot from below the watch's revision is not taken.
func TestOldSnapshot(t *testing.T) {
	virtually(t, func(t *testing.T, w *world) {
		a, _ := w.process(recipes.Options{Owner: "a"})
		b, f := w.process(recipes.Options{Owner: "b"})
		must(b.Mutex("warm").Lock(w.ctx))
		const prefix = "/quorate/v1/lock/x/"
		h := must(a.Mutex("x").Lock(w.ctx))
		old := must(w.m.Client().Get(w.ctx, prefix, clientv3.WithPrefix(), clientv3.WithKeysOnly()))
		if err := h.Release(w.ctx); err != nil {
			t.Fatal(err)
		}
		asked := 0
		f.set(func(f *faults) {
			f.stale = func(r *pb.RangeRequest) *pb.RangeResponse {
				if string(r.Key) != prefix {
					return nil
				}
				if asked++; asked > 1 {
					return nil
				}
				return (*pb.RangeResponse)(old)
			}
		})
		ctx, cancel := context.WithTimeout(w.ctx, time.Minute)
		defer cancel()
		if _, err := b.Mutex("x").Lock(ctx); err != nil {
			t.Fatalf("%v (asked %d times)", err, asked)
		}
	})
}

// A waiter gets the lock although its watch was lost, and the store compacted,
// while the holder left.
func TestLostWatchAndCompaction(t *testing.T) {
	virtually(t, func(t *testing.T, w *world) {
		a, _ := w.process(recipes.Options{Owner: "a"})
		b, f := w.process(recipes.Options{Owner: "b"})
		for i := range 20 {
			h := must(a.Mutex("x").Lock(w.ctx))
			got := make(chan *recipes.Held)
			go func() { got <- must(b.Mutex("x").Lock(w.ctx)) }()
			time.Sleep(time.Second)
			f.loseWatches()
			if err := h.Release(w.ctx); err != nil {
				t.Fatal(err)
			}
			r := must(w.m.Client().Put(w.ctx, "other", fmt.Sprint(i)))
			must(w.m.Client().Compact(w.ctx, r.Header.Revision))
			start := time.Now()
			h2 := <-got
			if d := time.Since(start); d > 2*time.Second {
				t.Errorf("%v after the hand-over", d)
			}
			if h2.Fence() <= h.Fence() {
				t.Errorf("fence %d after %d", h2.Fence(), h.Fence())
			}
			// The new holder outlives lost watches and compactions too.
			f.loseWatches()
			must(w.m.Client().Compact(w.ctx, must(w.m.Client().Put(w.ctx, "other", "")).Header.Revision))
			time.Sleep(5 * time.Second)
			if !h2.Valid() {
				t.Fatal(h2.Err())
			}
			if err := h2.Release(w.ctx); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// First come, first served, among the goroutines of one process as well.
func TestOrder(t *testing.T) {
	virtually(t, func(t *testing.T, w *world) {
		a, _ := w.process(recipes.Options{Owner: "a"})
		b, _ := w.process(recipes.Options{Owner: "b"})
		h := must(a.Mutex("x").Lock(w.ctx))
		order := make(chan int, 10)
		var wg sync.WaitGroup
		defer wg.Wait()
		for i := range 10 {
			wg.Go(func() {
				h := must([]*recipes.Client{a, b}[i%2].Mutex("x").Lock(w.ctx))
				order <- i
				if err := h.Release(w.ctx); err != nil {
					t.Error(err)
				}
			})
			time.Sleep(100 * time.Millisecond)
		}
		if err := h.Release(w.ctx); err != nil {
			t.Fatal(err)
		}
		for want := range 10 {
			if got := <-order; got != want {
				t.Fatalf("number %d came when it was %d's turn", got, want)
			}
		}
	})
}
