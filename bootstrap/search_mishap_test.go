package bootstrap_test

import (
	"fmt"
	"slices"

	"github.com/quorate/quorate/bootstrap"
)

// wipe takes a machine's disk: the node is gone, and another one is there with
// its address. What the old one said stays said, but no question that is asked
// from now on is answered by it: putting in a new disk takes longer than a round.
func (x *search) wipe(k key, i int) key {
	s := x.slots[i]
	k.setHist(i, s.intern(hist{local: gone, answers: x.outdate(s, s.hists[k.hist(i)])}))
	heir := x.slots[s.heir]
	k.setHist(s.heir, x.hist(heir, hist{}, x.first(heir)))
	return k
}

// outdate is what a node has said, as answers that are not fresh any more.
func (x *search) outdate(s *slot, h hist) []uint16 {
	var l []uint16
	for _, a := range h.answers {
		l = append(l, uint16(x.answer(s, fmt.Sprint("stale ", a), s.answers[a], true)))
	}
	slices.Sort(l)
	return l
}

// setBack restores a machine's disk to what it was when the node first began.
// The node comes back with that, and asks anew: what others said before is no
// answer to its questions, since to restore a disk takes longer than a round.
func (x *search) setBack(k key, i int) key {
	for j, s := range x.slots {
		h := s.hists[k.hist(j)]
		if j != i {
			k.setHist(j, s.intern(hist{local: h.local, answers: []uint16{uint16(s.locals[h.local].answer)}}))
			continue
		}
		first := bootstrap.Begin(bootstrap.State{ID: s.own.Advertise.ID}, "b"+string(s.letter), bootstrap.DataNone)
		again := bootstrap.Begin(first, bootTwo, bootstrap.DataNone)
		k.setHist(i, x.hist(s, hist{answers: x.outdate(s, h)}, x.local(s, again, bootstrap.DataNone)))
	}
	return k
}

// bootTwo is the boot ID of the node that comes back on an old disk.
const bootTwo = "b2"

// mishappened tells whether a disk was lost or set back already.
func (x *search) mishappened(k key) bool {
	var now [maxSlots]uint16
	for i, s := range x.slots {
		now[i] = uint16(s.hists[k.hist(i)].local)
	}
	return x.afterMishap(&now)
}

func (x *search) afterMishap(now *[maxSlots]uint16) bool {
	for i := range x.slots {
		if now[i] == gone || x.at(now, i).state.Boot == bootTwo {
			return true
		}
	}
	return false
}

// What may happen to whom, and when.

// wiped: that node, at any time.
func wiped(x *search, k key, i int) bool { return x.slots[i].heir >= 0 }

// wipedBefore: a node whose roster nobody has started.
func wipedBefore(x *search, k key, i int) bool {
	l := &x.slots[i].locals[x.slots[i].hists[k.hist(i)].local]
	for j, s := range x.slots {
		if o := &s.locals[s.hists[k.hist(j)].local]; o.started && o.roster == l.roster {
			return false
		}
	}
	return wiped(x, k, i) && l.roster >= 0
}

// wipedAfter: a member of a cluster of which everybody knows.
func wipedAfter(x *search, k key, i int) bool {
	for j, s := range x.slots[:len(x.w.nodes)] {
		if o := &s.locals[s.hists[k.hist(j)].local]; j == i && !o.member || !o.member && o.state.Evidence == nil {
			return false
		}
	}
	return wiped(x, k, i)
}

// setBackAfter: a pledged node of whose pledge everybody knows, by its counter.
func setBackAfter(x *search, k key, i int) bool {
	s := x.slots[i]
	l := &s.locals[s.hists[k.hist(i)].local]
	if s.letter != x.w.setBack || l.roster < 0 {
		return false
	}
	for j, o := range x.slots {
		peers := o.locals[o.hists[k.hist(j)].local].state.Peers
		if j != i && (len(peers) == 0 || peers[0].Starts != l.state.Starts) {
			return false
		}
	}
	return true
}
