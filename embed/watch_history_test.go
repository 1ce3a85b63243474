package embed

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/metadata"
)

// What etcd promises of a watch (ordered, unique, reliable, atomic, resumable,
// bookmarkable), held against the history of random commands: many watches with
// random ranges, options, first revisions and pauses, cancelled and resumed.
func TestWatchAgainstHistory(t *testing.T) {
	for seed := range int64(historySeeds) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			leavesNothing(t)
			m := startWatchMember(t)
			h := newWatchHistory(seed, m.KV().Rev())
			compacting := seed%2 == 1
			for range 200 {
				h.write(t, m)
			}
			var wg sync.WaitGroup
			counts := make([]watchCounts, 48)
			for i := range counts {
				rnd := rand.New(rand.NewPCG(uint64(seed), uint64(100+i)))
				wg.Go(func() { counts[i] = follow(t, m, h, rnd) })
			}
			for i := range historyWrites {
				h.write(t, m)
				if compacting && i%300 == 299 {
					h.compactSome(t, m)
				}
			}
			h.finish()
			wg.Wait()
			var sum watchCounts
			for _, c := range counts {
				sum.events += c.events
				sum.opened += c.opened
				sum.progress += c.progress
				sum.compacted += c.compacted
				sum.paused += c.paused
			}
			t.Logf("%+v", sum)
			if sum.events == 0 || sum.opened <= len(counts) || sum.progress < len(counts) || sum.paused == 0 || compacting && sum.compacted == 0 {
				t.Errorf("the test did not try enough: %+v", sum)
			}
		})
	}
}

type watchCounts struct{ events, opened, progress, compacted, paused int }

// watchPlan is what one watch asks for, and which events that means.
type watchPlan struct {
	name   string
	key    string
	opts   []clientv3.OpOption
	prevKV bool
	match  func(*clientv3.Event) bool
}

func randomPlan(rnd *rand.Rand) (p watchPlan) {
	var in func(k string) bool
	a, b := watchKey(rnd), watchKey(rnd)
	switch rnd.IntN(7) {
	case 0:
		p.name, p.key = "key "+a, a
		in = func(k string) bool { return k == a }
	case 1:
		p.name, p.key, p.opts = "prefix "+a, a, []clientv3.OpOption{clientv3.WithPrefix()}
		in = func(k string) bool { return strings.HasPrefix(k, a) }
	case 2:
		if a > b {
			a, b = b, a
		}
		b += "a"
		p.name, p.key, p.opts = "range "+a+" "+b, a, []clientv3.OpOption{clientv3.WithRange(b)}
		in = func(k string) bool { return a <= k && k < b }
	case 3:
		p.name, p.key, p.opts = "from "+a, a, []clientv3.OpOption{clientv3.WithFromKey()}
		in = func(k string) bool { return k >= a }
	case 4:
		p.name, p.opts = "empty prefix", []clientv3.OpOption{clientv3.WithPrefix()}
		in = func(string) bool { return true }
	case 5:
		p.name, p.opts = "from empty", []clientv3.OpOption{clientv3.WithFromKey()}
		in = func(string) bool { return true }
	case 6:
		p.name, p.opts = "empty to "+a, []clientv3.OpOption{clientv3.WithRange(a)}
		in = func(k string) bool { return k < a }
	}
	typed := func(mvccpb.Event_EventType) bool { return true }
	switch rnd.IntN(4) {
	case 0:
		p.name += " no puts"
		p.opts = append(p.opts, clientv3.WithFilterPut())
		typed = func(t mvccpb.Event_EventType) bool { return t != mvccpb.Event_PUT }
	case 1:
		p.name += " no deletes"
		p.opts = append(p.opts, clientv3.WithFilterDelete())
		typed = func(t mvccpb.Event_EventType) bool { return t != mvccpb.Event_DELETE }
	}
	if rnd.IntN(2) == 0 {
		p.name += " prevKV"
		p.prevKV = true
		p.opts = append(p.opts, clientv3.WithPrevKV())
	}
	p.match = func(e *clientv3.Event) bool { return in(string(e.Kv.Key)) && typed(e.Type) }
	return p
}

