package bootstrap

import (
	"bytes"
	"cmp"
	"slices"
)

// unbound is a node without a pledge: it joins, pledges itself to somebody's
// roster, or proposes one.
func (d *decision) unbound() (Kind, []Reason) {
	switch {
	case d.plan.Evidence != nil:
		return Join, []Reason{d.exists(d.plan.Evidence)}
	case d.refusal() != nil:
		return d.abort(d.refusal(), nil)
	case d.v.JoinOnly:
		return Wait, append([]Reason{{Code: "no-cluster"}}, d.seedsMissing()...)
	case len(d.v.Seeds) > 0 && d.v.Voters <= len(d.v.Seeds)/2:
		return Wait, []Reason{{Code: "voters-few", Have: d.v.Voters, Want: len(d.v.Seeds)/2 + 1}}
	}
	if r := d.differences(); r != nil {
		return Wait, r
	}
	c := d.candidates()
	r := d.adopt(c)
	if r == nil {
		r = d.propose(c)
	}
	if r == nil {
		return Wait, d.candidatesMissing(c)
	}
	d.plan.Roster = r
	return Pledge, nil
}

// differences is which nodes were configured otherwise. Nothing is formed while
// one of them answers: a majority of the join list only means something if
// everybody has the same list.
func (d *decision) differences() []Reason {
	var r []Reason
	for i := range d.v.Nodes {
		if a := d.fresh(i); a != nil {
			r = append(r, d.differs(i, a)...)
		}
	}
	return r
}

// candidate is a node that may be a founder; answer is nil for this node.
type candidate struct {
	Founder
	answer *Answer
	seed   bool // answers at an address of the join list that is its own
}

// candidates is this node and all that answered in this round and may form a
// cluster with it, in the order in which they are picked. Those pledged to some
// roster are among them.
func (d *decision) candidates() []candidate {
	c := []candidate{{Founder: d.v.Advertise, seed: d.isSeed(d.v.Advertise)}}
	for i := range d.v.Nodes {
		a := d.fresh(i)
		if a == nil || !d.v.Nodes[i].Stable || a.Started || a.Member != (Hash{}) || a.Evidence != nil || a.JoinOnly {
			continue
		}
		c = append(c, candidate{a.Advertise, a, d.isSeed(a.Advertise)})
	}
	c = slices.DeleteFunc(c, func(x candidate) bool { // who is not told apart is nobody
		return slices.ContainsFunc(c, func(y candidate) bool {
			same := x.ID == y.ID || x.PeerURL == y.PeerURL || x.Gossip == y.Gossip || x.RPC == y.RPC
			return x.answer != y.answer && same
		})
	})
	slices.SortFunc(c, func(a, b candidate) int {
		if a.seed != b.seed {
			if a.seed {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.ID, b.ID)
	})
	return c
}

// isSeed tells whether that node itself answered in this round at an address of
// the join list which it calls its own: not a VIP, a balancer or a NAT that leads
// to it. This node is at its own address unless somebody else answers there.
func (d *decision) isSeed(f Founder) bool {
	for i := range d.v.Seeds {
		if s := &d.v.Seeds[i]; s.Addr == f.Gossip {
			return s.By == f.ID || s.By == "" && f.ID == d.s.ID
		}
	}
	return false
}

// enoughSeeds tells whether that many are a majority of the join list. Any two
// rosters then share an address of it, and so a node.
func (d *decision) enoughSeeds(n int) bool {
	return n > len(d.v.Seeds)/2 || len(d.v.Seeds) == 0 && d.v.Voters == 1
}

// adopt is the best roster to which a candidate has pledged itself and to which
// this node may too. This node checks everything with its own eyes.
func (d *decision) adopt(c []candidate) *Roster {
	var best *Roster
	for _, x := range c {
		if x.answer == nil || x.answer.Pledge == nil {
			continue
		}
		r := x.answer.Pledge
		if best != nil && (best.Equal(*r) || !better(r, best)) || d.renounced(r) || !d.agrees(r, c) {
			continue
		}
		best = r
	}
	return best
}

// better orders rosters so that all choose the same one.
func better(a, b *Roster) bool {
	if a.Attempt != b.Attempt {
		return a.Attempt > b.Attempt
	}
	x, y := a.Hash(), b.Hash()
	return bytes.Compare(x[:], y[:]) < 0
}

func (d *decision) agrees(r *Roster, c []candidate) bool {
	if r.Cluster != d.v.Cluster || r.Voters != d.v.Voters || r.Seeds != d.seeds() || r.Check() != nil {
		return false
	}
	if _, on := r.Founder(d.s.ID); !on {
		return false
	}
	seeds := 0
	var h Hash
	for _, f := range r.Founders {
		i := slices.IndexFunc(c, func(x candidate) bool { return x.Founder == f })
		if i < 0 {
			return false
		}
		if c[i].seed {
			seeds++
		}
		if a := c[i].answer; a != nil {
			if a.Pledge != nil && !a.Pledge.Equal(*r) {
				return false
			}
			if h == (Hash{}) && len(a.Aborted) > 0 {
				h = r.Hash()
			}
			if a.renounces(r, h) {
				return false
			}
		}
	}
	return d.enoughSeeds(seeds)
}

// propose is the roster of the first candidates that are not bound, if this node
// is one of them.
func (d *decision) propose(c []candidate) *Roster {
	var founders []Founder
	seeds, self := 0, false
	for _, x := range c {
		if len(founders) == d.v.Voters || x.answer != nil && x.answer.Pledge != nil {
			continue
		}
		founders = append(founders, x.Founder)
		if x.seed {
			seeds++
		}
		self = self || x.answer == nil
	}
	if !self || len(founders) < d.v.Voters || !d.enoughSeeds(seeds) {
		return nil
	}
	r := NewRoster(d.v.Cluster, d.seeds(), d.attempt+1, founders...)
	if r.Check() != nil {
		return nil
	}
	return &r
}
