package nodetest_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quorate/quorate/node/nodetest"
	"github.com/quorate/quorate/recipes"
)

const (
	lockSeeds  = 1000
	biteAtMost = 20 // a run in which a fault reached callers more rarely than this proves nothing
)

// TestLock holds the promises about locks over a thousand seeds: fences
// strictly grow; of the Valid() intervals of one lock's holders no two overlap;
// the head of the line on the server is the holder; a holder's context ends
// before its key goes; with the faults over, every lock can be had, and in the
// end nothing is left in any line.
func TestLock(t *testing.T) {
	seeds := lockSeeds
	if slow {
		seeds /= 10
	}
	total := &tally{n: map[string]int{}, bitten: map[nodetest.Fault]int{}}
	began := time.Now()
	nodetest.Virtual(t, seeds, func(t *testing.T, v *nodetest.VirtualNode) {
		w := newWorld(t, v)
		w.run()
		total.add(w.counts(), v.Bitten())
	})
	t.Logf("%v: %v", time.Since(began).Round(time.Millisecond), total)
	if os.Getenv(nodetest.SeedVariable) != "" || t.Failed() {
		return
	}
	for _, f := range []nodetest.Fault{nodetest.Delay, nodetest.Error, nodetest.Unknown, nodetest.LostWatch, nodetest.Compaction, nodetest.NoLeader} {
		if total.bitten[f] < biteAtMost {
			t.Errorf("void: fault %s reached a caller %d times, fewer than %d", f, total.bitten[f], biteAtMost)
		}
	}
	for _, what := range []string{"acquired", "lost", "unknown outcome", "crash", "pause", "expired"} {
		if total.n[what] < biteAtMost {
			t.Errorf("void: %q happened %d times, fewer than %d", what, total.n[what], biteAtMost)
		}
	}
}

// tally sums what happened over all seeds.
type tally struct {
	mu     sync.Mutex
	n      map[string]int
	bitten map[nodetest.Fault]int
}

func (t *tally) add(n map[string]int, bitten map[nodetest.Fault]int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k, c := range n {
		t.n[k] += c
	}
	for k, c := range bitten {
		t.bitten[k] += c
	}
}

func (t *tally) String() string {
	s := ""
	for _, k := range slices.Sorted(maps.Keys(t.n)) {
		s += fmt.Sprintf("%s %d, ", k, t.n[k])
	}
	return s + fmt.Sprintf("faults that reached callers: %v", t.bitten)
}

// TestSlowAnswers: a lease lives from when the server got its renewal, so a
// holder must not count from when it got the answer. Every call and every
// answer takes long here, and then none comes any more.
func TestSlowAnswers(t *testing.T) {
	seeds := 200
	if slow {
		seeds /= 4
	}
	var gone int64
	nodetest.Virtual(t, seeds, func(t *testing.T, v *nodetest.VirtualNode) {
		j := newJudge(t, v)
		defer j.watch()()
		p := v.Process("p", recipes.Options{TTL: recipes.MinTTL})
		v.Faults(nodetest.Faults{Delay: 1, MaxDelay: 1500 * time.Millisecond})
		h, err := p.Recipes().Mutex("x").Lock(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		j.acquired("x", h)
		v.Elapse(upTo(v.Rand(), 4*time.Second))
		p.LoseLeader(time.Minute)
		v.Elapse(5 * time.Second)
		if v.LeaseOf(h.Key()) != 0 {
			t.Error("the lease lives without renewals")
		}
		atomic.AddInt64(&gone, 1)
	})
	if gone == 0 && !t.Failed() {
		t.Error("void: no lease ended")
	}
}
