package recipes_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/recipes"
)

const (
	ttl    = 10 * time.Second
	margin = time.Second // a tenth of ttl
)

// The holder ends at its deadline, a margin before the earliest end of its
// lease, whatever it is that does not get through.
func TestHolderEndsBeforeItsLease(t *testing.T) {
	for name, fault := range map[string]func(f *faults){
		"cut off":         func(f *faults) { f.cut = true },
		"paused":          func(f *faults) { f.noRenewals, f.noGrants = true, true },
		"renewals alone":  func(f *faults) { f.noReads = true }, // as a deposed leader does
		"an older leader": func(f *faults) { f.oldTerm = true },
	} {
		t.Run(name, func(t *testing.T) {
			virtually(t, func(t *testing.T, w *world) {
				c, f := w.process(recipes.Options{TTL: ttl})
				h := must(c.Mutex("a").Lock(w.ctx))
				hctx := h.Context(w.ctx)
				time.Sleep(25 * time.Second)
				if !h.Valid() {
					t.Fatal(h.Err())
				}
				f.set(fault)
				last := h.Deadline().Add(margin - ttl) // when the last proof was sent
				var gone time.Time
				vanished := make(chan struct{})
				go func() { defer close(vanished); gone = w.vanishes(h.Key()) }()
				time.Sleep(time.Until(h.Deadline()) - time.Millisecond)
				synctest.Wait()
				if !h.Valid() || h.Err() != nil || hctx.Err() != nil {
					t.Fatalf("ended early: %v", h.Err())
				}
				<-hctx.Done()
				ended := time.Now()
				if h.Valid() || !errors.Is(h.Err(), recipes.ErrLost) || !errors.Is(context.Cause(hctx), recipes.ErrLost) {
					t.Fatalf("valid %v, err %v, cause %v", h.Valid(), h.Err(), context.Cause(hctx))
				}
				<-h.Lost()
				if d := ended.Sub(last); d.Round(time.Millisecond) != ttl-margin {
					t.Errorf("ended %v after the last proof was sent, want %v", d, ttl-margin)
				}
				if !ended.Equal(h.Deadline()) {
					t.Errorf("ended at %v, its deadline was %v", ended, h.Deadline())
				}
				<-vanished
				if d := gone.Sub(ended); d < margin {
					t.Errorf("the key vanished %v after the holder ended, want at least %v", d, margin)
				}
				f.heal()
				if err := h.Release(w.ctx); !errors.Is(err, recipes.ErrLost) {
					t.Errorf("Release of a lost lock: %v", err)
				}
				h2 := must(c.Mutex("a").Lock(w.ctx)) // a new session, a new claim
				if h2.Fence() <= h.Fence() {
					t.Errorf("fence %d after %d", h2.Fence(), h.Fence())
				}
			})
		})
	}
}

// The deadline counts from when a proof was sent, not from when its answer came.
func TestDeadlineFromTheSending(t *testing.T) {
	virtually(t, func(t *testing.T, w *world) {
		c, f := w.process(recipes.Options{TTL: ttl})
		h := must(c.Mutex("a").Lock(w.ctx))
		const delay = 900 * time.Millisecond
		f.set(func(f *faults) { f.replyDelay = delay })
		time.Sleep(15 * time.Second) // some slow proofs
		f.set(func(f *faults) { f.replyDelay, f.cut = 0, true })
		gone := make(chan time.Time)
		go func() { gone <- w.vanishes(h.Key()) }()
		<-h.Lost()
		ended := time.Now()
		if d := (<-gone).Sub(ended); d < margin {
			t.Errorf("the key vanished %v after the holder ended, want at least %v", d, margin)
		}
	})
}

// The key is deleted, or the lease revoked, from outside: lost at once.
func TestDeletedFromOutside(t *testing.T) {
	for name, remove := range map[string]func(w *world, h *recipes.Held){
		"key": func(w *world, h *recipes.Held) { must(w.m.Client().Delete(w.ctx, h.Key())) },
		"lease": func(w *world, h *recipes.Held) {
			r := must(w.m.Client().Get(w.ctx, h.Key()))
			must(w.m.Client().Revoke(w.ctx, clientv3.LeaseID(r.Kvs[0].Lease)))
		},
		"key while the watch is down": func(w *world, h *recipes.Held) {
			w.lastFaults.loseWatches()
			must(w.m.Client().Delete(w.ctx, h.Key()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			virtually(t, func(t *testing.T, w *world) {
				c, _ := w.process(recipes.Options{TTL: ttl})
				h := must(c.Mutex("a").Lock(w.ctx))
				start := time.Now()
				remove(w, h)
				<-h.Lost()
				if d := time.Since(start); d > 50*time.Millisecond {
					t.Errorf("noticed after %v", d)
				}
				if h.Valid() || !errors.Is(h.Err(), recipes.ErrLost) {
					t.Errorf("valid %v, err %v", h.Valid(), h.Err())
				}
				if err := h.Release(w.ctx); !errors.Is(err, recipes.ErrLost) {
					t.Error(err)
				}
				must(c.Mutex("a").Lock(w.ctx))
			})
		})
	}
}

// What was held before a loss stays lost; a waiter goes on under a new session.
func TestWaiterOutlivesItsSession(t *testing.T) {
	virtually(t, func(t *testing.T, w *world) {
		other, _ := w.process(recipes.Options{TTL: ttl, Owner: "other"})
		c, _ := w.process(recipes.Options{TTL: ttl, Owner: "c"})
		first := must(other.Mutex("a").Lock(w.ctx))
		got := make(chan *recipes.Held)
		go func() { got <- must(c.Mutex("a").Lock(w.ctx)) }()
		time.Sleep(time.Second)
		r := must(w.m.Client().Get(w.ctx, w.keys("a")[1]))
		must(w.m.Client().Revoke(w.ctx, clientv3.LeaseID(r.Kvs[0].Lease)))
		time.Sleep(time.Second)
		if n := len(w.keys("a")); n != 2 {
			t.Fatalf("%d in line, want the holder and the waiter's new claim", n)
		}
		if err := first.Release(w.ctx); err != nil {
			t.Fatal(err)
		}
		if h := <-got; !h.Valid() || h.Fence() <= first.Fence() {
			t.Fatal(h.Valid(), h.Fence())
		}
	})
}

// Nothing is granted while the session is Suspect.
func TestNothingGrantedWhileSuspect(t *testing.T) {
	virtually(t, func(t *testing.T, w *world) {
		other, _ := w.process(recipes.Options{TTL: ttl, Owner: "other"})
		c, f := w.process(recipes.Options{TTL: ttl, Owner: "c"})
		first := must(other.Mutex("a").Lock(w.ctx))
		got := make(chan time.Time, 1)
		go func() { must(c.Mutex("a").Lock(w.ctx)); got <- time.Now() }()
		time.Sleep(time.Second)
		f.set(func(f *faults) { f.noRenewals = true })
		time.Sleep(5 * time.Second) // it fails to prove itself, its deadline is not reached
		if err := first.Release(w.ctx); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		select {
		case <-got:
			t.Fatal("granted while the session is Suspect")
		default:
		}
		healed := time.Now()
		f.heal()
		if d := (<-got).Sub(healed); d > 2*time.Second {
			t.Fatalf("granted %v after the session could be proven again", d)
		}
	})
}
