package bootstrap_test

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/quorate/quorate/bootstrap"
)

// key is a world's state, packed: for each slot the index of its history, and
// the rosters of which a quorum has ever been started at one time.
type key [3]uint64

func (k key) hist(i int) int { return int(k[i/2]>>(24*(i%2))) & (1<<24 - 1) }

func (k *key) setHist(i, h int) {
	if h >= 1<<24 {
		panic("search: too many histories")
	}
	shift := 24 * (i % 2)
	k[i/2] = k[i/2]&^((1<<24-1)<<shift) | uint64(h)<<shift
}

func (k key) live() uint64 { return k[0]>>48 | k[1]>>48<<16 | k[2]>>48<<32 }

func (k *key) setLive(l uint64) {
	for i := range k {
		k[i] = k[i]&(1<<48-1) | l>>(16*i)&0xffff<<48
	}
}

// search explores one world, breadth first, so that the first violation that it
// finds is one with the fewest steps.
type search struct {
	w        world
	slots    []*slot
	rosters  []bootstrap.Roster
	rosterOf map[bootstrap.Hash]int

	noSeeds []bootstrap.Seed // the join list, with nobody there
	nodes   []bootstrap.Seen // of the view at hand
	seeds   []bootstrap.Seed
	bits    int   // of an answer's index in the key of a memo
	lived   []int // rosters that had a quorum in some state

	seen  visited
	limit int // states; 0 = all
	calls int // of Decide
	kinds map[bootstrap.Kind]int
	moves []move                      // of the state at hand
	traps int                         // states in which a node has aborted by itself while its roster lives
	ended map[[maxSlots]uint16]string // how states with these disks end
}

// move is what a node may do: a plan, and a view that leads to it.
type move struct {
	slot, out int
	seen      [maxSlots]uint16
	silent    bool
	ready     bool
}

func newSearch(w world) *search {
	x := &search{w: w, slots: newSlots(w), rosterOf: map[bootstrap.Hash]int{}, kinds: map[bootstrap.Kind]int{}, seen: newVisited(), ended: map[[maxSlots]uint16]string{}}
	x.bits = 50 / max(4, len(x.slots)-1)
	for _, a := range x.slots[0].own.Join {
		x.noSeeds = append(x.noSeeds, bootstrap.Seed{Addr: addr(a)})
	}
	return x
}

func (x *search) initial() key {
	var k key
	for i, s := range x.slots {
		if i < len(x.w.nodes) {
			k.setHist(i, x.hist(s, hist{}, x.first(s)))
		}
	}
	return k
}

// run explores until there is nothing new, the limit is reached, or something is
// wrong; then it returns what, and how it came to it.
func (x *search) run() string {
	start := x.initial()
	x.seen.add(start, 0)
	badEnd := ""
	for at := 0; at < x.seen.len(); at++ {
		if x.limit > 0 && x.seen.len() >= x.limit {
			return badEnd
		}
		k := x.seen.at(at)
		if badEnd == "" { // two clusters are worse, so they are looked for first
			if bad := x.ends(k); bad != "" {
				badEnd = bad + "\n" + x.trace(at)
			}
		}
		bad := ""
		x.step(k, func(n key, _ *move) bool {
			if x.seen.add(n, at) && bits.OnesCount64(n.live()) > 1 {
				bad = "two clusters\n" + x.trace(x.seen.len()-1)
			}
			return bad == ""
		})
		if bad != "" {
			return bad
		}
	}
	return badEnd
}

// step calls yield with every state that may follow k and the move that leads
// there, nil for a wipe, until it returns false.
func (x *search) step(k key, yield func(n key, m *move) bool) {
	for i, s := range x.slots {
		h := s.hists[k.hist(i)]
		if h.local < firstLocal {
			continue
		}
		l := &s.locals[h.local]
		plans := x.plans(k, i)
		for p := range plans {
			m := &plans[p]
			out := &s.outcomes[m.out]
			if out.outside || len(out.next) == 1 && out.next[0] == h.local {
				continue
			}
			x.verify(s, l, *m)
			for _, next := range out.next {
				if next == h.local {
					continue
				}
				n := k
				n.setHist(i, x.hist(s, h, next))
				x.quorums(&n)
				if !yield(n, m) {
					return
				}
			}
		}
		if x.w.mishap != nil && !x.mishappened(k) && x.w.mishap(x, k, i) {
			var n key
			if s.heir >= 0 {
				n = x.wipe(k, i)
			} else {
				n = x.setBack(k, i)
			}
			if !yield(n, nil) {
				return
			}
		}
	}
}

