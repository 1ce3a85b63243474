package bootstrap

import (
	"net/netip"
	"testing"
	"time"
)

// TestGossipProblem holds when gossip and the cluster RPC disagree so much that
// a person must hear of it.
func TestGossipProblem(t *testing.T) {
	now := time.Now()
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for _, tt := range []struct {
		name string
		n    NodeStatus
		want string
	}{
		{"all is well", NodeStatus{RPC: true, Gossip: true, GossipSince: ago(time.Hour), UDP: ago(time.Second)}, ""},
		{"UDP is blocked from the start", NodeStatus{RPC: true, Gossip: true, GossipSince: ago(time.Minute)}, "gossip-udp"},
		{"UDP is blocked now", NodeStatus{RPC: true, Gossip: true, GossipSince: ago(time.Hour), UDP: ago(time.Minute)}, "gossip-udp"},
		{"not yet probed", NodeStatus{RPC: true, Gossip: true, GossipSince: ago(5 * time.Second)}, ""},
		{"gossip is blocked", NodeStatus{RPC: true, GossipSince: ago(time.Minute), UDP: ago(2 * time.Minute)}, "gossip-dead"},
		{"it has just died in gossip", NodeStatus{RPC: true, GossipSince: ago(time.Second)}, ""},
		{"it is off", NodeStatus{GossipSince: ago(time.Hour)}, ""},
		{"RPC is blocked", NodeStatus{Gossip: true, GossipSince: ago(time.Hour)}, ""},
		{"gossip never saw it", NodeStatus{RPC: true}, ""},
		{"foreign", NodeStatus{RPC: true, Foreign: true, GossipSince: ago(time.Hour)}, ""},
	} {
		tt.n.Founder.Gossip = netip.MustParseAddrPort("10.0.0.2:4780")
		p, ok := tt.n.gossipProblem(now, udpSilence)
		if p.Code != tt.want || ok != (tt.want != "") {
			t.Errorf("%s: %v", tt.name, p)
		}
	}
}

func TestConflictsAreShown(t *testing.T) {
	d := bareDriver(t, func() (Answer, error) { return Answer{}, ErrUnreachable })
	g := bareGossip("")
	d.cfg.Gossip = g
	own, other := d.cfg.Own.Advertise.Gossip, netip.MustParseAddrPort("10.0.0.9:4780")
	g.conflict(Conflict{ID: d.state.ID, Have: own, Other: other, Seen: time.Now()})
	g.conflict(Conflict{ID: "1111111111111111", Have: own, Other: other, Seen: time.Now().Add(-time.Hour)})
	if p := d.conflicts(); len(p) != 1 || p[0].Code != "gossip-conflict" {
		t.Errorf("problems = %v", p)
	}
	if twins := d.twins(); len(twins) != 1 || twins[0] != netip.MustParseAddrPort("10.0.0.9:4781") {
		t.Errorf("our twin is asked at %v", twins)
	}
}
