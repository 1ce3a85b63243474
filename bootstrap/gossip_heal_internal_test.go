package bootstrap

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"
)

// quick makes memberlist live ten times as fast.
func quick(c *memberlist.Config) {
	c.ProbeInterval, c.ProbeTimeout = 100*time.Millisecond, 50*time.Millisecond
	c.GossipInterval = 20 * time.Millisecond
	c.SuspicionMaxTimeoutMult = 2
	c.GossipToTheDeadTime = 500 * time.Millisecond
	c.TCPTimeout = 500 * time.Millisecond
}

// TestGossipHeals cuts one of three off until both sides have forgotten each
// other, which memberlist never mends, and lets it back.
func TestGossipHeals(t *testing.T) {
	t.Parallel()
	type one struct {
		*Gossip
		gate Gate
	}
	var all []*one
	var seeds []netip.AddrPort
	for range 3 {
		lo := netip.MustParseAddr("127.0.0.1")
		s, err := Bind(lo, Ports{}, Ports{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		at := func(port int) netip.AddrPort { return netip.AddrPortFrom(lo, uint16(port)) }
		n := &one{}
		n.Gossip, err = StartGossip(GossipConfig{Cluster: "acme", Key: bytes.Repeat([]byte{7}, 32), TCP: s.TCP, UDP: s.UDP, Seeds: seeds, Gate: &n.gate, tune: quick, period: 300 * time.Millisecond,
			Self: Peer{ID: NewState().ID, Boot: NewBoot(), Gossip: at(s.Ports.Gossip), RPC: at(s.Ports.RPC), Raft: at(s.Ports.Raft)}})
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		all = append(all, n)
		seeds = []netip.AddrPort{all[0].cfg.Self.Gossip}
	}
	until := func(n *one, what string, alive int) {
		t.Helper()
		deadline := time.After(30 * time.Second)
		for {
			changed, have := n.Changed(), 0
			for _, p := range n.Peers() {
				if p.Alive {
					have++
				}
			}
			if have == alive {
				return
			}
			select {
			case <-changed:
			case <-deadline:
				t.Fatalf("%s: %+v", what, n.Peers())
			}
		}
	}
	for _, n := range all {
		until(n, "all find all", 2)
	}
	lost := all[2]
	lost.gate.Shut()
	until(all[0], "the lost one is dead", 1)
	until(all[1], "the lost one is dead", 1)
	until(lost, "the others are dead", 0)
	time.Sleep(2 * time.Second) // the cut lasts: now they are forgotten too
	lost.gate.Open()
	for _, n := range all {
		until(n, "all find all again", 2)
	}
}
