package bootstrap

import (
	"cmp"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// nodeMemory is what is remembered of a node over the rounds.
type nodeMemory struct {
	answer   *Answer        // the last one; nil if it never answered
	addr     netip.AddrPort // where it is asked
	known    time.Time      // since when we look for it
	answered time.Time      // when it last answered
	first    time.Time      // when this boot of it first answered
	fresh    bool           // it answered in this round
	stable   bool
}

// seedMemory is since when a seed is as it is.
type seedMemory struct {
	fault Fault
	by    string
	since time.Time
}

// remember takes what a round brought to memory, and makes of it the view.
func (d *Driver) remember(targets []netip.AddrPort) {
	now := time.Now()
	d.meet(now)
	var extra []Seen
	for _, a := range targets {
		m := d.addrs[a]
		if m.got == nil || m.got.answer == nil {
			continue
		}
		extra = append(extra, d.hear(m.got, now)...)
	}
	d.view = View{Own: d.cfg.Own, Data: d.data.Data, EtcdCluster: d.data.EtcdCluster, EtcdMember: d.data.EtcdMember, Nodes: extra}
	for id, n := range d.nodes {
		d.view.Nodes = append(d.view.Nodes, d.seen(id, n, now))
	}
	slices.SortStableFunc(d.view.Nodes, func(a, b Seen) int { return cmp.Compare(a.ID, b.ID) })
	for _, s := range d.cfg.Seeds {
		d.view.Seeds = append(d.view.Seeds, d.seed(s, now))
	}
}

// meet begins to look for the nodes that are known without an answer of theirs,
// and for each where it is now said to be.
func (d *Driver) meet(now time.Time) {
	look := func(id string, addr netip.AddrPort) {
		if id == d.state.ID || !reachable(addr) {
			return
		}
		n := d.nodes[id]
		if n == nil && len(d.nodes) < nodesMax {
			n = &nodeMemory{known: now}
			d.nodes[id] = n
		}
		if n != nil && (n.answer == nil || !n.addr.IsValid()) {
			n.addr = addr
		}
	}
	for _, n := range d.nodes {
		n.fresh, n.stable = false, false
	}
	for _, p := range d.state.Peers {
		look(p.ID, p.RPC)
	}
	if d.state.Pledge != nil {
		for _, f := range d.state.Pledge.Founders {
			look(f.ID, f.RPC)
		}
	}
	for _, p := range d.peers() {
		if p.Alive || p.Foreign {
			look(p.ID, p.RPC)
		}
	}
}

// hear takes one answer in. It returns what does not fit into the memory of one
// node: an answer with our own ID, and a second process with one ID.
func (d *Driver) hear(r *result, now time.Time) []Seen {
	a := r.answer
	if a.ID == d.state.ID {
		if a.Boot == d.state.Boot {
			return nil // we asked ourselves
		}
		return []Seen{{ID: a.ID, Addr: r.addr, Answer: a, Fresh: true}}
	}
	n := d.nodes[a.ID]
	switch {
	case n == nil && len(d.nodes) >= nodesMax && !d.dropOldest():
		return nil
	case n == nil:
		n = &nodeMemory{known: now}
		d.nodes[a.ID] = n
	case n.fresh && n.answer.Boot != a.Boot:
		return []Seen{{ID: a.ID, Addr: r.addr, Answer: a, Fresh: true}}
	case n.fresh && n.addr == a.Advertise.RPC:
		return nil // heard at its own address already
	}
	if n.answer == nil || n.answer.Boot != a.Boot {
		n.first = now
	}
	if n.answer == nil || differs(n.answer, a) {
		d.stir()
	}
	n.answer, n.addr, n.answered, n.fresh = a, r.addr, now, true
	n.stable = now.Sub(n.first) >= stableFor
	return nil
}

// differs tells whether an answer has news, beside what its node knows of others.
func differs(a, b *Answer) bool {
	return a.Boot != b.Boot || a.Started != b.Started || a.Member != b.Member || len(a.Aborted) != len(b.Aborted) ||
		(a.Pledge == nil) != (b.Pledge == nil) || a.Pledge != nil && !a.Pledge.Equal(*b.Pledge) || (a.Evidence == nil) != (b.Evidence == nil)
}

// dropOldest forgets the node that has not answered for longest.
func (d *Driver) dropOldest() bool {
	ids := slices.SortedFunc(maps.Keys(d.nodes), func(a, b string) int { return d.nodes[a].answered.Compare(d.nodes[b].answered) })
	for _, id := range ids {
		if !d.nodes[id].fresh {
			delete(d.nodes, id)
			return true
		}
	}
	return false
}

// seen is a node as the decision sees it.
func (d *Driver) seen(id string, n *nodeMemory, now time.Time) Seen {
	s := Seen{ID: id, Addr: n.addr, Answer: n.answer, Fresh: n.fresh, Stable: n.stable}
	if n.fresh {
		return s
	}
	last := n.answered
	if last.IsZero() {
		last = n.known
	}
	s.For = now.Sub(last)
	s.Fault = FaultSilent
	if m := d.addrs[n.addr]; m != nil {
		if m.err != nil {
			s.Fault, s.Text = faultOf(m.err), causeOf(m.err)
		}
		s.Silent = s.For >= silentFor && m.bad >= silentAsks
	}
	return s
}

// seed is an address of the join list as the decision sees it.
func (d *Driver) seed(addr netip.AddrPort, now time.Time) Seed {
	s := Seed{Addr: addr, Fault: FaultSilent}
	for _, a := range d.seedAddrs(addr) {
		m := d.addrs[a]
		if m == nil {
			continue
		}
		if m.got != nil && m.got.answer != nil {
			if who := m.got.answer; s.By == "" || who.Advertise.Gossip == addr {
				s.By, s.Fault, s.Text = who.ID, FaultNone, ""
			}
		} else if s.By == "" && m.err != nil {
			s.Fault, s.Text = faultOf(m.err), causeOf(m.err)
		}
	}
	if s.By == "" && addr == d.cfg.Own.Advertise.Gossip {
		s.Fault, s.Text = FaultNone, "" // not everybody can reach himself from inside
	}
	m := d.seeds[addr]
	if m == nil || m.fault != s.Fault || m.by != s.By {
		since := now
		if m == nil {
			since = d.began
		}
		m = &seedMemory{s.Fault, s.By, since}
		d.seeds[addr] = m
	}
	s.For = now.Sub(m.since)
	return s
}

// untilStable is when the first of the nodes that answer will be stable.
func (d *Driver) untilStable() time.Duration {
	var soon time.Duration
	for _, n := range d.nodes {
		if n.fresh && !n.stable {
			if t := max(stableFor-time.Since(n.first), time.Millisecond); soon == 0 || t < soon {
				soon = t
			}
		}
	}
	return soon
}

func faultOf(err error) Fault {
	switch {
	case errors.Is(err, ErrOtherSecret):
		return FaultSecret
	case errors.Is(err, ErrCertDates):
		return FaultDates
	case errors.Is(err, ErrVersion):
		return FaultVersion
	case errors.Is(err, ErrStranger):
		return FaultStranger
	}
	return FaultSilent
}

// causeOf is an error of a question without the words that the fault stands for.
func causeOf(err error) string {
	text := err.Error()
	for _, e := range []error{ErrUnreachable, ErrOtherSecret, ErrCertDates, ErrVersion, ErrStranger} {
		if _, rest, ok := strings.Cut(text, e.Error()+": "); ok {
			return rest
		}
	}
	return text
}
