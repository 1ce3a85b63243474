package bootstrap_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/quorate/quorate/bootstrap"
)

// TestDriverClustersMeet forms two clusters that cannot know of each other, and
// lets them.
func TestDriverClustersMeet(t *testing.T) {
	virtual(t, func(t *testing.T, w *fleet) {
		a := w.add(1, 1, "10.0.0.1").start()
		b := w.add(2, 1, "10.0.0.2").start()
		w.until("each is a cluster", time.Second, func() bool { return len(members(w)) == 2 })
		b.driver.Asked(bootstrap.Caller{ID: a.own.Advertise.ID, Boot: "b", RPC: a.own.Advertise.RPC})
		w.until("both tell", 10*time.Second, func() bool { return a.has("foreign-cluster", "n2") && b.has("foreign-cluster", "n1") })
		if !a.runs() || !b.runs() {
			t.Error("a cluster was stopped")
		}
	})
}

// TestDriverCopy runs a node and a copy of its disk on another machine: both stop
// their member. A disk that was rolled back stops its own.
func TestDriverCopy(t *testing.T) {
	virtual(t, func(t *testing.T, w *fleet) {
		for _, n := range w.addAll(3) {
			n.start()
		}
		w.until("all are members", 3*time.Second, formed(w.all...))
		real := w.all[0]
		real.stop()
		disk, old := real.state, real.state
		real.start()
		w.until("it runs again", 10*time.Second, formed(w.all...))
		time.Sleep(30 * time.Second) // the others have seen the new start
		if !real.runs() || real.driver.Status().Phase != "member" {
			t.Fatalf("a restart is held for a copy:\n%s", w)
		}

		fake := w.add(9, 3, "10.0.0.1", "10.0.0.2", "10.0.0.3")
		fake.state, fake.dir, fake.began = disk, bootstrap.DataWhole, real.began
		fake.own.Advertise.ID = disk.ID
		fake.start()
		w.until("both are blocked", 30*time.Second, func() bool {
			return fake.driver.Status().Phase == "blocked" && real.driver.Status().Phase == "blocked" && !fake.runs() && !real.runs()
		})
		if !slices.Contains(real.events, "blocked") {
			t.Errorf("events = %v", real.events)
		}
		fake.stop()
		real.stop()
		real.start()
		w.until("the real one runs after a restart", 30*time.Second, func() bool { return real.runs() && real.driver.Status().Phase == "member" })

		time.Sleep(30 * time.Second)
		if !real.runs() {
			t.Errorf("it was blocked again:\n%s", w)
		}

		real.stop()
		old.Starts = 0
		real.state = old
		real.start()
		w.until("the old disk is blocked", 10*time.Second, func() bool { return real.has("disk-old", "") && !real.runs() })
		w.one()
	})
}

// TestDriverTriesAgain has a machine that refuses to start the member, and one
// that cannot save.
func TestDriverTriesAgain(t *testing.T) {
	virtual(t, func(t *testing.T, w *fleet) {
		w.addAll(3)
		a, b := w.all[0], w.all[1]
		a.refuse = errors.New("port in use")
		full := true
		b.crash = func(_ int, s bootstrap.State) crash {
			if full && s.Pledge != nil {
				b.mu.Unlock() // not a crash: only an error
				b.mu.Lock()
				return before
			}
			return survives
		}
		for _, n := range w.all {
			n.start()
		}
		time.Sleep(2 * time.Second)
		if s := b.driver.State(); s.Pledge != nil {
			t.Errorf("tells what is not on its disk: %+v", s)
		}
		w.until("the disk is told", 5*time.Second, func() bool { return b.has("state-write", "") })
		b.mu.Lock()
		full, b.crashed = false, false
		b.mu.Unlock()
		w.until("the refusal is told", 40*time.Second, func() bool { return a.has("member-start", "port in use") })
		a.mu.Lock()
		a.refuse = nil
		a.mu.Unlock()
		w.until("all are members", 20*time.Second, formed(w.all...))
		if a.has("member-start", "") || b.has("state-write", "") {
			t.Errorf("the problems stay:\n%s", w)
		}
	})
}

// TestDriverUnderFaults cuts and heals links and kills nodes at random, and then
// lets all be well: one cluster comes of it, never two.
func TestDriverUnderFaults(t *testing.T) {
	for seed := range 24 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			virtual(t, func(t *testing.T, w *fleet) {
				r := rand.New(rand.NewPCG(uint64(seed), 1))
				w.addAll(3 + 2*(seed%2))
				links := map[[2]*vnode]cutting{}
				w.cut = func(from, to *vnode) cutting { return links[[2]*vnode{from, to}] }
				for range 60 {
					w.mu.Lock()
					a, b := w.all[r.IntN(len(w.all))], w.all[r.IntN(len(w.all))]
					if a != b {
						links[[2]*vnode{a, b}] = cutting(r.IntN(3))
					}
					w.mu.Unlock()
					n := w.all[r.IntN(len(w.all))]
					switch {
					case n.driver == nil || n.dead():
						n.stop()
						n.start()
					case r.IntN(4) == 0:
						n.stop()
					case r.IntN(3) == 0:
						n.mu.Lock()
						at, how := n.saves+1+r.IntN(2), crash(1+r.IntN(2))
						n.crash = func(save int, _ bootstrap.State) crash {
							if save == at {
								return how
							}
							return survives
						}
						n.mu.Unlock()
					}
					time.Sleep(time.Duration(r.Int64N(int64(1500 * time.Millisecond))))
				}
				w.mu.Lock()
				clear(links)
				w.mu.Unlock()
				for _, n := range w.all {
					n.mu.Lock()
					n.crash = nil
					n.mu.Unlock()
					if n.driver == nil || n.dead() {
						n.stop()
						n.start()
					}
				}
				w.until("all are members in the end", 3*time.Minute, formed(w.all...))
				w.one()
			})
		})
	}
}
