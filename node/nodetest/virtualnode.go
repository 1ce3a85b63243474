package nodetest

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/embed"
	"github.com/quorate/quorate/recipes"
)

// A VirtualNode is an etcd server in virtual time and the first process on it.
// It is a recipes.Source, without sockets or gossip. Its methods may be called
// from any goroutine of the bubble.
type VirtualNode struct {
	t      testing.TB
	seed   int64
	rand   *rand.Rand
	member *embed.Member
	began  time.Time
	self   *Process

	settling chan struct{}  // holds a token while Elapse waits for the bubble
	ending   chan struct{}  // closed when the test's function has returned
	late     sync.WaitGroup // requests on their way, and processes that are ending

	mu         sync.Mutex
	ended      bool
	faults     *Faults
	leaderless time.Time
	moved      chan struct{} // closed and replaced when a leader may have gone
	processes  map[string]*Process
	started    map[string]int
	injected   map[Fault]int
	bitten     map[Fault]int
	notes      []string // the last of them
	dropped    int
}

// startVirtual starts what ends with t, which is a bubble's.
func startVirtual(t *testing.T, seed int64, dir string) *VirtualNode {
	log, stop := testLog(t, slog.LevelError) // etcd warns of every request that is refused
	v := &VirtualNode{
		t: t, seed: seed, rand: rand.New(rand.NewPCG(uint64(seed), 0)), began: time.Now(),
		settling: make(chan struct{}, 1), ending: make(chan struct{}), moved: make(chan struct{}),
		processes: map[string]*Process{}, started: map[string]int{},
		injected: map[Fault]int{}, bitten: map[Fault]int{},
	}
	m, err := embed.StartVirtual(t.Context(), embed.Config{Name: "virtual", Dir: dir, Logger: log})
	if err != nil {
		t.Fatalf("start a server in virtual time: %v", err)
	}
	v.member = m
	t.Cleanup(func() {
		v.end()
		stop()
	})
	<-m.Ready()
	v.self = v.newProcess("self", 1, recipes.Options{})
	return v
}

// end ends all processes, without giving anything back, and the server.
func (v *VirtualNode) end() {
	v.mu.Lock()
	v.ended = true
	v.mu.Unlock()
	close(v.ending)
	if v.self != nil {
		v.self.Crash()
	}
	for _, p := range v.all() {
		p.Crash()
	}
	v.late.Wait()
	if err := v.member.Stop(context.Background()); err != nil {
		v.t.Errorf("stop the server: %v", err)
	}
}

func (v *VirtualNode) all() []*Process {
	v.mu.Lock()
	defer v.mu.Unlock()
	var ps []*Process
	for _, p := range v.processes {
		ps = append(ps, p)
	}
	return ps
}

// Recipes returns the first process's access to the recipes; it makes a
// VirtualNode a recipes.Source.
func (v *VirtualNode) Recipes() *recipes.Client { return v.self.Recipes() }

// Etcd returns the first process's etcd client. It meets faults, as everybody
// does.
func (v *VirtualNode) Etcd() *clientv3.Client { return v.self.Etcd() }

// Self returns the first process, to crash or pause it, say.
func (v *VirtualNode) Self() *Process { return v.self }

// Server returns an etcd client that meets no faults, to look at what the
// server really holds.
func (v *VirtualNode) Server() *clientv3.Client { return v.member.Client() }

// Seed returns the seed of this run.
func (v *VirtualNode) Seed() int64 { return v.seed }

// Rand returns a source of randomness that follows from the seed and is apart
// from that of the faults. It must not be used by two goroutines at a time.
func (v *VirtualNode) Rand() *rand.Rand { return v.rand }

// Process returns the process of that name, and starts it if there is none or
// if it has crashed. opts are for a start; without an Owner, the name is it,
// and CloseEtcd has no effect. A start that is refused fails the test.
func (v *VirtualNode) Process(name string, opts ...recipes.Options) *Process {
	v.mu.Lock()
	defer v.mu.Unlock()
	p := v.processes[name]
	switch {
	case v.ended && p == nil:
		return v.self // which has ended
	case v.ended, p != nil && !p.Crashed():
		return p
	}
	var o recipes.Options
	if len(opts) > 0 {
		o = opts[0]
	}
	v.started[name]++
	p = v.newProcess(name, v.started[name], o)
	v.processes[name] = p
	return p
}

