package bootstrap

import (
	"slices"
	"strings"
)

// ref names a node by what it answered last.
func (d *decision) ref(id string) NodeRef {
	for i := range d.v.Nodes {
		if n := &d.v.Nodes[i]; n.ID == id {
			r := NodeRef{ID: id, Addr: n.Addr}
			if n.Answer != nil {
				r.Name = n.Answer.Name
			}
			return r
		}
	}
	r := NodeRef{ID: id}
	if d.s.Pledge != nil {
		f, _ := d.s.Pledge.Founder(id)
		r.Addr = f.RPC
	}
	if id == d.s.ID {
		r.Name, r.Addr = d.v.Name, d.v.Advertise.RPC
	}
	return r
}

// without is the founders of our roster that are not in ids.
func (d *decision) without(ids []string) []NodeRef {
	var r []NodeRef
	for _, f := range d.s.Pledge.Founders {
		if !slices.Contains(ids, f.ID) {
			r = append(r, d.ref(f.ID))
		}
	}
	return r
}

func (d *decision) pledgesMissing(holders []string) []Reason {
	return []Reason{{Code: "pledges-missing", Roster: d.h, Have: len(holders), Want: d.s.Pledge.Voters, Nodes: d.without(holders)}}
}

// abortsMissing is a node that has aborted its roster and waits for so many
// others that it may be left, or for a member.
func (d *decision) abortsMissing() []Reason {
	aborts := d.aborts()
	r := []Reason{{Code: "aborts-missing", Roster: d.h, Have: len(aborts), Want: AbortQuorum(d.s.Pledge.Voters), Nodes: d.without(aborts)}}
	for _, f := range d.s.Pledge.Founders {
		if why, lost := d.lost(f); lost && why.Code == "founder-replaced" {
			r = append(r, why)
		}
	}
	return r
}

// quorumMissing is a member that has not been part of a quorum yet.
func (d *decision) quorumMissing() []Reason {
	have := []string{d.s.ID}
	for i := range d.v.Nodes {
		a := d.fresh(i)
		if a == nil || !a.Started && a.Member == (Hash{}) {
			continue
		}
		if _, on := d.s.Pledge.Founder(a.ID); on && a.Pledge != nil && a.Pledge.Equal(*d.s.Pledge) {
			have = append(have, a.ID)
		}
	}
	r := []Reason{{Code: "quorum-missing", Roster: d.h, Have: len(have), Want: Quorum(d.s.Pledge.Voters), Nodes: d.without(have)}}
	for _, f := range d.s.Pledge.Founders {
		if why, lost := d.lost(f); lost && why.Code == "founder-replaced" {
			r = append(r, why)
		}
	}
	return r
}

// candidatesMissing is why no roster can be made of these candidates.
func (d *decision) candidatesMissing(c []candidate) []Reason {
	var free, bound []NodeRef
	var picked []NodeRef
	seeds, self := 0, false
	for _, x := range c {
		ref := d.ref(x.ID)
		if x.answer != nil && x.answer.Pledge != nil {
			bound = append(bound, ref)
			continue
		}
		free = append(free, ref)
		if len(picked) < d.v.Voters {
			picked = append(picked, ref)
			self = self || x.answer == nil
			if x.seed {
				seeds++
			}
		}
	}
	var r []Reason
	switch {
	case len(free) < d.v.Voters:
		r = append(r, Reason{Code: "voters-missing", Have: len(free), Want: d.v.Voters, Nodes: free})
	case !self:
		r = append(r, Reason{Code: "spare", Want: d.v.Voters, Nodes: picked})
	default:
		r = append(r, Reason{Code: "seeds-few", Have: seeds, Want: len(d.v.Seeds)/2 + 1, Nodes: picked})
	}
	if len(bound) > 0 {
		r = append(r, Reason{Code: "bound-elsewhere", Nodes: bound})
	}
	for i := range d.v.Nodes {
		a := d.fresh(i)
		switch {
		case a == nil:
		case !d.v.Nodes[i].Stable:
			r = append(r, Reason{Code: "settling", Nodes: []NodeRef{d.ref(a.ID)}})
		case !slices.ContainsFunc(c, func(x candidate) bool { return x.ID == a.ID }) && !a.Started && !a.JoinOnly:
			r = append(r, Reason{Code: "node-twice", Nodes: []NodeRef{d.ref(a.ID)}, Addr: a.Advertise.Gossip})
		}
	}
	return append(r, d.seedsMissing()...)
}

