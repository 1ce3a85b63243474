package bootstrap_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/quorate/quorate/bootstrap"
	"github.com/quorate/quorate/internal/pki"
)

// real is a node on real sockets: gossip, cluster RPC and certificates are what
// a product runs, the member is the fleet's.
type real struct {
	*vnode
	id     identity
	cut    *bootstrap.Gate
	gossip *bootstrap.Gossip
}

// bases finds n free ranges of ports.
func bases(t *testing.T, n int) []*bootstrap.Sockets {
	t.Helper()
	var s []*bootstrap.Sockets
	for try := 0; len(s) < n; try++ {
		if try > 100 {
			t.Fatal("no free ports")
		}
		if b, err := bootstrap.Bind(loopback, bootstrap.PortsFrom(20000+4*rand.N(3000)), bootstrap.Ports{}); err == nil {
			t.Cleanup(b.Close)
			s = append(s, b)
		}
	}
	return s
}

func joinOf(sockets []*bootstrap.Sockets) []string {
	var join []string
	for _, s := range sockets {
		join = append(join, fmt.Sprintf("127.0.0.1:%d", s.Ports.Gossip))
	}
	return join
}

// startReal starts node i of a join list.
func (w *fleet) startReal(i int, s *bootstrap.Sockets, join []string, cluster string, secret pki.Secret) *real {
	t := w.t
	t.Helper()
	seeds, err := bootstrap.ParseJoin(join, bootstrap.BasePort)
	if err != nil {
		t.Fatal(err)
	}
	own, _, err := bootstrap.OwnAddr{Seeds: seeds, Port: s.Ports.Gossip}.Find()
	if err != nil {
		t.Fatal(err)
	}
	n := &real{vnode: &vnode{w: w, seeds: seeds}, id: newIdentity(t, secret, cluster, 0, time.Now()), cut: &bootstrap.Gate{}}
	n.own = bootstrap.Own{Cluster: cluster, Voters: 3, Join: bootstrap.SeedTexts(seeds), Name: fmt.Sprint("n", i), Version: "0.0.1"}
	n.wipe()
	n.boot = bootstrap.NewBoot()
	at := func(port int) netip.AddrPort { return netip.AddrPortFrom(own, uint16(port)) }
	n.own.Advertise = bootstrap.Founder{ID: n.state.ID, Gossip: at(s.Ports.Gossip), RPC: at(s.Ports.RPC), PeerURL: fmt.Sprintf("https://%v", at(s.Ports.Raft))}
	key := n.id.keys.GossipKey()
	n.gossip, err = bootstrap.StartGossip(bootstrap.GossipConfig{Cluster: cluster, Key: key[:], TCP: s.TCP, UDP: s.UDP, Seeds: seeds, Gate: n.cut,
		Self: bootstrap.Peer{ID: n.state.ID, Name: n.own.Name, Boot: n.boot, Version: n.own.Version, Gossip: at(s.Ports.Gossip), RPC: at(s.Ports.RPC), Raft: at(s.Ports.Raft)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.gossip.Close() })
	asker := bootstrap.NewAsker(bootstrap.AskConfig{TLS: n.id.client, Cluster: cluster, Gate: n.cut})
	t.Cleanup(asker.Close)
	n.vnode.asker, n.vnode.gossip = asker.Ask, n.gossip
	w.enter(n.vnode)
	n.start()
	rpc, err := bootstrap.ServeRPC(bootstrap.RPCConfig{Listener: s.RPC, TLS: n.id.server, Cluster: cluster, Answer: n.driver.Answer, Asked: n.driver.Asked, Gate: n.cut})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(rpc.Close)
	return n
}

// soon waits in real time.
func (w *fleet) soon(what string, d time.Duration, ok func() bool) time.Duration {
	w.t.Helper()
	start := time.Now()
	for !ok() {
		if time.Since(start) > d {
			w.t.Fatalf("%s: not within %v\n%s", what, d, w)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(start)
}

// TestThreeForm is the whole of this package on loopback.
func TestThreeForm(t *testing.T) {
	t.Parallel()
	w, secret, sockets := newFleet(t), pki.NewSecret(), bases(t, 3)
	join := joinOf(sockets)
	var nodes []*vnode
	for i, s := range sockets {
		nodes = append(nodes, w.startReal(i+1, s, join, "acme", secret).vnode)
	}
	took := w.soon("three form", 20*time.Second, formed(nodes...))
	t.Logf("formed in %v", took)
	w.one()
	roster := nodes[0].driver.State().Pledge
	for _, n := range nodes {
		s := n.driver.State()
		if !s.Pledge.Equal(*roster) {
			t.Errorf("%s is of roster %v, %s of %v", n.own.Name, s.Pledged(), nodes[0].own.Name, roster.Hash())
		}
		if f, ok := roster.Founder(n.own.Advertise.ID); !ok || f != n.own.Advertise {
			t.Errorf("the roster has %+v for %+v", f, n.own.Advertise)
		}
	}
	w.soon("each shows the others by both ways", 10*time.Second, func() bool {
		for _, n := range nodes {
			s := n.driver.Status()
			if len(s.Nodes) != 2 || len(s.Problems) != 0 || slices.ContainsFunc(s.Nodes, func(o bootstrap.NodeStatus) bool {
				return !o.RPC || !o.Gossip || o.Member != n.member() || o.Name == ""
			}) {
				return false
			}
		}
		return true
	})
}

// TestStrangersStayOut lets nodes with another secret and another cluster name at
// two that wait for a third: each says what is wrong, and nothing is formed with
// them.
func TestStrangersStayOut(t *testing.T) {
	t.Parallel()
	w, secret, sockets := newFleet(t), pki.NewSecret(), bases(t, 4)
	join := joinOf(sockets[:3])
	a := w.startReal(1, sockets[0], join, "acme", secret)
	b := w.startReal(2, sockets[1], join, "acme", secret)
	c := w.startReal(3, sockets[2], join, "acme", pki.NewSecret())
	d := w.startReal(4, sockets[3], join, "emca", secret)
	w.soon("all tell", 20*time.Second, func() bool {
		return a.has("seed-other-secret", join[2]) && c.has("seed-other-secret", join[0]) && d.has("seed-other-secret", join[1]) && b.has("voters-missing", "waiting for 1 of 3")
	})
	for _, n := range []*real{a, b, c, d} {
		if s := n.driver.State(); s.Pledge != nil {
			t.Errorf("%s pledged itself to %v", n.own.Name, s.Pledge)
		}
	}
	for _, n := range []*real{c, d} {
		if p := n.gossip.Peers(); len(p) != 0 {
			t.Errorf("%s sees %+v by gossip", n.own.Name, p)
		}
	}
}

// TestCutOffWhileForming cuts one of three off at its start and lets it in.
func TestCutOffWhileForming(t *testing.T) {
	t.Parallel()
	w, secret, sockets := newFleet(t), pki.NewSecret(), bases(t, 3)
	join := joinOf(sockets)
	a := w.startReal(1, sockets[0], join, "acme", secret)
	b := w.startReal(2, sockets[1], join, "acme", secret)
	a.cut.Shut()
	c := w.startReal(3, sockets[2], join, "acme", secret)
	w.soon("the two name the third", 20*time.Second, func() bool { return b.has("seed-silent", join[0]) && c.has("seed-silent", join[0]) })
	a.cut.Open()
	w.soon("three form", 30*time.Second, formed(a.vnode, b.vnode, c.vnode))
	w.one()
}