// Faults begins seeded faults in all processes, those to come included, but not
// in one that had its own word from Process.Faults or Process.Heal. Without an
// argument, DefaultFaults.
func (v *VirtualNode) Faults(f ...Faults) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.faults = chosen(f)
}

// Heal ends all faults, pauses and times without a leader, of all processes.
// Requests that are on their way may still arrive.
func (v *VirtualNode) Heal() {
	v.mu.Lock()
	v.faults = nil
	v.leaderless = time.Time{}
	v.mu.Unlock()
	for _, p := range append(v.all(), v.self) {
		p.Heal()
		p.link.obey()
	}
}

// LoseLeader puts all processes where no raft leader is, for d from now; see
// NoLeader. It returns at once.
func (v *VirtualNode) LoseLeader(d time.Duration) {
	v.note("no leader for %v", d)
	v.count(NoLeader)
	v.mu.Lock()
	v.leaderless = time.Now().Add(d)
	v.mu.Unlock()
	v.leaderMoved()
}

// leaderMoved wakes the watches that require a leader.
func (v *VirtualNode) leaderMoved() {
	v.mu.Lock()
	defer v.mu.Unlock()
	close(v.moved)
	v.moved = make(chan struct{})
}

func (v *VirtualNode) leaderMoves() <-chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.moved
}

// LeaseOf returns the lease that the server has the key on, such as the Key of
// a recipes.Held; 0 if there is no such key, or it has no lease.
func (v *VirtualNode) LeaseOf(key string) clientv3.LeaseID {
	r, err := v.Server().Get(context.Background(), key)
	if err != nil {
		v.t.Errorf("look for the lease of %s: %v", key, err)
		return 0
	}
	if len(r.Kvs) == 0 {
		return 0
	}
	return clientv3.LeaseID(r.Kvs[0].Lease)
}

// ExpireLease ends a lease on the server now, without a word to its owner, and
// reports whether there was one. It stands for a lease whose time was up on the
// server while its owner thought otherwise, and for etcdctl lease revoke.
func (v *VirtualNode) ExpireLease(id clientv3.LeaseID) bool {
	v.note("lease %x expires", int64(id))
	_, err := v.Server().Revoke(context.Background(), id)
	if err != nil && !errors.Is(err, rpctypes.ErrLeaseNotFound) {
		v.t.Errorf("expire lease %x: %v", int64(id), err)
	}
	return err == nil
}

// Compact compacts the server's history up to now. So that even the newest
// watch can be behind, it first puts the key /quorate/nodetest.
func (v *VirtualNode) Compact() {
	v.note("compaction")
	v.count(Compaction)
	if _, err := v.compact(); err != nil {
		v.t.Errorf("compact: %v", err)
	}
}

func (v *VirtualNode) compact() (rev int64, err error) {
	r, err := v.Server().Put(context.Background(), "/quorate/nodetest", "compaction")
	if err != nil {
		return 0, err
	}
	rev = r.Header.Revision
	_, err = v.Server().Compact(context.Background(), rev)
	if errors.Is(err, rpctypes.ErrCompacted) {
		err = nil // somebody was faster, and went further
	}
	return rev, err
}

// Elapse lets d of virtual time pass and returns when every goroutine of the
// bubble waits for something: what was due has been done. Where several
// goroutines do this, use it in place of synctest.Wait, which only one may call
// at a time; Process.Crash calls it too.
func (v *VirtualNode) Elapse(d time.Duration) {
	time.Sleep(d)
	v.settle()
}

// settle returns when every other goroutine waits for something.
func (v *VirtualNode) settle() {
	v.settling <- struct{}{} // synctest.Wait is for one goroutine at a time
	synctest.Wait()
	<-v.settling
}

func (v *VirtualNode) currentFaults() *Faults {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.faults
}

func (v *VirtualNode) leaderlessUntil() time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.leaderless
}

// later runs f after d, unless the test ends before.
func (v *VirtualNode) later(d time.Duration, f func(context.Context)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.ended {
		return
	}
	v.late.Go(func() {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			f(context.Background())
		case <-v.ending:
		}
	})
}