// seedsMissing is why addresses of the join list do not count.
func (d *decision) seedsMissing() []Reason {
	var r []Reason
	for i := range d.v.Seeds {
		s := &d.v.Seeds[i]
		why := Reason{Addr: s.Addr, Theirs: s.Text, For: s.For}
		switch {
		case s.Addr == d.v.Advertise.Gossip && (s.By == "" || s.By == d.s.ID):
			continue
		case s.By == "" && s.Fault == FaultNone:
			why.Code = "seed-" + string(FaultSilent)
		case s.By == "":
			why.Code = "seed-" + string(s.Fault)
		default:
			by := d.ref(s.By)
			own := d.advertised(s.By)
			if own == addrText(s.Addr) {
				continue
			}
			why.Code, why.Nodes, why.Theirs = "seed-not-own", []NodeRef{by}, own
		}
		r = append(r, why)
	}
	return r
}

// advertised is what the node calls its gossip address.
func (d *decision) advertised(id string) string {
	if id == d.s.ID {
		return addrText(d.v.Advertise.Gossip)
	}
	for i := range d.v.Nodes {
		if n := &d.v.Nodes[i]; n.ID == id && n.Answer != nil {
			return addrText(n.Answer.Advertise.Gossip)
		}
	}
	return ""
}

// differs is how another node was configured otherwise.
func (d *decision) differs(i int, a *Answer) []Reason {
	var r []Reason
	who := []NodeRef{{a.ID, a.Name, d.v.Nodes[i].Addr}}
	if a.Voters != d.v.Voters {
		r = append(r, Reason{Code: "voters-differ", Nodes: who, Have: d.v.Voters, Want: a.Voters})
	}
	if a.Seeds != d.seeds() {
		r = append(r, Reason{Code: "join-differs", Nodes: who, Ours: strings.Join(d.v.Join, " "), Theirs: strings.Join(a.Join, " ")})
	}
	return r
}

func (d *decision) exists(e *Evidence) Reason {
	return Reason{Code: "cluster-exists", Roster: e.Roster, Nodes: []NodeRef{d.ref(e.By)}}
}

func (d *decision) foreign(e *Evidence) Reason {
	return Reason{Code: "foreign-cluster", Roster: e.Roster, Ours: d.h.Short(), Nodes: []NodeRef{d.ref(e.By)}}
}

// notice collects what somebody should know although nothing waits for it.
func (d *decision) notice() {
	add := func(r Reason) { d.plan.Notices = append(d.plan.Notices, r) }
	if d.v.Voters%2 == 0 {
		add(Reason{Code: "voters-even", Have: d.v.Voters})
	}
	own := d.s.MemberOf()
	for i := range d.v.Nodes {
		a := d.fresh(i)
		if a == nil {
			continue
		}
		if d.v.Name != "" && a.Name == d.v.Name {
			add(Reason{Code: "name-twice", Nodes: []NodeRef{d.ref(a.ID)}, Ours: a.Name})
		}
		if own != (Hash{}) && a.Member != (Hash{}) && a.Member != own {
			add(Reason{Code: "foreign-cluster", Roster: a.Member, Ours: own.Short(), Nodes: []NodeRef{d.ref(a.ID)}})
		}
		if own != (Hash{}) {
			d.plan.Notices = append(d.plan.Notices, d.differs(i, a)...)
		}
	}
}
