package bootstrap_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/quorate/quorate/bootstrap"
)

func TestGossipRefusesToStart(t *testing.T) {
	t.Parallel()
	good := bootstrap.Peer{ID: bootstrap.NewState().ID, Boot: "b", Gossip: netip.MustParseAddrPort("127.0.0.1:1"), RPC: netip.MustParseAddrPort("127.0.0.1:2"), Raft: netip.MustParseAddrPort("127.0.0.1:3")}
	wide := good
	wide.Gossip = netip.MustParseAddrPort("0.0.0.0:1")
	for _, tt := range []struct {
		name    string
		cluster string
		key     []byte
		self    bootstrap.Peer
	}{
		{"short key", "acme", []byte("secret"), good},
		{"no cluster", "", gossipKey(), good},
		{"unspecified address", "acme", gossipKey(), wide},
		{"no ID", "acme", gossipKey(), bootstrap.Peer{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := bind(t)
			if g, err := bootstrap.StartGossip(bootstrap.GossipConfig{Cluster: tt.cluster, Key: tt.key, Self: tt.self, TCP: s.TCP, UDP: s.UDP}); err == nil {
				g.Close()
				t.Fatal("it starts")
			}
			again, err := bootstrap.Bind(loopback, bootstrap.Ports{Gossip: s.Ports.Gossip}, bootstrap.Ports{})
			if err != nil {
				t.Fatalf("its sockets were left open: %v", err)
			}
			again.Close()
		})
	}
}

// TestGossipClose closes with nobody there, with addresses that
// refuse or are dead under way, and with a peer that is gone.
func TestGossipClose(t *testing.T) {
	t.Parallel()
	key := gossipKey()
	dead := netip.MustParseAddrPort("192.0.2.1:4780") // reserved for documentation: nobody answers
	refuses := netip.AddrPortFrom(loopback, 1)
	for _, seeds := range [][]netip.AddrPort{nil, {refuses}, {dead}} {
		t.Run(fmt.Sprint(seeds), func(t *testing.T) {
			start := time.Now()
			g := startGossip(t, gossipOptions{key: key, seeds: seeds})
			if err := g.Close(); err != nil {
				t.Fatal(err)
			}
			if d := time.Since(start); d > 2*time.Second {
				t.Errorf("start and close took %v", d)
			}
		})
	}
}
