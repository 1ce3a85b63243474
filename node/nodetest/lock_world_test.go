package nodetest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/node/nodetest"
	"github.com/quorate/quorate/recipes"
)

const (
	lockProcesses = 3
	lockNames     = 2
	lockTrouble   = 4 * time.Second // of faults and contention
	allKeys       = "/quorate/v1/"
	lockKeys      = allKeys + "lock/"
)

// A world is one seed's processes that contend for locks, what befalls them,
// and the judge of it all.
type world struct {
	t     *testing.T
	v     *nodetest.VirtualNode
	judge *judge
	end   time.Time // of the trouble
	users sync.WaitGroup

	mu    sync.Mutex
	calls uint64 // users started
	n     map[string]int
}

func newWorld(t *testing.T, v *nodetest.VirtualNode) *world {
	return &world{t: t, v: v, judge: newJudge(t, v), end: time.Now().Add(lockTrouble), n: map[string]int{}}
}

func (w *world) count(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.n[what]++
}

func (w *world) counts() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.n
}

func (w *world) run() {
	defer w.judge.watch()()
	w.v.Faults()
	for i := range lockProcesses {
		w.start(i)
	}
	w.trouble()
	w.v.Heal()
	w.progress()
	w.users.Wait()
	w.nothingLeft()
}

// start starts process i, or starts it again, and its users.
func (w *world) start(i int) {
	p := w.v.Process(fmt.Sprintf("p%d", i), recipes.Options{TTL: time.Duration(2+i) * time.Second})
	for range 2 - min(i, 1) { // the first has two, which share its session
		w.mu.Lock()
		w.calls++
		r := rand.New(rand.NewPCG(uint64(w.v.Seed()), w.calls))
		w.mu.Unlock()
		w.users.Go(func() {
			for p.Context().Err() == nil && time.Now().Before(w.end) {
				w.use(p, r)
				time.Sleep(upTo(r, 200*time.Millisecond))
			}
		})
	}
}

// use takes a lock one time, in one of the ways there are.
func (w *world) use(p *nodetest.Process, r *rand.Rand) {
	name := fmt.Sprintf("lock/%d", r.IntN(lockNames))
	m := p.Recipes().Mutex(name)
	ctx, cancel := context.WithTimeout(p.Context(), time.Second+upTo(r, 5*time.Second))
	defer cancel()
	keep := upTo(r, time.Second)
	if r.IntN(8) == 0 {
		keep *= 4 // longer than some TTLs
	}
	switch r.IntN(5) {
	case 0:
		h, err := m.TryLock(ctx)
		if err == nil {
			w.hold(p, name, h, keep)
			w.release(h, r)
		} else if !errors.Is(err, recipes.ErrLocked) {
			w.refused(p, err)
		}
	case 1:
		err := m.Do(ctx, func(ctx context.Context, h *recipes.Held) error {
			w.hold(p, name, h, keep)
			return nil
		})
		w.refused(p, err)
	default:
		h, err := m.Lock(ctx)
		if err != nil {
			w.refused(p, err)
			return
		}
		w.hold(p, name, h, keep)
		w.release(h, r)
	}
}

// hold keeps h and writes to what the lock protects, each time after a look at
// Valid and nothing else.
func (w *world) hold(p *nodetest.Process, name string, h *recipes.Held, keep time.Duration) {
	w.count("acquired")
	w.judge.acquired(name, h)
	ctx := h.Context(p.Context())
	for until := time.Now().Add(keep); time.Now().Before(until); {
		w.judge.write(name, h)
		select {
		case <-ctx.Done():
			w.judge.contextEnded(p, h)
			return
		case <-time.After(150 * time.Millisecond):
		}
	}
	w.judge.write(name, h)
}

func (w *world) release(h *recipes.Held, r *rand.Rand) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond+upTo(r, 2*time.Second))
	defer cancel()
	err := h.Release(ctx)
	if h.Valid() {
		w.t.Errorf("%s is valid after its release", h.Key())
	}
	switch {
	case err == nil:
		w.count("released")
	case errors.Is(err, recipes.ErrLost):
		w.count("lost")
	case errors.Is(err, recipes.ErrUnknownOutcome):
		w.count("unknown outcome")
	case !errors.Is(err, recipes.ErrClosed):
		w.t.Errorf("release: %v", err)
	}
}

