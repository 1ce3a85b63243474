package bootstrap

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/quorate/quorate/internal/problem"
)

// udpSilence is how long a living peer may be without an answer by UDP, among
// few: each is probed in turn, one a second.
const udpSilence = 15 * time.Second

// conflictFor is how long a conflict in gossip is shown after it was seen.
const conflictFor = 30 * time.Second

// DriverStatus is where this node stands, for people. It is a value of its own:
// nothing changes it later, nor may its reader.
type DriverStatus struct {
	State    State  // on disk
	Phase    string // "waiting", "pledged", "started", "member", "joining", "blocked"
	Plan     Kind
	Running  bool              // the member was started
	Problems []problem.Problem // what is waited for, then what should be mended
	Nodes    []NodeStatus      // others, by ID
	Seeds    []Seed
	At       time.Time // of the last round
}

// NodeStatus is another node as gossip and the cluster RPC show it.
type NodeStatus struct {
	ID, Name, Version, Boot, Phase string
	Founder                        Founder // its addresses, as it last attested or gossip says
	Starts                         uint64
	Member                         Hash // its cluster, as it last attested

	Gossip      bool      // alive in gossip
	GossipSince time.Time // since when so; zero if gossip never saw it
	UDP         time.Time // its last direct answer by UDP
	Foreign     bool

	RPC      bool // answered in the last round
	RPCAddr  netip.AddrPort
	RPCFault Fault // why not
	RPCText  string
	RPCFor   time.Duration // how long it has not answered
	Stable   bool
}

// Status is the newest status. It does not block.
func (d *Driver) Status() DriverStatus { return *d.shown.Load() }

// Changed is closed at the next change of Status, which is after each round.
func (d *Driver) Changed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.changed
}

// show publishes the status, here and by gossip.
func (d *Driver) show() {
	if d.cfg.Gossip != nil {
		member := ""
		if d.state.Member {
			member = d.state.MemberOf().String()[:hashLen]
		}
		d.cfg.Gossip.SetPhase(phaseOf(d.state, d.plan.Kind), member)
	}
	now := time.Now()
	s := &DriverStatus{State: d.state, Phase: phaseOf(d.state, d.plan.Kind), Plan: d.plan.Kind, Running: d.running, Seeds: d.view.Seeds, At: now}
	peers := map[string]Peer{}
	for _, p := range d.peers() {
		peers[p.ID] = p
	}
	for _, v := range d.view.Nodes {
		if v.ID == d.state.ID {
			continue
		}
		s.Nodes = append(s.Nodes, d.nodeStatus(v, peers[v.ID]))
		delete(peers, v.ID)
	}
	for id, p := range peers {
		s.Nodes = append(s.Nodes, d.nodeStatus(Seen{ID: id, Addr: p.RPC}, p))
	}
	slices.SortStableFunc(s.Nodes, func(a, b NodeStatus) int { return strings.Compare(a.ID, b.ID) })
	s.Problems = append(d.refusals(), d.plan.Problems()...)
	silence := max(udpSilence, time.Duration(4*len(s.Nodes))*time.Second)
	for _, n := range s.Nodes {
		if p, ok := n.faultProblem(d.state.Pledge != nil); ok {
			s.Problems = append(s.Problems, p)
		}
		if p, ok := n.gossipProblem(now, silence); ok {
			s.Problems = append(s.Problems, p)
		}
	}
	d.shown.Store(s)
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.changed)
	d.changed = make(chan struct{})
}

func (d *Driver) nodeStatus(v Seen, p Peer) NodeStatus {
	n := NodeStatus{ID: v.ID, Name: p.Name, Version: p.Version, Boot: p.Boot, Phase: p.Phase, Gossip: p.Alive, GossipSince: p.Since, UDP: p.UDP, Foreign: p.Foreign,
		RPCAddr: v.Addr, RPCFault: v.Fault, RPCText: v.Text, RPCFor: v.For, Stable: v.Stable}
	n.Founder = Founder{ID: v.ID, Gossip: p.Gossip, RPC: p.RPC}
	if at, known := find(d.state.Peers, v.ID); known && p.ID == "" {
		n.Name, n.Founder.Gossip, n.Founder.RPC = d.state.Peers[at].Name, d.state.Peers[at].Gossip, d.state.Peers[at].RPC
	}
	if m := d.nodes[v.ID]; m != nil {
		n.RPC = m.fresh
	}
	if a := v.Answer; a != nil {
		n.Name, n.Version, n.Boot, n.Starts, n.Member, n.Founder = a.Name, a.Version, a.Boot, a.Starts, a.Member, a.Advertise
		n.Phase = a.phase()
	}
	return n
}

