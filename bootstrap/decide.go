package bootstrap

import "slices"

// Decide says what a node in state s that sees v does next. It is pure: no
// clock, no I/O, nothing kept. It is called after every round of questions, also
// while the member runs. DESIGN.md has the rules and why they are safe.
func Decide(s State, v View) Plan {
	d := decision{s: &s, v: &v}
	d.look()
	kind, reasons := d.choose()
	d.plan.Kind, d.plan.Waiting = kind, append(reasons, d.plan.Waiting...)
	return d.plan
}

// decision is one call of Decide at work.
type decision struct {
	s    *State
	v    *View
	h    Hash // of the own pledge
	join Hash // of the own join list; see seeds
	plan Plan

	attempt int // the highest of any roster seen
}

// seeds is the hash of the own join list.
func (d *decision) seeds() Hash {
	if d.join == (Hash{}) {
		d.join = HashSeeds(d.v.Join)
	}
	return d.join
}

// look takes in what is to be remembered whatever is decided: the highest
// attempt and evidence of a cluster. Neither is ever taken back, so old answers
// serve as well as new ones.
func (d *decision) look() {
	d.h = d.s.Pledged()
	d.attempt = d.s.Attempt
	evident := d.s.Evidence
	for i := range d.v.Nodes {
		a := d.answer(i)
		if a == nil {
			continue
		}
		d.attempt = max(d.attempt, a.Attempt)
		if a.Pledge != nil {
			d.attempt = max(d.attempt, a.Pledge.Attempt)
		}
		if evident == nil && !d.s.Member {
			evident = d.evidence(a)
		}
	}
	d.plan.Evidence = evident
	d.notice()
}

// answer is the last answer of a node of our cluster's name, or nil.
func (d *decision) answer(i int) *Answer {
	n := &d.v.Nodes[i]
	if n.Answer == nil || n.ID == d.s.ID || n.Answer.Cluster != d.v.Cluster {
		return nil
	}
	return n.Answer
}

// fresh is like answer, for those that answered in this round.
func (d *decision) fresh(i int) *Answer {
	if !d.v.Nodes[i].Fresh {
		return nil
	}
	return d.answer(i)
}

// evidence is what an answer says of a cluster that is not the one of our
// pledge. STARTED says nothing: a started roster may never reach a quorum.
func (d *decision) evidence(a *Answer) *Evidence {
	if a.Member != (Hash{}) && a.Member != d.h {
		return &Evidence{Roster: a.Member, By: a.ID}
	}
	if a.Evidence != nil && a.Evidence.Roster != d.h {
		return a.Evidence
	}
	return nil
}

func (d *decision) choose() (Kind, []Reason) {
	if r := d.blocked(); r != nil {
		return Blocked, r
	}
	s, v := d.s, d.v
	switch {
	case s.Discard && v.Data != DataNone: // it died between leaving and tidying up
		return Release, nil
	case s.Member:
		return Restart, nil
	case s.Started && v.Ready:
		d.plan.etcdCluster, d.plan.etcdMember = v.EtcdCluster, v.EtcdMember
		return Settle, nil
	case s.Pledge == nil:
		return d.unbound()
	}
	d.plan.Roster = s.Pledge
	if len(d.aborts()) >= AbortQuorum(s.Pledge.Voters) {
		return Release, nil
	}
	if s.Started {
		return d.started()
	}
	return d.pledged()
}

// aborts is which founders of our roster will never start it.
func (d *decision) aborts() []string {
	var ids []string
	for _, f := range d.s.Pledge.Founders {
		if f.ID == d.s.ID {
			if !d.s.Started && d.s.HasAborted(d.h) {
				ids = append(ids, f.ID)
			}
			continue
		}
		for i := range d.v.Nodes {
			if a := d.answer(i); a != nil && a.ID == f.ID && a.renounces(d.s.Pledge, d.h) {
				ids = append(ids, f.ID)
				break
			}
		}
	}
	return ids
}

// started is a node that was allowed to start its roster's member and whose
// member has not been part of a quorum yet.
func (d *decision) started() (Kind, []Reason) {
	if r := d.refusal(); r != nil {
		return d.abort(r, nil)
	}
	switch {
	case d.v.Data == DataWhole:
		return Restart, d.quorumMissing()
	case d.plan.Evidence != nil:
		return Wait, []Reason{d.foreign(d.plan.Evidence)}
	default: // it died inside etcd's first start, before the member sent anything
		return Start, nil
	}
}

// pledged is a node that is bound to a roster and has not started it.
func (d *decision) pledged() (Kind, []Reason) {
	evident := d.plan.Evidence != nil
	if !evident && d.member() != "" {
		return Start, nil // also after our own abort: see DESIGN.md, the trap
	}
	aborted := d.s.HasAborted(d.h)
	if aborted {
		if r := d.refusal(); r != nil {
			return d.abort(r, nil)
		}
		return Wait, d.abortsMissing()
	}
	if evident {
		return d.abort(d.s.Pledge, []Reason{d.foreign(d.plan.Evidence)})
	}
	holders := d.holders()
	if r := d.hopeless(holders); r != nil {
		return d.abort(d.s.Pledge, r)
	}
	if len(holders) == d.s.Pledge.Voters {
		return Start, nil
	}
	if r := d.refusal(); r != nil {
		return d.abort(r, nil)
	}
	return Wait, d.pledgesMissing(holders)
}