// refused sorts the errors of an acquire.
func (w *world) refused(p *nodetest.Process, err error) {
	switch {
	case err == nil:
		w.count("released")
	case errors.Is(err, recipes.ErrLost):
		w.count("lost")
	case errors.Is(err, recipes.ErrUnknownOutcome):
		w.count("unknown outcome")
	case errors.Is(err, recipes.ErrNoQuorum):
		w.count("no quorum")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		w.count("gave up")
	case errors.Is(err, recipes.ErrClosed) && p.Crashed():
	default:
		w.t.Errorf("acquire: %v", err)
	}
}

// trouble befalls processes and leases, beyond the faults of calls.
func (w *world) trouble() {
	r := w.v.Rand()
	var down []int
	for {
		time.Sleep(100*time.Millisecond + upTo(r, 900*time.Millisecond))
		if !time.Now().Before(w.end) {
			break
		}
		i := r.IntN(lockProcesses)
		p := w.v.Process(fmt.Sprintf("p%d", i))
		switch r.IntN(7) {
		case 0:
			w.count("crash")
			p.Crash()
			down = append(down, i)
		case 1, 2:
			w.count("pause")
			p.Pause()
			d := upTo(r, 4*time.Second)
			w.users.Go(func() {
				time.Sleep(d)
				p.Resume()
			})
		case 3, 4:
			if h := w.judge.someHolder(r); h != nil {
				w.judge.forced(h)
				if w.v.ExpireLease(w.v.LeaseOf(h.Key())) {
					w.count("expired")
				}
			}
		case 5:
			w.v.LoseLeader(upTo(r, 2*time.Second))
		case 6:
			w.v.Compact()
		}
		for _, i := range down {
			w.start(i)
		}
		down = nil
	}
}

// progress: with the faults over, every lock can be had: what a crashed process
// left is gone after its TTL, what the users hold after their patience.
func (w *world) progress() {
	for i := range lockNames {
		name := fmt.Sprintf("lock/%d", i)
		ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
		h, err := w.v.Recipes().Mutex(name).Lock(ctx)
		cancel()
		if err != nil {
			w.t.Fatalf("no progress after all faults are over: %v\nin line: %v", err, w.keys(lockKeys))
		}
		w.judge.acquired(name, h)
		w.judge.write(name, h)
		if err := h.Release(w.t.Context()); err != nil {
			w.t.Errorf("release without faults: %v", err)
		}
	}
}

// nothingLeft: what nobody wants any more leaves the lines while the sessions it
// was under live on; and with the processes, all the rest goes.
func (w *world) nothingLeft() {
	w.v.Elapse(6 * time.Second)
	if left := w.keys(lockKeys); len(left) > 0 {
		w.t.Errorf("left in line by live processes: %v", left)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	clients := []*recipes.Client{w.v.Recipes()}
	for i := range lockProcesses {
		clients = append(clients, w.v.Process(fmt.Sprintf("p%d", i)).Recipes())
	}
	for _, c := range clients {
		if err := c.Close(ctx); err != nil {
			w.t.Errorf("close: %v", err)
		}
	}
	w.v.Elapse(time.Second)
	if left := w.keys(allKeys); len(left) > 0 {
		w.t.Errorf("left by closed processes: %v", left)
	}
}

func (w *world) keys(prefix string) (keys []string) {
	r, err := w.v.Server().Get(context.Background(), prefix, clientv3.WithPrefix())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, kv := range r.Kvs {
		keys = append(keys, fmt.Sprintf("%s@%d on lease %x", kv.Key, kv.CreateRevision, kv.Lease))
	}
	return keys
}

func upTo(r *rand.Rand, d time.Duration) time.Duration { return time.Duration(r.Int64N(int64(d))) }
