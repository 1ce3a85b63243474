package embed

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// In virtual time, with a leader that comes and goes at will.
func TestWatchRequireLeader(t *testing.T) {
	// how long the leader is away, in tenths of an election timeout, and what
	// becomes of the watch that requires it
	for name, c := range map[string]struct {
		away  int
		again int // a second absence right after, after a look at the leader
		ends  bool
	}{
		"a moment":              {5, 0, false},
		"nearly three timeouts": {19, 0, false},
		"twice nearly three":    {19, 19, false},
		"three timeouts":        {31, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := startWatchMember(t)
				m.w.Close()
				var leader atomic.Uint64
				leader.Store(1)
				m.w = startWatcher(m.EtcdServer, nil, watchElection, leader.Load)
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				careless := m.w.Watch(ctx, "k")
				careful := m.w.Watch(clientv3.WithRequireLeader(ctx), "k")

				leader.Store(0)
				wantEnd(t, m.w.Watch(clientv3.WithRequireLeader(ctx), "k"), rpctypes.ErrNoLeader)
				time.Sleep(time.Duration(c.away) * watchElection / 10)
				leader.Store(1)
				if c.again > 0 {
					time.Sleep(watchElection)
					leader.Store(0)
					time.Sleep(time.Duration(c.again) * watchElection / 10)
					leader.Store(1)
				}
				m.put(t, "k", "v")
				if r, _ := next(t, careless); len(r.Events) != 1 {
					t.Errorf("the watch that requires no leader got %+v", r)
				}
				r, _ := next(t, careful)
				if c.ends {
					if r.Err() != rpctypes.ErrNoLeader {
						t.Errorf("got %+v, want ErrNoLeader", r)
					}
					wantEnd(t, careful, nil)
					careful = m.w.Watch(clientv3.WithRequireLeader(ctx), "k") // and it can be had again
					m.put(t, "k", "v")
					r, _ = next(t, careful)
				}
				if len(r.Events) != 1 {
					t.Errorf("the watch that requires a leader got %+v", r)
				}
			})
		})
	}
}

// How long it takes: not before two, not after three timeouts and one tick.
func TestWatchRequireLeaderTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := startWatchMember(t)
		m.w.Close()
		var leader atomic.Uint64
		m.w = startWatcher(m.EtcdServer, nil, watchElection, leader.Load)
		for i := range 20 {
			leader.Store(1)
			ch := m.w.Watch(clientv3.WithRequireLeader(context.Background()), "k")
			time.Sleep(time.Duration(i) * watchElection / 7)
			leader.Store(0)
			lost := time.Now()
			wantEnd(t, ch, rpctypes.ErrNoLeader)
			if d := time.Since(lost); d < 2*watchElection || d > 3*watchElection {
				t.Errorf("ended after %v, want two to three times %v", d, watchElection)
			}
		}
		// Nobody requires a leader any more: nothing may tick.
		time.Sleep(10 * watchElection)
		m.w.mu.Lock()
		defer m.w.mu.Unlock()
		if m.w.required != 0 {
			t.Errorf("%d watches are counted as requiring a leader", m.w.required)
		}
	})
}

// A real loss: two of three members stop.
func TestWatchRequireLeaderReal(t *testing.T) {
	leavesNothing(t)
	ms := startWatchMembers(t, 3)
	var survivor *watchMember
	for _, m := range ms {
		if m.Leader() != m.MemberID() {
			survivor = m
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	careless := survivor.w.Watch(ctx, "k")
	careful := survivor.w.Watch(clientv3.WithRequireLeader(ctx), "k")
	survivor.put(t, "k", "v")
	for _, ch := range []clientv3.WatchChan{careless, careful} {
		if r, _ := next(t, ch); len(r.Events) != 1 {
			t.Fatalf("got %+v", r)
		}
	}
	for _, m := range ms {
		if m != survivor {
			m.HardStop() // without handing leadership over
		}
	}
	wantEnd(t, careful, rpctypes.ErrNoLeader)
	wantEnd(t, survivor.w.Watch(clientv3.WithRequireLeader(ctx), "k"), rpctypes.ErrNoLeader)
	select {
	case r, ok := <-careless:
		t.Errorf("the watch that requires no leader got %+v %v", r, ok)
	default:
	}
}
