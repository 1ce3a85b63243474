package bootstrap_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorate/quorate/bootstrap"
)

func virtual(t *testing.T, f func(t *testing.T, w *fleet)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newFleet(t)) })
}

func TestDriverForms(t *testing.T) {
	for n := 1; n <= 5; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			virtual(t, func(t *testing.T, w *fleet) {
				for _, n := range w.addAll(n) {
					n.start()
				}
				took := w.until("all are members", 1500*time.Millisecond, formed(w.all...))
				t.Logf("formed in %v", took)
				w.one()
				for _, n := range w.all {
					if want := []string{"pledged", "started", "member"}; !slices.Equal(n.events, want) {
						t.Errorf("events = %v, want %v", n.events, want)
					}
				}
			})
		})
	}
}

// TestDriverSingle needs nobody.
func TestDriverSingle(t *testing.T) {
	virtual(t, func(t *testing.T, w *fleet) {
		n := w.add(1, 1).start()
		w.until("it is a member", 100*time.Millisecond, formed(n))
	})
}

// TestDriverWaits starts two of three; the third is off, and its address
// swallows packets. It must be named, and come in fast when it comes.
func TestDriverWaits(t *testing.T) {
	for _, swallow := range []bool{false, true} {
		t.Run(fmt.Sprintf("swallow=%v", swallow), func(t *testing.T) {
			virtual(t, func(t *testing.T, w *fleet) {
				w.addAll(3)
				off := w.all[2]
				off.swallow = swallow
				w.all[0].start()
				w.all[1].start()
				w.until("the missing one is named", 3*time.Second, func() bool {
					return w.all[0].has("voters-missing", "waiting for 1 of 3 voters") && w.all[0].has("seed-silent", "10.0.0.3:4780")
				})
				time.Sleep(10 * time.Minute)
				for _, n := range w.all[:2] {
					if s := n.driver.State(); s.Pledge != nil || s.Started {
						t.Errorf("%s did not wait: %+v", n.own.Name, s)
					}
				}
				off.start()
				t.Logf("joined in %v", w.until("all are members", 4*time.Second, formed(w.all...)))
				w.one()
			})
		})
	}
}

// TestMissingAreNamedSoon starts one of three; the others are boxes without
// power, whose addresses swallow packets. A person who looks a second later must
// read who is missing.
func TestMissingAreNamedSoon(t *testing.T) {
	virtual(t, func(t *testing.T, w *fleet) {
		w.addAll(3)
		w.all[1].swallow, w.all[2].swallow = true, true
		n := w.all[0].start()
		w.until("both are named", 900*time.Millisecond, func() bool {
			return n.has("voters-missing", "waiting for 2 of 3 voters") && n.has("seed-silent", "10.0.0.2:4780") && n.has("seed-silent", "10.0.0.3:4780")
		})
	})
}

