package nodetest_test

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/node/nodetest"
	"github.com/quorate/quorate/recipes"
)

// A judge sees every acquire, every write and, through a watch without faults,
// every key that goes, all at the very instant at which they happen: virtual
// time stands still while anything is left to do.
type judge struct {
	t *testing.T
	v *nodetest.VirtualNode

	mu      sync.Mutex
	fence   map[string]int64         // the highest acquired, by lock
	written map[string]int64         // the highest written, by lock
	held    map[string]*recipes.Held // all there ever were, by key
	ended   map[string]time.Time     // when contexts ended, by key
	order   []*recipes.Held          // the same
	force   map[string]bool          // leases that somebody ended
}

func newJudge(t *testing.T, v *nodetest.VirtualNode) *judge {
	return &judge{t: t, v: v, fence: map[string]int64{}, written: map[string]int64{}, held: map[string]*recipes.Held{}, force: map[string]bool{}, ended: map[string]time.Time{}}
}

// acquired holds h against all earlier holders and against the server.
func (j *judge) acquired(name string, h *recipes.Held) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.held[h.Key()] != nil {
		j.t.Errorf("key %s was acquired twice", h.Key())
	}
	j.held[h.Key()] = h
	context.AfterFunc(h.Context(context.Background()), func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.ended[h.Key()] = time.Now()
	})
	j.order = append(j.order, h)
	if !h.Valid() || j.force[lease(h.Key())] {
		return // lost at the instant it was granted
	}
	if h.Fence() <= j.fence[name] {
		j.t.Errorf("%s acquired %q with fence %d after fence %d", h.Key(), name, h.Fence(), j.fence[name])
	}
	j.fence[name] = h.Fence()
	for _, o := range j.order {
		if o != h && dir(o.Key()) == dir(h.Key()) && o.Valid() && h.Valid() && !j.force[lease(o.Key())] {
			j.t.Errorf("two valid holders of %q: %s, fence %d, and %s, fence %d", name, o.Key(), o.Fence(), h.Key(), h.Fence())
		}
	}
	// The server's own word. No time passes. Not a serializable read: a store
	// tells its watchers of a change an instant before it shows it to those.
	r, err := j.v.Server().Get(context.Background(), dir(h.Key()), clientv3.WithFirstCreate()...)
	if err != nil {
		j.t.Errorf("look at the line: %v", err)
		return
	}
	if !h.Valid() || j.force[lease(h.Key())] {
		return
	}
	if len(r.Kvs) == 0 || string(r.Kvs[0].Key) != h.Key() || r.Kvs[0].CreateRevision != h.Fence() {
		j.t.Errorf("%s with fence %d holds %q, but the server has %v at the head", h.Key(), h.Fence(), name, r.Kvs)
	}
}

// write is a write to what the lock protects, which keeps no record of fences
// itself: Valid alone must keep writes in the order of fences. It cannot where
// somebody else ended the lease: nobody can know that before being told.
func (j *judge) write(name string, h *recipes.Held) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !h.Valid() || j.force[lease(h.Key())] {
		return
	}
	if h.Fence() < j.written[name] {
		j.t.Errorf("a write under a valid lock with fence %d came after one with %d", h.Fence(), j.written[name])
	}
	j.written[name] = max(j.written[name], h.Fence())
}

// contextEnded: a context that ended is never of a lock that is still valid.
func (j *judge) contextEnded(p *nodetest.Process, h *recipes.Held) {
	if h.Valid() && !p.Crashed() {
		j.t.Errorf("the context of %s has ended, and it is valid", h.Key())
	}
}

// forced notes that the lease under h is about to be ended by somebody else.
func (j *judge) forced(h *recipes.Held) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.force[lease(h.Key())] = true
}

func (j *judge) someHolder(r *rand.Rand) *recipes.Held {
	j.mu.Lock()
	defer j.mu.Unlock()
	var valid []*recipes.Held
	for _, h := range j.order {
		if h.Valid() {
			valid = append(valid, h)
		}
	}
	if len(valid) == 0 {
		return nil
	}
	return valid[r.IntN(len(valid))]
}

// watch looks at every key that goes from a line: its holder must have known
// before. The function it returns ends it.
func (j *judge) watch() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	ch := j.v.Server().Watch(ctx, lockKeys, clientv3.WithPrefix(), clientv3.WithFilterPut())
	done.Go(func() {
		for r := range ch {
			if err := r.Err(); err != nil {
				j.t.Errorf("the judge's watch: %v", err)
			}
			for _, e := range r.Events {
				if e.Type == mvccpb.Event_DELETE {
					j.gone(string(e.Kv.Key))
				}
			}
		}
	})
	return func() {
		cancel()
		done.Wait()
	}
}

func (j *judge) gone(key string) {
	at := time.Now()
	j.mu.Lock()
	h := j.held[key]
	valid := h != nil && h.Valid()
	exempt := h == nil || j.force[lease(key)]
	j.mu.Unlock()
	if exempt {
		return
	}
	time.Sleep(time.Nanosecond) // all that ends at this instant has ended after it
	j.mu.Lock()
	defer j.mu.Unlock()
	ended, ok := j.ended[key]
	if valid || !ok || ended.After(at) {
		j.t.Errorf("%s went on the server at %v: its holder was valid: %v; its context had ended: %v, at %v", key, at, valid, ok, ended)
	}
}

// dir is the line a key stands in.
func dir(key string) string { return key[:strings.LastIndexByte(key, '/')+1] }

// lease is the one a key stands on: its last part is <lease-hex>.<n>.
func lease(key string) string {
	l, _, _ := strings.Cut(key[len(dir(key)):], ".")
	return l
}
