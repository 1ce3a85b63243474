package bootstrap_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/quorate/quorate/bootstrap"
)

// The search plays every order in which nodes may act and every set of answers
// that they may have when they do. What a node does is always what the real
// Decide and Apply say; only the world around them is made here.
//
// A world's state is, for each node, what is on its disk and the set of answers
// that it has ever given. A node that acts may have, of every other node, no
// answer or any of those: messages that are lost, late, or cut off by a
// partition. A crash loses nothing else than answers, so it needs no step of its
// own, except in the middle of a plan: after the state was saved and before the
// plan was carried out.

const (
	maxSlots   = 6 // nodes, a wiped one and the one that comes after it
	absent     = 0 // local state: there is no such node yet
	gone       = 1 // its disk was wiped
	firstLocal = 2
)

// world is one named setting.
type world struct {
	name     string
	voters   int
	nodes    string                                // one letter a machine; "abcd"
	seeds    string                                // the machines in the join list
	rosters  []string                              // those that may be pledged to, "abc" or with an attempt "abc#2"; all if empty
	limit    int                                   // states in the normal run, if not normalStates
	attempts int                                   // rosters of later attempts are not pledged to
	wipe     string                                // machines of which one may lose its disk, once; it comes back as the capital letter
	setBack  byte                                  // a machine whose disk may be set back to what it was at first, once; start counters count here
	mishap   func(x *search, k key, slot int) bool // whether it may happen to that node now
	calm     bool                                  // nobody is silent for so long that others give up
	torn     bool                                  // a node may die after it saved its state and before, or while, it acts
}

// local is what one node has on its disk.
type local struct {
	state   bootstrap.State
	data    bootstrap.Data
	answer  int // index in slot.answers
	roster  int // index of the pledged roster in search.rosters, -1
	started bool
	member  bool
	aborted bool // its own pledge
}

// slot is one identity: a node, or what a wiped machine becomes.
type slot struct {
	letter   byte
	own      bootstrap.Own
	seed     int // its machine's place in the join list, -1
	heir     int // slot of the identity that follows a wipe, -1
	locals   []local
	byKey    map[string]int
	answers  []bootstrap.Answer
	stale    []bool // same index: given by an identity that is gone
	ansKey   map[string]int
	hists    []hist
	histKey  map[string]int
	memo     memo
	outcomes []outcome
	outKey   map[string]int
}

// hist is what one identity has been so far.
type hist struct {
	local   int
	answers []uint16 // that it has given, ascending; the last one given is local's
}

// outcome is what Decide's plan made of one local state: the states in which the
// node may be afterwards. More than one if it may die on the way.
type outcome struct {
	kind    bootstrap.Kind
	roster  int  // of the plan, -1
	outside bool // a pledge to a roster that is not of this world
	next    []int
}

func nodeID(letter byte) string {
	if letter >= 'a' {
		return strings.Repeat(string(letter), 16)
	}
	low := letter + 'a' - 'A'
	return strings.Repeat(string(low)+"0", 8) // sorts before the one it follows
}

func letterOf(id string) string {
	for _, l := range "abcdefABCDEF" {
		if nodeID(byte(l)) == id {
			return string(l)
		}
	}
	return "?"
}

func newSlots(w world) []*slot {
	var slots []*slot
	var join []string
	for i := range w.seeds {
		join = append(join, hostOf(w.seeds[i])+":4780")
	}
	add := func(letter byte) {
		f := founder(nodeID(letter), hostOf(letter))
		slots = append(slots, &slot{
			letter: letter, seed: strings.IndexByte(strings.ToUpper(w.seeds), upper(letter)), heir: -1,
			own:   bootstrap.Own{Cluster: "acme", Voters: w.voters, Join: join, Name: string(letter), Version: "1", Advertise: f},
			byKey: map[string]int{}, ansKey: map[string]int{}, histKey: map[string]int{}, outKey: map[string]int{}, memo: newMemo(),
			locals: make([]local, firstLocal), answers: make([]bootstrap.Answer, 1), stale: make([]bool, 1), hists: make([]hist, 1),
		})
	}
	for i := range w.nodes {
		add(w.nodes[i])
	}
	for i := range w.wipe {
		slots[strings.IndexByte(w.nodes, w.wipe[i])].heir = len(slots)
		add(upper(w.wipe[i]))
	}
	return slots
}

func upper(l byte) byte { return strings.ToUpper(string(l))[0] }

func hostOf(letter byte) string { return fmt.Sprintf("10.0.0.%d", upper(letter)-'A'+1) }

// first is a node that begins on an empty disk.
func (x *search) first(s *slot) int {
	state := bootstrap.Begin(bootstrap.State{ID: s.own.Advertise.ID}, "b"+string(s.letter), bootstrap.DataNone)
	return x.local(s, state, bootstrap.DataNone)
}

// local interns what is on a disk, without what does not matter: counters.
func (x *search) local(s *slot, state bootstrap.State, data bootstrap.Data) int {
	state.EtcdCluster, state.EtcdMember = 0, 0
	if s.letter != x.w.setBack {
		state.Starts = 1
	}
	l := local{state: state, data: data, roster: -1}
	aborted := make([]int, 0, len(state.Aborted))
	for _, h := range state.Aborted {
		aborted = append(aborted, x.rosterOf[h])
	}
	slices.Sort(aborted)
	if state.Pledge != nil {
		l.roster = x.roster(state.Pledge)
		l.started, l.member, l.aborted = state.Started, state.Member, state.HasAborted(state.Pledged())
	}
	evidence := "-"
	if state.Evidence != nil {
		evidence = fmt.Sprint(x.rosterOf[state.Evidence.Roster])
	}
	said := fmt.Sprint(l.roster, state.Started, state.Member, aborted, state.Attempt, state.Floor, evidence)
	if x.w.setBack != 0 {
		said += fmt.Sprint(state.Starts, state.Boot, state.Peers)
	}
	k := fmt.Sprint(said, state.Discard, data)
	if i, ok := s.byKey[k]; ok {
		return i
	}
	l.answer = x.answer(s, said, bootstrap.Attest(state, s.own), false)
	s.byKey[k] = len(s.locals)
	s.locals = append(s.locals, l)
	return len(s.locals) - 1
}

