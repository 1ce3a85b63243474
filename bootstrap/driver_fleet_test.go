package bootstrap_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorate/quorate/bootstrap"
)

// fleet is nodes with drivers on a network and disks of the test's, in virtual
// time. A member is a flag; a quorum is enough flags of one roster.
type fleet struct {
	t     *testing.T
	mu    sync.Mutex
	nodes map[netip.AddrPort]*vnode // by address of the RPC
	all   []*vnode
	cut   func(from, to *vnode) cutting      // nil = none
	live  map[bootstrap.Hash]map[string]bool // who ever started, by roster
}

type cutting int

const (
	connected cutting = iota
	refused           // a closed port
	swallowed         // a dead address
)

// vnode is one machine: its disk and, while it runs, its driver.
type vnode struct {
	w       *fleet
	own     bootstrap.Own
	seeds   []netip.AddrPort
	driver  *bootstrap.Driver
	swallow bool                                                                              // while it is down
	boot    string                                                                            // of the next process; empty = any
	gossip  bootstrap.Finder                                                                  // nil = none
	asker   func(context.Context, netip.AddrPort, bootstrap.Caller) (bootstrap.Answer, error) // nil = the fleet's network

	mu      sync.Mutex
	state   bootstrap.State // on disk
	saves   int
	crash   func(save int, s bootstrap.State) crash // nil = none
	crashed bool
	refuse  error // of Member.Start
	starts  int
	dir     bootstrap.Data
	began   *bootstrap.Roster // of the member in the directory
	ready   chan struct{}     // not nil while the member runs
	events  []string
}

type crash int

const (
	survives crash = iota
	before         // the state is lost
	after          // the state is on disk, and nothing else happened
)

var errCrashed = errors.New("crashed")

func newFleet(t *testing.T) *fleet {
	return &fleet{t: t, nodes: map[netip.AddrPort]*vnode{}, live: map[bootstrap.Hash]map[string]bool{}}
}

// add makes machine i of a join list, on 10.0.0.i.
func (w *fleet) add(i int, voters int, join ...string) *vnode {
	w.t.Helper()
	seeds, err := bootstrap.ParseJoin(join, bootstrap.BasePort)
	if err != nil {
		w.t.Fatal(err)
	}
	n := &vnode{w: w, seeds: seeds, own: bootstrap.Own{Cluster: "acme", Voters: voters, Join: bootstrap.SeedTexts(seeds), Name: fmt.Sprint("n", i), Version: "0.0.1"}}
	n.wipe()
	at := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
	n.own.Advertise = bootstrap.Founder{ID: n.state.ID, Gossip: netip.AddrPortFrom(at, 4780), RPC: netip.AddrPortFrom(at, 4781), PeerURL: fmt.Sprintf("https://%v:4782", at)}
	w.enter(n)
	return n
}

func (w *fleet) enter(n *vnode) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.nodes[n.own.Advertise.RPC] = n
	w.all = append(w.all, n)
	w.t.Cleanup(n.stop)
}

// addAll makes n machines that have all of them as join list.
func (w *fleet) addAll(n int) []*vnode {
	var join []string
	for i := range n {
		join = append(join, fmt.Sprintf("10.0.0.%d", i+1))
	}
	for i := range n {
		w.add(i+1, n, join...)
	}
	return w.all
}

// wipe gives the machine an empty disk, and so another node.
func (n *vnode) wipe() {
	n.state = bootstrap.NewState()
	n.own.Advertise.ID = n.state.ID
	n.dir, n.began, n.saves, n.crashed = bootstrap.DataNone, nil, 0, false
}

func (n *vnode) start() *vnode {
	n.w.t.Helper()
	n.crashed = false
	d, err := bootstrap.StartDriver(bootstrap.DriverConfig{State: n.state, Boot: n.boot, Save: n.save, Own: n.own, Seeds: n.seeds, Member: n, Ask: n.ask, Gossip: n.gossip,
		Notify: func(e bootstrap.DriverEvent) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.events = append(n.events, e.Type)
		}})
	if err != nil {
		if !errors.Is(err, errCrashed) {
			n.w.t.Fatal(err)
		}
		return n
	}
	n.w.mu.Lock()
	n.driver = d
	n.w.mu.Unlock()
	return n
}

