package bootstrap_test

import (
	"crypto/rand"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/bootstrap"
)

// gossiper is one node's gossip in a test.
type gossiper struct {
	*bootstrap.Gossip
	addr netip.AddrPort
	id   string
	gate *bootstrap.Gate
}

type gossipOptions struct {
	cluster string
	key     []byte
	id      string
	member  string
	seeds   []netip.AddrPort
	sockets *bootstrap.Sockets
	log     *slog.Logger

	advertise netip.Addr // loopback if it is zero
}

func startGossip(t *testing.T, o gossipOptions) *gossiper {
	t.Helper()
	if o.sockets == nil {
		o.sockets = bind(t)
	}
	if o.id == "" {
		o.id = bootstrap.NewState().ID
	}
	if o.cluster == "" {
		o.cluster = "acme"
	}
	p := o.sockets.Ports
	if !o.advertise.IsValid() {
		o.advertise = loopback
	}
	at := func(port int) netip.AddrPort { return netip.AddrPortFrom(o.advertise, uint16(port)) }
	g := &gossiper{addr: at(p.Gossip), id: o.id, gate: &bootstrap.Gate{}}
	var err error
	g.Gossip, err = bootstrap.StartGossip(bootstrap.GossipConfig{
		Cluster: o.cluster, Key: o.key, Seeds: o.seeds, TCP: o.sockets.TCP, UDP: o.sockets.UDP, Gate: g.gate, Logger: o.log,
		Self: bootstrap.Peer{ID: o.id, Name: "n-" + o.id[:2], Boot: bootstrap.NewBoot(), Phase: "waiting", Member: o.member, Version: "0.0.1", Gossip: at(p.Gossip), RPC: at(p.RPC), Raft: at(p.Raft)},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Errorf("close gossip: %v", err)
		}
	})
	return g
}

func gossipKey() []byte {
	b := make([]byte, 32)
	rand.Read(b)
	return b
}

// until waits for a condition on what gossip shows.
func (g *gossiper) until(t *testing.T, what string, d time.Duration, ok func([]bootstrap.Peer) bool) []bootstrap.Peer {
	t.Helper()
	deadline := time.NewTimer(d)
	defer deadline.Stop()
	for {
		changed := g.Changed()
		peers := g.Peers()
		if ok(peers) {
			return peers
		}
		select {
		case <-changed:
		case <-deadline.C:
			t.Fatalf("%s: not within %v: %+v, tries %+v", what, d, peers, g.Tries())
		}
	}
}

func alive(n int) func([]bootstrap.Peer) bool {
	return func(peers []bootstrap.Peer) bool {
		have := 0
		for _, p := range peers {
			if p.Alive {
				have++
			}
		}
		return have == n
	}
}

// TestGossipFinds starts three nodes that know one of them, and looks whether
// each sees what the others say.
func TestGossipFinds(t *testing.T) {
	t.Parallel()
	key := gossipKey()
	a := startGossip(t, gossipOptions{key: key})
	seeds := []netip.AddrPort{a.addr}
	b := startGossip(t, gossipOptions{key: key, seeds: seeds})
	c := startGossip(t, gossipOptions{key: key, seeds: seeds})
	for _, g := range []*gossiper{a, b, c} {
		for _, p := range g.until(t, "all find all", 5*time.Second, alive(2)) {
			if p.Name != "n-"+p.ID[:2] || p.Phase != "waiting" || p.Version != "0.0.1" || p.Boot == "" || !p.RPC.IsValid() || !p.Raft.IsValid() || p.Since.IsZero() || p.Foreign {
				t.Errorf("peer = %+v", p)
			}
		}
	}
	a.SetPhase("member", strings.Repeat("a", 16))
	c.until(t, "a change is heard", 5*time.Second, func(peers []bootstrap.Peer) bool {
		return slices.ContainsFunc(peers, func(p bootstrap.Peer) bool { return p.ID == a.id && p.Phase == "member" && p.Member != "" })
	})
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	a.until(t, "a goodbye is heard", 5*time.Second, alive(1))
	if err := b.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}
}

// TestGossipComesBack restarts a node with its ID: another boot, another port.
// Its goodbye lets go of the old one.
func TestGossipComesBack(t *testing.T) {
	t.Parallel()
	key := gossipKey()
	a := startGossip(t, gossipOptions{key: key})
	b := startGossip(t, gossipOptions{key: key, seeds: []netip.AddrPort{a.addr}})
	first := a.until(t, "b is there", 5*time.Second, alive(1))[0]
	b.until(t, "a is there", 5*time.Second, alive(1)) // or there is nobody to say goodbye to
	b.Close()
	a.until(t, "b is gone", 5*time.Second, alive(0))
	startGossip(t, gossipOptions{key: key, id: b.id, seeds: []netip.AddrPort{a.addr}})
	now := a.until(t, "b is back", 5*time.Second, func(p []bootstrap.Peer) bool { return p[0].Alive && p[0].Boot != first.Boot })[0]
	if now.Gossip == first.Gossip {
		t.Errorf("still at %v", now.Gossip)
	}
}

