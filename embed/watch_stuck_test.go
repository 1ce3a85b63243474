package embed

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Consumers that never read cost a bounded amount of memory and disturb neither
// writers nor other watches, however much is written.
func TestWatchStuckConsumers(t *testing.T) {
	const stuck, puts, size = 20, 1500, 1 << 10
	leavesNothing(t)
	m := startWatchMember(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	good := m.w.Watch(ctx, "k")
	val := strings.Repeat("x", size)
	round := func() (p50put, p50event time.Duration, heap uint64) {
		var p, e []time.Duration
		for range puts {
			began := time.Now()
			m.put(t, "k", val)
			p = append(p, time.Since(began))
			if r, _ := next(t, good); len(r.Events) != 1 {
				t.Fatalf("got %+v", r)
			}
			e = append(e, time.Since(began))
		}
		slices.Sort(p)
		slices.Sort(e)
		m.compact(t, m.KV().Rev()) // or the store itself would grow
		var ms runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&ms)
		return p[puts/2], e[puts/2], ms.HeapAlloc
	}
	put0, event0, heap0 := round()
	var chs []clientv3.WatchChan
	for range stuck {
		chs = append(chs, m.w.Watch(ctx, "k", clientv3.WithPrefix()))
	}
	put1, event1, heap1 := round()
	put2, event2, heap2 := round()
	t.Logf("put p50 %v, event p50 %v, heap %d KiB; with %d stuck consumers %v, %v, %d KiB; later %v, %v, %d KiB",
		put0, event0, heap0>>10, stuck, put1, event1, heap1>>10, put2, event2, heap2>>10)
	// Unbounded would be 20 × 3000 × 1 KiB; the events are shared in the store.
	const allowed = stuck*(8<<10) + 131*(size+512) + 8<<20
	if heap2 > heap0+allowed {
		t.Errorf("the heap grew from %d to %d KiB", heap0>>10, heap2>>10)
	}
	if put2 > 5*put0 || event2 > 5*event0 {
		t.Errorf("puts took %v, then %v; events %v, then %v", put0, put2, event0, event2)
	}
	for _, ch := range chs {
		wantCompacted(t, ch, m.KV().Rev())
	}
}