// stop ends the process.
func (n *vnode) stop() {
	n.w.mu.Lock()
	d := n.driver
	n.driver = nil
	n.w.mu.Unlock()
	if d != nil {
		d.Close()
	}
	n.mu.Lock()
	n.ready = nil
	n.mu.Unlock()
}

func (n *vnode) save(s bootstrap.State) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.crashed {
		return errCrashed
	}
	n.saves++
	how := survives
	if n.crash != nil {
		how = n.crash(n.saves, s)
	}
	if how != before {
		n.state = s
	}
	if how != survives {
		n.crashed = true
		return errCrashed
	}
	return nil
}

// ask is the network: a millisecond each way, and answers as JSON.
func (n *vnode) ask(ctx context.Context, addr netip.AddrPort, from bootstrap.Caller) (bootstrap.Answer, error) {
	if n.asker != nil {
		return n.asker(ctx, addr, from)
	}
	w := n.w
	time.Sleep(time.Millisecond)
	w.mu.Lock()
	to := w.nodes[addr]
	var d *bootstrap.Driver
	how := swallowed
	if to != nil {
		if d = to.driver; d != nil {
			how = connected
		} else if !to.swallow {
			how = refused
		}
		if w.cut != nil && how == connected {
			how = w.cut(n, to)
		}
	}
	w.mu.Unlock()
	if how == connected && to.dead() {
		how = refused
	}
	switch how {
	case refused:
		return bootstrap.Answer{}, fmt.Errorf("ask %v: %w: connection refused", addr, bootstrap.ErrUnreachable)
	case swallowed:
		<-ctx.Done()
		return bootstrap.Answer{}, fmt.Errorf("ask %v: %w: %w", addr, bootstrap.ErrUnreachable, ctx.Err())
	}
	d.Asked(from)
	b, err := json.Marshal(d.Answer())
	if err != nil {
		return bootstrap.Answer{}, err
	}
	time.Sleep(time.Millisecond)
	return bootstrap.ParseAnswer(b)
}

func (n *vnode) dead() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.crashed
}

func (n *vnode) member() bootstrap.Hash { return n.driver.State().MemberOf() }

// until waits, in virtual time, and returns how long.
func (w *fleet) until(what string, d time.Duration, ok func() bool) time.Duration {
	w.t.Helper()
	start := time.Now()
	for !ok() {
		if time.Since(start) > d {
			w.t.Errorf("%s: not within %v\n%s", what, d, w)
			w.t.FailNow()
		}
		time.Sleep(max(time.Millisecond, time.Since(start)/100))
		synctest.Wait()
	}
	return time.Since(start)
}

// formed tells whether these are members of one cluster.
func formed(nodes ...*vnode) func() bool {
	return func() bool {
		for _, n := range nodes {
			if n.driver == nil || n.member() == (bootstrap.Hash{}) || n.member() != nodes[0].member() || !n.runs() {
				return false
			}
		}
		return true
	}
}

// one checks the promise of formation: at most one roster ever had a quorum.
func (w *fleet) one() {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	clusters := 0
	for _, ids := range w.live {
		if len(ids) >= bootstrap.Quorum(w.all[0].own.Voters) {
			clusters++
		}
	}
	if clusters > 1 {
		w.t.Errorf("%d clusters: %v", clusters, w.live)
	}
}

func (w *fleet) String() string {
	var b strings.Builder
	for _, n := range w.all {
		if n.driver == nil {
			fmt.Fprintf(&b, "%s down\n", n.own.Name)
			continue
		}
		s := n.driver.Status()
		fmt.Fprintf(&b, "%s %s %s %s plan %s pledge %s aborted %d events %v\n", n.own.Name, n.own.Advertise.ID, s.Phase, n.own.Advertise.RPC, s.Plan, s.State.Pledged().Short(), len(s.State.Aborted), n.events)
		for _, p := range s.Problems {
			fmt.Fprintf(&b, "   %s: %s\n", p.Code, p)
		}
	}
	return b.String()
}

func (n *vnode) has(code, text string) bool {
	for _, p := range n.driver.Status().Problems {
		if p.Code == code && strings.Contains(p.String(), text) {
			return true
		}
	}
	return false
}