// follow follows the history by one plan until it is over, through many watches.
func follow(t *testing.T, m *watchMember, h *watchHistory, rnd *rand.Rand) (n watchCounts) {
	p := randomPlan(rnd)
	fail := func(format string, args ...any) {
		t.Helper()
		t.Errorf("watch of "+p.name+": "+format, args...)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer func() { cancel() }()

	rev, _ := h.now()
	start := int64(0)
	switch rnd.IntN(3) {
	case 0:
		start = 1 + rnd.Int64N(rev)
	case 1:
		start = rev + 1 + rnd.Int64N(300)
	}
	for { // a watch each
		asked, _ := h.now()
		sctx := metadata.AppendToOutgoingContext(ctx, "scope", p.name, "n", fmt.Sprint(rnd.Int64()))
		wctx, stop := context.WithCancel(sctx)
		ch := m.w.Watch(wctx, p.key, append(p.opts, clientv3.WithRev(start), clientv3.WithCreatedNotify())...)
		n.opened++
		created, ok := next(t, ch)
		if !ok || !created.Created {
			fail("no created response, but %+v", created)
			stop()
			return n
		}
		// seen: everything up to it has been delivered, or was not asked for.
		seen, floor := start-1, int64(0)
		if start == 0 {
			// Registered somewhere between asked and the created revision.
			seen, floor = asked, created.Header.Revision
		}
		end, again := drain(t, m, h, rnd, sctx, ch, p, &n, seen, floor, fail)
		stop()
		for range ch {
		}
		if !again || t.Failed() {
			return n
		}
		start = end + 1
	}
}

// drain reads ch until it is compacted, the history is over, or a whim; it
// returns the last revision that was delivered whole.
func drain(t *testing.T, m *watchMember, h *watchHistory, rnd *rand.Rand, ctx context.Context, ch clientv3.WatchChan,
	p watchPlan, n *watchCounts, seen, floor int64, fail func(string, ...any),
) (end int64, again bool) {
	first := true
	requested := false
	for left := 1 + rnd.IntN(400); ; left-- {
		last, over := h.finished()
		if left <= 0 && !over && !first {
			return seen, true
		}
		if rnd.IntN(50) == 0 && !over {
			n.paused++
			h.wait(last + rnd.Int64N(600)) // more than a stream holds
		}
		if (over || rnd.IntN(100) == 0) && !requested {
			requested = true
			if err := m.w.RequestProgress(ctx); err != nil {
				fail("request progress: %v", err)
			}
		}
		if !over && !requested && len(ch) == 0 {
			// Nothing may come until the history moves.
			h.wait(last + 1)
			if len(ch) == 0 && rnd.IntN(10) == 0 {
				requested = true
				m.w.RequestProgress(ctx)
			}
			if len(ch) == 0 {
				continue
			}
		}
		r, ok := next(t, ch)
		_, compacted := h.now()
		switch {
		case !ok:
			fail("ended without a word")
			return seen, false
		case r.CompactRevision != 0:
			if !errors.Is(r.Err(), rpctypes.ErrCompacted) || !r.Canceled || r.CompactRevision > compacted || r.CompactRevision <= seen+1 {
				fail("compaction response %+v, while the history is compacted to %d and seen to %d", r, compacted, seen)
				return seen, false
			}
			n.compacted++
			return r.CompactRevision - 1, true
		case r.Err() != nil || r.Created:
			fail("%+v %v", r, r.Err())
			return seen, false
		}
		upTo := r.Header.Revision
		if len(r.Events) > 0 {
			upTo = r.Events[len(r.Events)-1].Kv.ModRevision
			n.events += len(r.Events)
		} else {
			n.progress++
			requested = false
		}
		if upTo > r.Header.Revision {
			fail("events of revision %d in a response of %d", upTo, r.Header.Revision)
		}
		want := h.between(seen+1, upTo, p.match)
		if first && floor > 0 && len(r.Events) > 0 {
			// The first revisions up to floor may be missing, whole.
			for len(want) > len(r.Events) && want[0].Kv.ModRevision <= floor && want[0].Kv.ModRevision < r.Events[0].Kv.ModRevision {
				want = want[1:]
			}
		} else if first && floor > 0 {
			want = h.between(floor+1, upTo, p.match)
		}
		if len(r.Events) > 0 || upTo > floor {
			first = false
		}
		if len(want) != len(r.Events) {
			fail("revisions %d to %d: %d events, want %d", seen+1, upTo, len(r.Events), len(want))
			return seen, false
		}
		for i, e := range r.Events {
			if !sameEvent(e, want[i], p.prevKV, compacted) {
				fail("got %v, want %v", e, want[i])
				return seen, false
			}
		}
		seen = max(seen, upTo)
		if over && seen >= last && len(r.Events) == 0 {
			return seen, false
		}
		// A watch of a revision past the end of the history has nothing to tell.
		if over && seen > last {
			return seen, false
		}
	}
}