// TestGossipMoves restarts a node under another address after a crash: without a
// goodbye its name is tied to the old one until that is dead for a while.
func TestGossipMoves(t *testing.T) {
	t.Parallel()
	key := gossipKey()
	a := startGossip(t, gossipOptions{key: key})
	b := startGossip(t, gossipOptions{key: key, seeds: []netip.AddrPort{a.addr}})
	a.until(t, "b is there", 5*time.Second, alive(1))
	b.gate.Shut()
	b.Close()
	moved := startGossip(t, gossipOptions{key: key, id: b.id, seeds: []netip.AddrPort{a.addr}})
	a.until(t, "b is at its new address", 60*time.Second, func(p []bootstrap.Peer) bool { return p[0].Alive && p[0].Gossip == moved.addr })
}

// TestGossipStrangers shows who is not let in: another key, another cluster
// name under the same key.
func TestGossipStrangers(t *testing.T) {
	t.Parallel()
	key := gossipKey()
	a := startGossip(t, gossipOptions{key: key})
	seeds := []netip.AddrPort{a.addr}
	for _, g := range []*gossiper{
		startGossip(t, gossipOptions{key: gossipKey(), seeds: seeds}),
		startGossip(t, gossipOptions{key: key, cluster: "other", seeds: seeds}),
	} {
		tries := g.untilTried(t, a.addr)
		if tries.Err == nil {
			t.Errorf("a stranger joined")
		}
		if len(g.Peers()) != 0 {
			t.Errorf("a stranger sees %+v", g.Peers())
		}
	}
	if len(a.Peers()) != 0 {
		t.Errorf("the node sees strangers: %+v", a.Peers())
	}
}

func (g *gossiper) untilTried(t *testing.T, addr netip.AddrPort) bootstrap.JoinTry {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		for _, try := range g.Tries() {
			if try.Addr == addr {
				return try
			}
		}
	}
	t.Fatalf("never tried %v", addr)
	return bootstrap.JoinTry{}
}

// TestGossipForeign lets two clusters of one name and secret meet: each sees the
// other, marked, and neither takes the other in.
func TestGossipForeign(t *testing.T) {
	t.Parallel()
	key := gossipKey()
	a := startGossip(t, gossipOptions{key: key, member: strings.Repeat("a", 16)})
	b := startGossip(t, gossipOptions{key: key, member: strings.Repeat("b", 16), seeds: []netip.AddrPort{a.addr}})
	for _, g := range []*gossiper{a, b} {
		g.until(t, "the foreign member is seen", 5*time.Second, func(p []bootstrap.Peer) bool {
			return len(p) == 1 && p[0].Foreign && !p[0].Alive
		})
	}
	b.untilTried(t, a.addr) // the lists were exchanged
	if p := b.Peers()[0]; p.Alive {
		t.Errorf("a foreign member was let in: %+v", p)
	}
}

// TestGossipUDP shows the mark of a firewall that knows TCP only: a peer stays
// alive, and its last answer by UDP grows old.
func TestGossipUDP(t *testing.T) {
	t.Parallel()
	key := gossipKey()
	a := startGossip(t, gossipOptions{key: key})
	b := startGossip(t, gossipOptions{key: key, seeds: []netip.AddrPort{a.addr}})
	peer := a.until(t, "b is there", 5*time.Second, alive(1))[0]
	for deadline := time.Now().Add(10 * time.Second); peer.UDP.IsZero(); time.Sleep(20 * time.Millisecond) {
		if peer = a.Peers()[0]; time.Now().After(deadline) {
			t.Fatal("no answer by UDP was noted")
		}
	}
	b.gate.ShutUDP()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if peer = a.Peers()[0]; !peer.Alive {
			t.Fatalf("a peer that answers by TCP is held for dead: %+v", peer)
		}
		if time.Since(peer.UDP) > 5*time.Second {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("answers by UDP are noted while there are none: %+v", peer)
		}
	}
}

// TestGossipConflict runs one node ID twice.
func TestGossipConflict(t *testing.T) {
	t.Parallel()
	key, id := gossipKey(), bootstrap.NewState().ID
	a := startGossip(t, gossipOptions{key: key})
	seeds := []netip.AddrPort{a.addr}
	first := startGossip(t, gossipOptions{key: key, id: id, seeds: seeds})
	a.until(t, "the first is there", 5*time.Second, alive(1))
	second := startGossip(t, gossipOptions{key: key, id: id, seeds: seeds})
	a.until(t, "the second is noticed", 5*time.Second, func([]bootstrap.Peer) bool { return len(a.Conflicts()) > 0 })
	got := a.Conflicts()[0]
	if pair := []netip.AddrPort{got.Have, got.Other}; got.ID != id || !slices.Contains(pair, first.addr) || !slices.Contains(pair, second.addr) {
		t.Errorf("conflict = %+v, want %v and %v", got, first.addr, second.addr)
	}
}