func (d *decision) abort(r *Roster, why []Reason) (Kind, []Reason) {
	d.plan.Roster = r
	return Abort, why
}

// member is a founder that attests to be a member of our roster's cluster: all
// pledged themselves and a quorum started, so starting is safe, and nobody can
// ever leave.
func (d *decision) member() string {
	for i := range d.v.Nodes {
		if a := d.fresh(i); a != nil && a.Member == d.h {
			if _, ok := d.s.Pledge.Founder(a.ID); ok {
				return a.ID
			}
		}
	}
	return ""
}

// holders is which founders are bound to our roster now, with the addresses that
// are written on it; this node among them.
func (d *decision) holders() []string {
	var ids []string
	for _, f := range d.s.Pledge.Founders {
		if f.ID == d.s.ID {
			ids = append(ids, f.ID)
			continue
		}
		for i := range d.v.Nodes {
			if a := d.fresh(i); a != nil && a.ID == f.ID && a.holds(d.s.Pledge, d.h) && a.Advertise == f {
				ids = append(ids, f.ID)
				break
			}
		}
	}
	return ids
}

// refusal is a roster on which we are, to which another node is bound and to
// which we will not be: we are bound to another, or that node has aborted it.
// Our abort lets it leave; without, it would wait for ever.
func (d *decision) refusal() *Roster {
	for i := range d.v.Nodes {
		a := d.fresh(i)
		if a == nil || a.Pledge == nil {
			continue
		}
		if d.s.Pledge != nil && a.Pledge.Equal(*d.s.Pledge) || d.s.Pledge == nil && !a.aborted() {
			continue
		}
		if _, on := a.Pledge.Founder(d.s.ID); on && !d.renounced(a.Pledge) {
			return a.Pledge
		}
	}
	return nil
}

// renounced tells whether this node may not pledge itself to that roster.
func (d *decision) renounced(r *Roster) bool {
	return r.Attempt <= d.s.Floor || len(d.s.Aborted) > 0 && d.s.HasAborted(r.Hash())
}

// hopeless tells why our roster will not be unanimous any more, or why this node
// must not wait for it longer.
func (d *decision) hopeless(holders []string) []Reason {
	r := d.s.Pledge
	self, _ := r.Founder(d.s.ID)
	switch {
	case r.Cluster != d.v.Cluster || r.Voters != d.v.Voters || r.Seeds != d.seeds() || d.v.JoinOnly:
		return []Reason{{Code: "pledge-outdated", Roster: d.h}}
	case self != d.v.Advertise:
		return []Reason{{Code: "pledge-moved", Roster: d.h, Ours: self.PeerURL, Theirs: d.v.Advertise.PeerURL}}
	}
	for _, f := range r.Founders {
		if f.ID == d.s.ID || slices.Contains(holders, f.ID) {
			continue
		}
		if why, lost := d.lost(f); lost {
			why.Roster = d.h
			return []Reason{why}
		}
	}
	return nil
}

// lost tells why a founder will not come to hold our roster, as far as can be
// known.
func (d *decision) lost(f Founder) (Reason, bool) {
	for i := range d.v.Nodes {
		n := &d.v.Nodes[i]
		if n.ID != f.ID {
			if a := d.fresh(i); a != nil && a.Advertise.Gossip == f.Gossip {
				return Reason{Code: "founder-replaced", Nodes: []NodeRef{d.ref(f.ID)}, Addr: f.Gossip, Theirs: a.ID}, true
			}
			continue
		}
		if n.Silent {
			return Reason{Code: "founder-silent", Nodes: []NodeRef{d.ref(f.ID)}, Addr: f.RPC, For: n.For}, true
		}
		a := d.answer(i)
		if a == nil {
			continue
		}
		if a.renounces(d.s.Pledge, d.h) {
			return Reason{Code: "founder-aborted", Nodes: []NodeRef{d.ref(f.ID)}}, true
		}
		if !n.Fresh {
			continue
		}
		switch {
		case a.Pledge != nil && !a.Pledge.Equal(*d.s.Pledge):
			return Reason{Code: "founder-elsewhere", Nodes: []NodeRef{d.ref(f.ID)}}, true
		case a.Advertise != f, a.Voters != d.v.Voters, a.Seeds != d.seeds(), a.JoinOnly:
			return Reason{Code: "founder-changed", Nodes: []NodeRef{d.ref(f.ID)}, Ours: f.PeerURL, Theirs: a.Advertise.PeerURL}, true
		}
	}
	return Reason{}, false
}