func (a *Answer) phase() string {
	switch {
	case a.Member != (Hash{}):
		return "member"
	case a.Started:
		return "started"
	case a.Pledge != nil:
		return "pledged"
	}
	return "waiting"
}

// faultProblem is why a known node that answers is not understood. A node that is
// bound to a roster asks for the others on it; before that, the plan's reasons
// tell the same of the join list.
func (n *NodeStatus) faultProblem(bound bool) (problem.Problem, bool) {
	if !bound || n.RPC || n.RPCFault == FaultNone || n.RPCFault == FaultSilent {
		return problem.Problem{}, false
	}
	at := n.Founder.Gossip
	if !at.IsValid() {
		at = n.RPCAddr
	}
	return Reason{Code: "seed-" + string(n.RPCFault), Addr: at, Theirs: n.RPCText, For: n.RPCFor}.Problem(), true
}

// gossipProblem is where gossip and the cluster RPC disagree on whether a node
// is there, for longer than that.
func (n *NodeStatus) gossipProblem(now time.Time, silence time.Duration) (problem.Problem, bool) {
	who := NodeRef{n.ID, n.Name, n.Founder.Gossip}.String()
	switch {
	case n.Foreign || n.GossipSince.IsZero() || now.Sub(n.GossipSince) < silence || !n.RPC:
		return problem.Problem{}, false
	case !n.Gossip:
		return problem.Problem{Code: "gossip-dead", What: who + " is dead in gossip but answers the cluster RPC", Why: "gossip does not get through, though TCP to another port does",
			Do: fmt.Sprintf("open port %d for UDP and TCP between the two", n.Founder.Gossip.Port())}, true
	case now.Sub(n.UDP) > silence:
		return problem.Problem{Code: "gossip-udp", What: who + " answers gossip by TCP only", Why: "UDP does not get through in one direction or both",
			Do: fmt.Sprintf("open port %d for UDP between the two", n.Founder.Gossip.Port())}, true
	}
	return problem.Problem{}, false
}

// refusals are the problems of this machine.
func (d *Driver) refusals() []problem.Problem {
	var ps []problem.Problem
	if err := d.failed.save; err != nil {
		ps = append(ps, problem.Problem{Code: "state-write", What: "the state file cannot be written", Why: err.Error(), Do: "free space, or make the data directory writable for this user; it is tried again by itself"})
	}
	if err := d.failed.look; err != nil {
		ps = append(ps, problem.Problem{Code: "member-dir", What: "the member directory cannot be read", Why: err.Error(), Do: "make it readable for this user; it is tried again by itself"})
	}
	if err := d.failed.act; err != nil {
		p := problem.Problem{Code: "member-start", What: "the member cannot be started or stopped", Why: err.Error(), Do: "mend the cause; it is tried again by itself"}
		if e := (*problem.Error)(nil); errors.As(err, &e) {
			p = e.Problem // it knows better
		}
		ps = append(ps, p)
	}
	return append(ps, d.conflicts()...)
}

// conflicts are node IDs that gossip saw alive at two addresses a moment ago: a
// copied disk, if it stays. A node that came back under another address looks
// like that until the old one is held for dead.
func (d *Driver) conflicts() []problem.Problem {
	if d.cfg.Gossip == nil {
		return nil
	}
	var ps []problem.Problem
	for _, c := range d.cfg.Gossip.Conflicts() {
		if time.Since(c.Seen) < conflictFor {
			ps = append(ps, problem.Problem{Code: "gossip-conflict", What: fmt.Sprintf("node %s is at two addresses, %s and %s", c.ID, c.Have, c.Other), Why: "its data directory was copied, or its address has just changed",
				Do: "if this stays for a minute, stop one of the two and empty its data directory"})
		}
	}
	return ps
}

func reasonsText(p Plan) string {
	var texts []string
	for _, r := range p.Waiting {
		texts = append(texts, r.Problem().String())
	}
	return strings.Join(texts, "; ")
}