// quorums notes the rosters of which a quorum of members is started.
func (x *search) quorums(k *key) {
	live := k.live()
	for i, s := range x.slots {
		l := &s.locals[s.hists[k.hist(i)].local]
		if !l.started || l.roster < 0 {
			continue
		}
		n := 0
		for j, o := range x.slots {
			if m := &o.locals[o.hists[k.hist(j)].local]; m.started && m.roster == l.roster {
				n++
			}
		}
		if n >= bootstrap.Quorum(x.rosters[l.roster].Voters) {
			live |= x.liveBit(l.roster)
		}
	}
	k.setLive(live)
}

// liveBit is the bit in a key that says that the roster has had a quorum.
func (x *search) liveBit(roster int) uint64 {
	at := slices.Index(x.lived, roster)
	if at < 0 {
		at = len(x.lived)
		x.lived = append(x.lived, roster)
	}
	if at >= 48 {
		panic("search: too many rosters")
	}
	return 1 << at
}

// plans is every different plan that the node in slot i may come to in state k,
// over all views that it may have.
func (x *search) plans(k key, i int) []move {
	s := x.slots[i]
	now := s.hists[k.hist(i)].local
	x.moves = x.moves[:0]
	l := &s.locals[now]
	var others [maxSlots][]uint16
	for j, o := range x.slots {
		if j != i {
			others[j] = o.hists[k.hist(j)].answers
		}
	}
	var m move
	m.slot = i
	both := l.roster >= 0 && !l.started && !l.aborted
	var enumerate func(j int)
	enumerate = func(j int) {
		if j == i {
			j++
		}
		if j >= len(x.slots) {
			m.silent = !x.w.calm
			x.consider(s, now, m)
			if both && m.silent {
				m.silent = false
				x.consider(s, now, m)
			}
			return
		}
		m.seen[j] = 0
		enumerate(j + 1)
		for _, a := range others[j] {
			m.seen[j] = a
			enumerate(j + 1)
		}
		m.seen[j] = 0
	}
	enumerate(0)
	if l.started && !l.member && l.data == bootstrap.DataWhole && x.running(k, l.roster) {
		m.ready = true
		x.consider(s, now, m)
	}
	return x.moves
}

// running tells whether a quorum of that roster's members can run now.
func (x *search) running(k key, roster int) bool {
	n := 0
	for i, s := range x.slots {
		if l := &s.locals[s.hists[k.hist(i)].local]; l.started && l.roster == roster && l.data == bootstrap.DataWhole {
			n++
		}
	}
	return n >= bootstrap.Quorum(x.rosters[roster].Voters)
}

// consider finds the plan for one view and notes it if it is one more for this
// node.
func (x *search) consider(s *slot, now int, m move) {
	m.out = x.outcome(s, now, &m)
	if !slices.ContainsFunc(x.moves, func(o move) bool { return o.out == m.out }) {
		x.moves = append(x.moves, m)
	}
}

// outcome is what becomes of a node in that local state with that view. Decide
// is asked if nobody did before with these two.
func (x *search) outcome(s *slot, now int, m *move) int {
	if now >= 1<<12 || len(s.answers) >= 1<<x.bits {
		panic("search: too many local states")
	}
	k := uint64(now)<<2 | b2u(m.silent)<<1 | b2u(m.ready)
	for j := range x.slots {
		if j != m.slot {
			k = k<<x.bits | uint64(m.seen[j])
		}
	}
	if out, ok := s.memo.get(k); ok {
		return out
	}
	l := s.locals[now]
	o := x.act(s, &l, x.decide(&l, *m), m)
	text := fmt.Sprint(o)
	out, ok := s.outKey[text]
	if !ok {
		out = len(s.outcomes)
		s.outKey[text] = out
		s.outcomes = append(s.outcomes, o)
	}
	s.memo.put(k, out)
	return out
}

func (x *search) decide(l *local, m move) bootstrap.Plan {
	p := bootstrap.Decide(l.state, x.view(m.slot, l.data, &m.seen, m.silent, m.ready))
	x.calls++
	x.kinds[p.Kind]++
	return p
}

// verify asks Decide once more, for the transition that is taken, and holds the
// answer against the remembered one: what is not a function of state and view is
// noticed here.
func (x *search) verify(s *slot, l *local, m move) {
	p := x.decide(l, m)
	o := &s.outcomes[m.out]
	state := bootstrap.Apply(l.state, p)
	next := &s.locals[o.next[0]].state
	same := p.Kind == o.kind && state.Started == next.Started && state.Member == next.Member && len(state.Aborted) == len(next.Aborted) &&
		(state.Pledge == nil) == (next.Pledge == nil) && (state.Pledge == nil || state.Pledge.Equal(*next.Pledge)) && state.Attempt == next.Attempt
	if !same {
		panic(fmt.Sprintf("search: Decide is not a function: %+v, before %+v", p, o))
	}
}

func b2u(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
