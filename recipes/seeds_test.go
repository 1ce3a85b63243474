package recipes_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quorate/quorate/recipes"
)

// referee checks the promises of a lock over the holders of one test.
type referee struct {
	t     *testing.T
	mu    sync.Mutex
	held  []*recipes.Held
	last  int64
	turns int
	gone  map[string]bool // leases revoked from outside: no promise covers that
}

func (r *referee) tampered(h *recipes.Held) bool {
	lease, _, _ := strings.Cut(path.Base(h.Key()), ".")
	return r.gone[lease]
}

func (r *referee) enter(h *recipes.Held) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turns++
	if h.Fence() <= r.last {
		r.t.Errorf("fence %d after %d", h.Fence(), r.last)
	}
	r.last = h.Fence()
	for _, other := range r.held {
		if h.Valid() && other.Valid() && !r.tampered(other) {
			r.t.Errorf("two hold: fences %d and %d", other.Fence(), h.Fence())
		}
	}
	r.held = append(r.held, h)
}

var seeds = flag.Uint64("seeds", 15, "how many seeds TestSeeds runs")

// Three processes, two workers each, and every fault there is, at random times.
func TestSeeds(t *testing.T) {
	turns := 0
	for seed := range *seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			virtually(t, func(t *testing.T, w *world) { turns += storm(w, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
	t.Logf("%d seeds, %d turns", *seeds, turns)
	if turns < 15*int(*seeds) {
		t.Errorf("only %d turns: the faults left no time for work", turns)
	}
}

func storm(w *world, rng *rand.Rand) int {
	ref := &referee{t: w.t, gone: map[string]bool{}}
	var wg sync.WaitGroup
	var fs []*faults
	over := time.Now().Add(2 * time.Minute)
	for p := range 3 {
		c, f := w.process(recipes.Options{Owner: fmt.Sprint("p", p), TTL: time.Duration(2+rng.IntN(9)) * time.Second})
		fs = append(fs, f)
		for range 2 {
			r := rand.New(rand.NewPCG(rng.Uint64(), 2))
			wg.Go(func() { work(w.ctx, c, ref, r, over) })
		}
	}
	for time.Now().Before(over) {
		time.Sleep(time.Duration(rng.IntN(8000)) * time.Millisecond)
		disturb(w, fs[rng.IntN(3)], rng, ref)
	}
	for _, f := range fs {
		f.heal()
	}
	wg.Wait()
	time.Sleep(30 * time.Second)
	if ks := w.keys("x"); len(ks) != 0 {
		w.t.Errorf("left behind: %v", ks)
	}
	return ref.turns
}

// work takes turns with the lock, each with a limit to its patience.
func work(ctx context.Context, c *recipes.Client, ref *referee, r *rand.Rand, over time.Time) {
	for time.Now().Before(over) {
		tctx, cancel := context.WithTimeout(ctx, time.Duration(r.IntN(30000))*time.Millisecond)
		take := c.Mutex("x").Lock
		if r.IntN(4) == 0 {
			take = c.Mutex("x").TryLock
		}
		h, err := take(tctx)
		cancel()
		if err != nil {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		ref.enter(h)
		select {
		case <-time.After(time.Duration(r.IntN(6000)) * time.Millisecond):
		case <-h.Lost():
			if h.Valid() {
				ref.t.Error("lost and valid")
			}
		}
		tctx, cancel = context.WithTimeout(ctx, time.Duration(r.IntN(3000))*time.Millisecond)
		h.Release(tctx)
		cancel()
	}
}

func disturb(w *world, f *faults, rng *rand.Rand, ref *referee) {
	switch rng.IntN(9) {
	case 0:
		f.set(func(f *faults) { f.cut = true })
	case 1:
		f.set(func(f *faults) { f.noRenewals = true })
	case 2:
		f.set(func(f *faults) { f.oldTerm = true })
	case 3:
		f.set(func(f *faults) { f.lostReply = func(n int) bool { return n%3 == 0 } })
	case 4:
		f.loseWatches()
	case 5:
		r, err := w.m.Client().Put(w.ctx, "other", "")
		if err == nil {
			w.m.Client().Compact(w.ctx, r.Header.Revision)
		}
		f.loseWatches()
	case 6:
		if r, err := w.m.Client().Leases(w.ctx); err == nil && len(r.Leases) > 0 {
			id := r.Leases[rng.IntN(len(r.Leases))].ID
			ref.mu.Lock()
			ref.gone[fmt.Sprintf("%x", int64(id))] = true
			ref.mu.Unlock()
			w.m.Client().Revoke(w.ctx, id)
		}
	case 7: // txns are under way for a while
		late := make(chan struct{})
		f.set(func(f *faults) { f.late = late })
		d := time.Duration(rng.IntN(5000)) * time.Millisecond
		time.AfterFunc(d/2, func() { f.set(func(f *faults) { f.late = nil }) })
		time.AfterFunc(d, func() { close(late) })
	default:
		f.heal()
	}
}
