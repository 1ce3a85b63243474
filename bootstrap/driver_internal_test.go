package bootstrap

import (
	"context"
	"net/netip"
	"testing"
	"time"
)

type noMember struct{ Member }

func (noMember) Look() (MemberData, error) { return MemberData{}, nil }

// bareDriver is a Driver whose goroutine does not run.
func bareDriver(t *testing.T, ask func() (Answer, error)) *Driver {
	t.Helper()
	s := NewState()
	at := netip.MustParseAddrPort("10.0.0.1:4780")
	seed := netip.MustParseAddrPort("10.0.0.2:4780")
	d, err := StartDriver(DriverConfig{State: s, Save: func(State) error { return nil }, Member: noMember{}, Seeds: []netip.AddrPort{seed},
		Own: Own{Cluster: "acme", Voters: 2, Join: []string{"10.0.0.1:4780", "10.0.0.2:4780"}, Advertise: Founder{ID: s.ID, Gossip: at, RPC: at, PeerURL: "https://10.0.0.1:4782"}},
		Ask: func(ctx context.Context, addr netip.AddrPort, from Caller) (Answer, error) { return ask() }})
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
	d.ctx, d.cancel = context.WithCancel(context.Background())
	t.Cleanup(d.Close)
	return d
}

// TestAnswersServeOneDecision holds that nothing is decided twice on one fresh
// answer: not by a second step, and not by one that came late.
func TestAnswersServeOneDecision(t *testing.T) {
	other := Begin(NewState(), NewBoot(), DataNone)
	at := netip.MustParseAddrPort("10.0.0.2:4780")
	a := Attest(other, Own{Cluster: "acme", Voters: 2, Join: []string{"10.0.0.1:4780", "10.0.0.2:4780"}, Advertise: Founder{ID: other.ID, Gossip: at, RPC: netip.MustParseAddrPort("10.0.0.2:4781"), PeerURL: "https://10.0.0.2:4782"}})
	d := bareDriver(t, func() (Answer, error) { return a, nil })
	d.ask()
	if len(d.view.Nodes) != 1 || !d.view.Nodes[0].Fresh {
		t.Fatalf("nodes = %+v", d.view.Nodes)
	}
	d.step()
	if d.view.Nodes[0].Fresh {
		t.Error("an answer is fresh for a second decision")
	}

	addr := netip.MustParseAddrPort("10.0.0.2:4781")
	d.addrs[addr].busy, d.addrs[addr].got = true, nil // one of an earlier round is under way
	if !d.late(result{round: d.round, addr: addr, answer: &a}) {
		t.Error("a late answer is no reason for another round")
	}
	d.remember(d.targets())
	if n := d.view.Nodes[0]; n.Fresh || n.Answer == nil {
		t.Errorf("a late answer makes %+v", n)
	}
}

func TestStableNeedsTwoLooks(t *testing.T) {
	d := bareDriver(t, func() (Answer, error) { return Answer{}, ErrUnreachable })
	other := Answer{ID: "1111111111111111", Boot: "b"}
	now := time.Now()
	for _, tt := range []struct {
		after  time.Duration
		boot   string
		stable bool
	}{{0, "b", false}, {499 * time.Millisecond, "b", false}, {500 * time.Millisecond, "b", true}, {time.Second, "c", false}, {1500 * time.Millisecond, "c", true}} {
		d.meet(now)
		a := other
		a.Boot = tt.boot
		d.hear(&result{addr: netip.MustParseAddrPort("10.0.0.2:4781"), answer: &a}, now.Add(tt.after))
		if got := d.nodes[other.ID].stable; got != tt.stable {
			t.Errorf("after %v with boot %s: stable = %v", tt.after, tt.boot, got)
		}
	}
}

// TestTwins has two processes with one ID, and one with ours: none is lost.
func TestTwins(t *testing.T) {
	d := bareDriver(t, func() (Answer, error) { return Answer{}, ErrUnreachable })
	at := netip.MustParseAddrPort("10.0.0.2:4781")
	hear := func(id, boot string) []Seen {
		return d.hear(&result{addr: at, answer: &Answer{ID: id, Boot: boot, Advertise: Founder{ID: id, RPC: at}}}, time.Now())
	}
	if s := hear("1111111111111111", "a"); s != nil {
		t.Errorf("the first: %+v", s)
	}
	if s := hear("1111111111111111", "b"); len(s) != 1 || !s[0].Fresh {
		t.Errorf("the second: %+v", s)
	}
	if s := hear(d.state.ID, d.state.Boot); s != nil {
		t.Errorf("ourselves: %+v", s)
	}
	if s := hear(d.state.ID, "other"); len(s) != 1 || !s[0].Fresh {
		t.Errorf("our twin: %+v", s)
	}
}

// TestNodesAreBounded hears more nodes than are remembered.
func TestNodesAreBounded(t *testing.T) {
	d := bareDriver(t, func() (Answer, error) { return Answer{}, ErrUnreachable })
	for range 3 * nodesMax {
		d.meet(time.Now())
		id := NewState().ID
		d.hear(&result{answer: &Answer{ID: id, Boot: "b"}}, time.Now())
		d.hints.add(Caller{ID: id, RPC: netip.MustParseAddrPort("10.0.0.2:4781")})
	}
	if len(d.nodes) > nodesMax || len(d.hints.addrs()) > nodesMax || len(d.targets()) > nodesMax {
		t.Errorf("%d nodes, %d hints, %d targets", len(d.nodes), len(d.hints.addrs()), len(d.targets()))
	}
}
