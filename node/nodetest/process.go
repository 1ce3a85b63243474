package nodetest

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/embed"
	"github.com/quorate/quorate/recipes"
)

// A Process stands for another process on the same server: it has an etcd
// client, a recipes.Client with sessions of its own, and faults of its own. It
// is a recipes.Source.
type Process struct {
	v       *VirtualNode
	name    string
	link    *link
	etcd    *clientv3.Client
	recipes *recipes.Client
	ctx     context.Context
	cancel  context.CancelFunc
}

func (v *VirtualNode) newProcess(name string, incarnation int, o recipes.Options) *Process {
	p := &Process{v: v, name: name}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.link = newLink(v, fmt.Sprintf("%s#%d", name, incarnation))
	p.etcd = v.member.NewClient(embed.Seam{KV: p.link.kv, Lease: p.link.lease, Watcher: p.link.watcher})
	p.etcd.KV = witnessKV{KV: p.etcd.KV, l: p.link}
	p.etcd.Lease = witnessLease{Lease: p.etcd.Lease, l: p.link}
	if o.Owner == "" {
		o.Owner = name
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.CloseEtcd = false // crash closes it, so that nothing is given back
	c, err := recipes.New(p.etcd, o)
	if err != nil {
		p.etcd.Close()
		v.t.Fatalf("start process %s: %v", name, err)
	}
	p.recipes = c
	return p
}

// Name is what the process was started as.
func (p *Process) Name() string { return p.name }

// Recipes returns the process's access to the recipes.
func (p *Process) Recipes() *recipes.Client { return p.recipes }

// Etcd returns the process's etcd client, with its faults.
func (p *Process) Etcd() *clientv3.Client { return p.etcd }

// Context ends when the process crashes, and when the test's function returns.
// What stands for the process's own work should run under it.
func (p *Process) Context() context.Context { return p.ctx }

// Faults begins seeded faults in all that this process does, in place of those
// it met before; without an argument, DefaultFaults.
func (p *Process) Faults(f ...Faults) { p.link.setFaults(chosen(f)) }

// Heal ends the process's faults, a pause, and a time without a leader.
func (p *Process) Heal() {
	p.link.setFaults(nil)
	p.link.setLeaderless(time.Time{})
	p.Resume()
}

// Crash ends the process as kill -9 does: nothing reaches the server any more,
// nothing is given back, and its leases end when their time is up. Requests on
// their way may still arrive. What the process held is lost for it at once, its
// Context ends, and its clients refuse all calls. A further Crash has no effect.
//
// [VirtualNode.Process] with the same name starts it again.
func (p *Process) Crash() {
	if !p.link.kill() {
		return
	}
	p.v.note("%s crashes", p.link.name)
	p.cancel()
	p.v.late.Go(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()             // nothing is waited for, and nothing can be given back
		p.recipes.Close(ctx) // an error says just that
		p.etcd.Close()
	})
	p.v.settle() // what it held is lost now; the rest of Close may take its time
}

// Crashed reports whether Crash was called.
func (p *Process) Crashed() bool { return p.link.dead() }

// Pause stops all traffic of the process, as SIGSTOP would: its calls, even
// those whose context ends, do not return, and its watches hear nothing, until
// Resume. Unlike under SIGSTOP its goroutines and timers go on.
func (p *Process) Pause() {
	p.v.note("%s pauses", p.link.name)
	p.link.pause()
}

// Resume ends a Pause. Calls whose context has ended meanwhile fail, the others
// go on.
func (p *Process) Resume() { p.link.resume() }

// LoseLeader puts the process where no raft leader is, for d from now; see
// NoLeader. It returns at once.
func (p *Process) LoseLeader(d time.Duration) {
	p.v.note("%s is without a leader for %v", p.link.name, d)
	p.v.count(NoLeader)
	p.link.setLeaderless(time.Now().Add(d))
}
