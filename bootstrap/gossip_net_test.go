package bootstrap_test

import (
	"bytes"
	"io"
	"log"
	"net/netip"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/quorate/quorate/bootstrap"
)

// TestGossipAddresses lets pairs of nodes find each other that listen on one
// address or on all, and advertise IPv4 or IPv6. What they advertise is never
// the unspecified address.
func TestGossipAddresses(t *testing.T) {
	t.Parallel()
	v4, v6, all := loopback, netip.MustParseAddr("::1"), netip.Addr{}
	for _, tt := range []struct {
		name           string
		listen         netip.Addr
		advertise      netip.Addr
		other, otherAd netip.Addr
	}{
		{"all interfaces, IPv4", all, v4, all, v4},
		{"one address and all", v4, v4, all, v4},
		{"unspecified IPv4", netip.MustParseAddr("0.0.0.0"), v4, v4, v4},
		{"IPv6", v6, v6, v6, v6},
		{"all interfaces, IPv6", all, v6, netip.MustParseAddr("::"), v6},
		{"both families", all, v4, all, v6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			key := gossipKey()
			start := func(listen, advertise netip.Addr, seeds ...netip.AddrPort) *gossiper {
				s, err := bootstrap.Bind(listen, bootstrap.Ports{}, bootstrap.Ports{})
				if err != nil {
					t.Fatal(err)
				}
				return startGossip(t, gossipOptions{key: key, sockets: s, advertise: advertise, seeds: seeds})
			}
			a := start(tt.listen, tt.advertise)
			b := start(tt.other, tt.otherAd, a.addr)
			if p := a.until(t, "b is there", 5*time.Second, alive(1))[0]; p.Gossip != b.addr {
				t.Errorf("b is at %v, want %v", p.Gossip, b.addr)
			}
			if p := b.until(t, "a is there", 5*time.Second, alive(1))[0]; p.Gossip != a.addr {
				t.Errorf("a is at %v, want %v", p.Gossip, a.addr)
			}
			for deadline := time.Now().Add(20 * time.Second); a.Peers()[0].UDP.IsZero(); time.Sleep(20 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("UDP does not get through")
				}
			}
		})
	}
}

// TestGossipPlaintext sends what a node without a key sends that knows all else:
// nothing of it is heard.
func TestGossipPlaintext(t *testing.T) {
	t.Parallel()
	key := gossipKey()
	a := startGossip(t, gossipOptions{key: key})
	meta, err := os.ReadFile("testdata/meta-v1.json")
	if err != nil {
		t.Fatal(err)
	}
	spy := &spyDelegate{meta: bytes.TrimSpace(meta)}
	c := memberlist.DefaultLocalConfig()
	c.Name, c.Label, c.BindAddr, c.BindPort, c.AdvertiseAddr = "00c0ffee12345678", "acme", "127.0.0.1", 0, "127.0.0.1"
	c.Logger = log.New(io.Discard, "", 0)
	c.GossipVerifyIncoming, c.GossipVerifyOutgoing = false, false
	c.Events, c.Delegate = spy, spy
	m, err := memberlist.Create(c)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Shutdown()
	if _, err := m.Join([]string{a.addr.String()}); err == nil {
		t.Error("a node without a key joined")
	}
	b := startGossip(t, gossipOptions{key: key, seeds: []netip.AddrPort{a.addr}})
	a.until(t, "one with the key is there", 5*time.Second, func(p []bootstrap.Peer) bool {
		return slices.ContainsFunc(p, func(p bootstrap.Peer) bool { return p.ID == b.id })
	})
	if p := a.Peers(); len(p) != 1 {
		t.Errorf("plaintext was heard: %+v", p)
	}
	if n := spy.joined.Load(); n != 1 { // itself
		t.Errorf("a node without a key knows %d nodes", n)
	}
}

type spyDelegate struct {
	meta   []byte
	joined atomic.Int64
}

func (s *spyDelegate) NotifyJoin(*memberlist.Node)     { s.joined.Add(1) }
func (s *spyDelegate) NotifyLeave(*memberlist.Node)    {}
func (s *spyDelegate) NotifyUpdate(*memberlist.Node)   {}
func (s *spyDelegate) NodeMeta(int) []byte             { return s.meta }
func (s *spyDelegate) NotifyMsg([]byte)                {}
func (s *spyDelegate) GetBroadcasts(int, int) [][]byte { return nil }
func (s *spyDelegate) LocalState(bool) []byte          { return nil }
func (s *spyDelegate) MergeRemoteState([]byte, bool)   {}
