package nodetest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/node/nodetest"
)

type seeds struct {
	mu  sync.Mutex
	ran []int64
}

func (s *seeds) add(seed int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ran = append(s.ran, seed)
}

func (s *seeds) String() string {
	slices.Sort(s.ran)
	return strings.Trim(fmt.Sprint(s.ran), "[]")
}

// The same seed brings the same faults at the same instants, another seed
// others.
func TestSameSeedSameFaults(t *testing.T) {
	run := func(seed string) (story []string) {
		t.Setenv(nodetest.SeedVariable, seed)
		nodetest.Virtual(t, 1, func(t *testing.T, v *nodetest.VirtualNode) {
			began := time.Now()
			v.Faults(nodetest.Faults{Delay: 0.2, Error: 0.2, Unknown: 0.2, NoLeader: 0.05})
			p := v.Process("p")
			for i := range 60 {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				_, err := p.Etcd().Put(ctx, fmt.Sprint(i), "")
				_, gerr := p.Etcd().Get(ctx, fmt.Sprint(i))
				cancel()
				story = append(story, fmt.Sprintf("%v %v %v", time.Since(began), err, gerr))
			}
			// An election decides when the server is ready; the rest follows.
			for _, n := range v.Story() {
				story = append(story, strings.Fields(n)[1:]...)
			}
		})
		return story
	}
	first := run("7")
	if again := run("7"); !slices.Equal(first, again) {
		t.Errorf("seed 7 told\n%v\nand then\n%v", first, again)
	}
	if other := run("8"); slices.Equal(first, other) {
		t.Error("seeds 7 and 8 brought the same faults")
	}
}

// Each kind of fault, alone and certain, reaches its caller as what a real
// client shows.
func TestFaults(t *testing.T) {
	long := 10 * time.Second
	for fault, check := range map[nodetest.Fault]func(t *testing.T, v *nodetest.VirtualNode, p *nodetest.Process){
		nodetest.Delay: func(t *testing.T, v *nodetest.VirtualNode, p *nodetest.Process) {
			p.Faults(nodetest.Faults{Delay: 1, MaxDelay: long})
			began := time.Now()
			for range 5 {
				if _, err := p.Etcd().Put(t.Context(), "k", "v"); err != nil {
					t.Error(err)
				}
			}
			if d := time.Since(began); d == 0 || d > 5*long {
				t.Errorf("five delayed calls took %v", d)
			}
		},
		nodetest.Error: func(t *testing.T, v *nodetest.VirtualNode, p *nodetest.Process) {
			p.Faults(nodetest.Faults{Error: 1})
			if _, err := p.Etcd().Put(t.Context(), "k", "v"); err == nil {
				t.Error("no error")
			}
			p.Heal()
			if r, err := p.Etcd().Get(t.Context(), "k"); err != nil || len(r.Kvs) != 0 {
				t.Errorf("a refused put was executed: %v, %v", r, err)
			}
		},
		nodetest.Unknown: func(t *testing.T, v *nodetest.VirtualNode, p *nodetest.Process) {
			p.Faults(nodetest.Faults{Unknown: 1, MaxDelay: long})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := p.Etcd().Put(ctx, "k", "v"); err == nil {
				t.Error("no error")
			}
			v.Elapse(long)
			if r, err := v.Server().Get(t.Context(), "k"); err != nil || len(r.Kvs) != 1 {
				t.Errorf("a put of unknown outcome never arrived: %v, %v", r, err)
			}
			l, err := v.Server().Grant(t.Context(), 100)
			if err != nil {
				t.Fatal(err)
			}
			v.Elapse(90 * time.Second)
			ctx, cancel = context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := p.Etcd().KeepAliveOnce(ctx, l.ID); err == nil {
				t.Error("no error of a renewal")
			}
			v.Elapse(long)
			if r, err := v.Server().TimeToLive(t.Context(), l.ID); err != nil || r.TTL < 80 {
				t.Errorf("a renewal of unknown outcome never arrived: %v, %v", r, err)
			}
		},
		nodetest.LostWatch: func(t *testing.T, v *nodetest.VirtualNode, p *nodetest.Process) {
			p.Faults(nodetest.Faults{LostWatch: 1})
			for r := range p.Etcd().Watch(t.Context(), "k") {
				if err := r.Err(); !errors.Is(err, rpctypes.ErrStopped) {
					t.Errorf("a lost watch said %v", err)
				}
			}
		},
		nodetest.Compaction: func(t *testing.T, v *nodetest.VirtualNode, p *nodetest.Process) {
			w := p.Etcd().Watch(t.Context(), "k")
			p.Faults(nodetest.Faults{Compaction: 1})
			if _, err := v.Server().Put(t.Context(), "k", "v"); err != nil {
				t.Fatal(err)
			}
			r := <-w
			if err := r.Err(); !errors.Is(err, rpctypes.ErrCompacted) {
				t.Errorf("a watch behind the compaction said %v", err)
			}
			if _, ok := <-w; ok {
				t.Error("it went on")
			}
			if r := <-v.Server().Watch(t.Context(), "k", clientv3.WithRev(r.CompactRevision-1)); !errors.Is(r.Err(), rpctypes.ErrCompacted) {
				t.Errorf("the compaction was none: %v", r.Err())
			}
		},
		nodetest.NoLeader: func(t *testing.T, v *nodetest.VirtualNode, p *nodetest.Process) {
			required := p.Etcd().Watch(clientv3.WithRequireLeader(t.Context()), "k")
			plain := p.Etcd().Watch(t.Context(), "k")
			began := time.Now()
			p.LoseLeader(long)
			if _, err := p.Etcd().Put(t.Context(), "k", "v"); !errors.Is(err, rpctypes.ErrNoLeader) {
				t.Errorf("put: %v", err)
			}
			if _, err := v.Etcd().Put(t.Context(), "k", "v"); err != nil {
				t.Errorf("another process: %v", err)
			}
			if r := <-required; !errors.Is(r.Err(), rpctypes.ErrNoLeader) {
				t.Errorf("a watch that requires a leader said %v", r.Err())
			}
			if d := time.Since(began); d < 3*time.Second || d > 4*time.Second {
				t.Errorf("it ended after %v", d)
			}
			if r := <-p.Etcd().Watch(clientv3.WithRequireLeader(t.Context()), "k"); !errors.Is(r.Err(), rpctypes.ErrNoLeader) {
				t.Errorf("a new one said %v", r.Err())
			}
			if r := <-plain; len(r.Events) != 1 || time.Since(began) < long {
				t.Errorf("a plain watch said %v after %v", r, time.Since(began))
			}
			if _, err := p.Etcd().Put(t.Context(), "k", "v"); err != nil {
				t.Errorf("put with the leader back: %v", err)
			}
			v.LoseLeader(long)
			began = time.Now()
			if _, err := v.Etcd().Get(t.Context(), "k"); err != nil || time.Since(began) < long {
				t.Errorf("a read over the lack of a leader: %v after %v", err, time.Since(began))
			}
		},
	} {
		t.Run(string(fault), func(t *testing.T) {
			nodetest.Virtual(t, 10, func(t *testing.T, v *nodetest.VirtualNode) {
				check(t, v, v.Process("p"))
				// A lost watch and an error of a quiet kind may bite in silence;
				// over all seeds and calls each kind is seen.
				if n := v.Bitten()[fault]; n == 0 {
					t.Errorf("%s reached nobody; injected: %v", fault, v.Injected())
				}
			})
		})
	}
}