func (x *search) answer(s *slot, said string, a bootstrap.Answer, stale bool) int {
	k := fmt.Sprint(said, stale)
	if i, ok := s.ansKey[k]; ok {
		return i
	}
	s.ansKey[k] = len(s.answers)
	s.answers, s.stale = append(s.answers, a), append(s.stale, stale)
	return len(s.answers) - 1
}

// hist interns the history that follows h when the node is in local now.
func (x *search) hist(s *slot, h hist, now int) int {
	n := hist{local: now, answers: h.answers}
	if now >= firstLocal {
		if at, ok := slices.BinarySearch(n.answers, uint16(s.locals[now].answer)); !ok {
			n.answers = slices.Insert(slices.Clone(n.answers), at, uint16(s.locals[now].answer))
		}
	}
	return s.intern(n)
}

func (s *slot) intern(n hist) int {
	b := make([]byte, 0, 2+2*len(n.answers))
	b = append(b, byte(n.local), byte(n.local>>8))
	for _, a := range n.answers {
		b = append(b, byte(a), byte(a>>8))
	}
	if i, ok := s.histKey[string(b)]; ok {
		return i
	}
	s.histKey[string(b)] = len(s.hists)
	s.hists = append(s.hists, n)
	return len(s.hists) - 1
}

// roster interns a roster.
func (x *search) roster(r *bootstrap.Roster) int {
	h := r.Hash()
	if i, ok := x.rosterOf[h]; ok {
		return i
	}
	x.rosterOf[h] = len(x.rosters)
	x.rosters = append(x.rosters, *r)
	return len(x.rosters) - 1
}

func rosterText(r *bootstrap.Roster) string {
	var b strings.Builder
	for _, f := range r.Founders {
		b.WriteString(letterOf(f.ID))
	}
	fmt.Fprintf(&b, "#%d", r.Attempt)
	return b.String()
}

// allowed tells whether the world lets a node pledge itself to that roster.
func (w *world) allowed(r *bootstrap.Roster) bool {
	if r.Attempt > w.attempts {
		return false
	}
	t := rosterText(r)
	return len(w.rosters) == 0 || slices.ContainsFunc(w.rosters, func(a string) bool { return a == t || a == t[:len(t)-2] })
}

// view is what the node in slot i sees: of every other slot the answer with that
// index, or none. Who does not answer is silent for long if silent is set.
func (x *search) view(i int, data bootstrap.Data, seen *[maxSlots]uint16, silent, ready bool) bootstrap.View {
	s := x.slots[i]
	x.nodes, x.seeds = x.nodes[:0], append(x.seeds[:0], x.noSeeds...)
	for j, o := range x.slots {
		if j == i {
			continue
		}
		n := bootstrap.Seen{ID: o.own.Advertise.ID, Addr: o.own.Advertise.RPC}
		if a := seen[j]; a == 0 {
			n.Silent = silent
		} else {
			n.Answer = &o.answers[a]
			n.Fresh, n.Stable = !o.stale[a], !o.stale[a]
			n.Silent = silent && o.stale[a]
			if n.Fresh && o.seed >= 0 {
				x.seeds[o.seed].By = n.ID
			}
		}
		x.nodes = append(x.nodes, n)
	}
	return bootstrap.View{Own: s.own, Data: data, Ready: ready, Nodes: x.nodes, Seeds: x.seeds}
}

// act carries out a plan that was made from the view of m.
func (x *search) act(s *slot, l *local, p bootstrap.Plan, m *move) outcome {
	state := bootstrap.Apply(l.state, p)
	if x.w.setBack != 0 {
		v := x.view(m.slot, l.data, &m.seen, m.silent, m.ready)
		state = bootstrap.Learn(state, slices.DeleteFunc(v.Nodes, func(n bootstrap.Seen) bool { return n.ID != nodeID(x.w.setBack) }))
	}
	o := outcome{kind: p.Kind, roster: -1}
	if p.Roster != nil {
		o.roster = x.roster(p.Roster)
	}
	o.outside = p.Kind == bootstrap.Pledge && !x.w.allowed(p.Roster)
	switch {
	case p.Kind == bootstrap.Start && x.w.torn: // it may die before etcd has written anything, or in the middle
		o.next = []int{x.local(s, state, bootstrap.DataNone), x.local(s, state, bootstrap.DataEmpty), x.local(s, state, bootstrap.DataWhole)}
	case p.Kind == bootstrap.Start:
		o.next = []int{x.local(s, state, bootstrap.DataWhole)}
	case p.Kind == bootstrap.Release && x.w.torn && l.data != bootstrap.DataNone: // or before the directory is moved
		o.next = []int{x.local(s, state, l.data), x.local(s, state, bootstrap.DataNone)}
	case p.Kind == bootstrap.Release:
		o.next = []int{x.local(s, state, bootstrap.DataNone)}
	default:
		o.next = []int{x.local(s, state, l.data)}
	}
	return o
}