// TestDeadAddressesHoldNobodyUp forms a cluster of three of a join list of five,
// of which two are boxes without power: their addresses swallow packets.
func TestDeadAddressesHoldNobodyUp(t *testing.T) {
	virtual(t, func(t *testing.T, w *fleet) {
		join := []string{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"}
		for i := 1; i <= 5; i++ {
			w.add(i, 3, join...).swallow = true
		}
		for _, n := range w.all[:3] {
			n.start()
		}
		took := w.until("three are members", 30*time.Second, formed(w.all[:3]...))
		if took > 2*time.Second {
			t.Errorf("formed in %v", took)
		}
	})
}

// TestDriverCrashes ends a node at each of its saves, on either side of it, and
// starts it again from its disk.
func TestDriverCrashes(t *testing.T) {
	for _, voters := range []int{1, 3} {
		for save := 1; save <= 8; save++ {
			for _, how := range []crash{before, after} {
				t.Run(fmt.Sprintf("voters=%d,save=%d,after=%v", voters, save, how == after), func(t *testing.T) {
					virtual(t, func(t *testing.T, w *fleet) {
						w.addAll(voters)
						victim := w.all[0]
						victim.crash = func(n int, _ bootstrap.State) crash {
							if n == save {
								return how
							}
							return survives
						}
						for _, n := range w.all {
							n.start()
						}
						time.Sleep(3 * time.Second)
						if victim.dead() {
							victim.stop()
							time.Sleep(time.Second)
							victim.start()
						}
						w.until("all are members", 20*time.Second, formed(w.all...))
						w.one()
						for _, n := range w.all {
							for _, p := range n.driver.Status().Problems {
								t.Errorf("%s still says %s: %s", n.own.Name, p.Code, p)
							}
						}
					})
				})
			}
		}
	}
}

// TestDriverCrashLeavesTheStart loses the process inside etcd's first start: the
// directory is empty or has a log that says nothing.
func TestDriverCrashInStart(t *testing.T) {
	for _, left := range []bootstrap.Data{bootstrap.DataNone, bootstrap.DataEmpty} {
		t.Run(fmt.Sprint(left), func(t *testing.T) {
			virtual(t, func(t *testing.T, w *fleet) {
				w.addAll(3)
				victim := w.all[1]
				victim.refuse = errCrashed
				for _, n := range w.all {
					n.start()
				}
				w.until("the others are members", 3*time.Second, formed(w.all[0], w.all[2]))
				victim.stop()
				victim.refuse, victim.dir = nil, left
				victim.start()
				w.until("all are members", 3*time.Second, formed(w.all...))
				w.one()
			})
		})
	}
}

// TestDriverRestartsAlone starts a node with data while nobody else answers.
func TestDriverRestartsAlone(t *testing.T) {
	virtual(t, func(t *testing.T, w *fleet) {
		for _, n := range w.addAll(3) {
			n.start()
		}
		w.until("all are members", 3*time.Second, formed(w.all...))
		for _, n := range w.all {
			n.stop()
			n.swallow = true
		}
		n := w.all[0].start()
		w.until("its member runs", time.Millisecond, n.runs)
		w.until("the others are shown", time.Millisecond, func() bool {
			s := n.driver.Status()
			return len(s.Nodes) == 2 && !s.Nodes[0].RPC && !s.Nodes[1].RPC && s.Nodes[0].Founder.RPC.IsValid() && s.Nodes[0].Name != "" && s.Nodes[1].Name != ""
		})
		w.until("since when they are away is told", 70*time.Second, func() bool { return n.driver.Status().Nodes[0].RPCFor > time.Minute })
	})
}

// TestDriverLateAndWiped has a fourth machine, and one whose disk is lost: both
// find the cluster, say so, and never form another.
func TestDriverLateAndWiped(t *testing.T) {
	virtual(t, func(t *testing.T, w *fleet) {
		join := []string{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"}
		for i := 1; i <= 4; i++ {
			w.add(i, 3, join...).start()
		}
		w.until("three are members", 3*time.Second, func() bool {
			return len(members(w)) == 3
		})
		time.Sleep(time.Minute)
		in := members(w)
		if len(in) != 3 {
			t.Fatalf("%d members", len(in))
		}
		for _, n := range w.all {
			if !slices.Contains(in, n) && (!n.has("cluster-exists", "") || n.driver.Status().Phase != "joining") {
				t.Errorf("the spare says %+v", n.driver.Status().Problems)
			}
		}
		lost := in[0]
		lost.stop()
		lost.wipe()
		lost.start()
		w.until("the wiped one finds the cluster", 5*time.Second, func() bool { return lost.has("cluster-exists", "") })
		time.Sleep(time.Minute)
		if s := lost.driver.State(); s.Pledge != nil || s.Evidence == nil {
			t.Errorf("state = %+v", s)
		}
		w.one()
	})
}

func members(w *fleet) []*vnode {
	var in []*vnode
	for _, n := range w.all {
		if n.driver != nil && n.member() != (bootstrap.Hash{}) {
			in = append(in, n)
		}
	}
	return in
}
