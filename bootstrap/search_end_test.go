package bootstrap_test

import (
	"fmt"
	"strings"

	"github.com/quorate/quorate/bootstrap"
)

// ends plays what follows a state once all is well: every node is up, reaches
// every other, and acts in turn. It returns what is wrong with the end.
//
// Whatever came before, one cluster must come of it, with all its founders, and
// whoever is not one of them must know of it. After a wipe that may be
// impossible without a person, but a node that has aborted a roster by itself
// must still get out of it while the roster lives: that is the trap.
func (x *search) ends(k key) string {
	var now [maxSlots]uint16
	for i, s := range x.slots {
		now[i] = uint16(s.hists[k.hist(i)].local)
	}
	bad, ok := x.ended[now]
	if !ok {
		bad = x.end(now)
		x.ended[now] = bad
	}
	return bad
}

func (x *search) end(now [maxSlots]uint16) string {
	var trapped []int // slots
	start := now
	for i := range x.slots {
		if l := x.at(&now, i); l.aborted && !l.started && x.started(&now, l.roster) >= bootstrap.Quorum(x.rosters[l.roster].Voters) {
			trapped = append(trapped, i)
			x.traps++
		}
	}
	for round := 0; ; round++ {
		before := now
		for i := range x.slots {
			x.turn(&now, i)
		}
		if now == before {
			break
		}
		if round == 100 {
			return "it never comes to rest:\n" + x.nowText(&start) + "becomes\n" + x.nowText(&now)
		}
	}
	for _, i := range trapped {
		if l := x.at(&now, i); !l.started && l.roster == x.at(&start, i).roster {
			return fmt.Sprintf("the trap: %c can never leave its roster, which lives:\n%s", x.slots[i].letter, x.nowText(&start))
		}
	}
	if x.afterMishap(&now) {
		return ""
	}
	return x.unfinished(&start, &now)
}

func (x *search) at(now *[maxSlots]uint16, i int) *local { return &x.slots[i].locals[now[i]] }

// started is how many nodes have started that roster.
func (x *search) started(now *[maxSlots]uint16, roster int) int {
	n := 0
	for i := range x.slots {
		if l := x.at(now, i); l.started && l.roster == roster {
			n++
		}
	}
	return n
}

// turn lets one node act, with everybody's present answer.
func (x *search) turn(now *[maxSlots]uint16, i int) {
	if now[i] < firstLocal {
		return
	}
	m := move{slot: i, silent: true}
	for j := range x.slots {
		if j != i && now[j] >= firstLocal {
			m.seen[j] = uint16(x.at(now, j).answer)
		}
	}
	l := x.at(now, i)
	m.ready = l.started && !l.member && l.data == bootstrap.DataWhole && x.started(now, l.roster) >= bootstrap.Quorum(x.rosters[l.roster].Voters)
	s := x.slots[i]
	out := &s.outcomes[x.outcome(s, int(now[i]), &m)]
	now[i] = uint16(out.next[len(out.next)-1])
}

// unfinished tells why this is not one cluster that everybody knows.
func (x *search) unfinished(start, now *[maxSlots]uint16) string {
	roster := -1
	for i := range x.slots {
		if l := x.at(now, i); l.member {
			roster = l.roster
		}
	}
	for i := range x.slots {
		l := x.at(now, i)
		switch {
		case now[i] < firstLocal:
		case l.member && l.roster == roster:
		case roster >= 0 && l.roster < 0 && l.state.Evidence != nil:
		default:
			return "no end:\n" + x.nowText(start) + "ends as\n" + x.nowText(now)
		}
	}
	return ""
}

func (x *search) nowText(now *[maxSlots]uint16) string {
	var b strings.Builder
	for i, s := range x.slots {
		switch now[i] {
		case absent:
		case gone:
			fmt.Fprintf(&b, "     %c: gone\n", s.letter)
		default:
			fmt.Fprintf(&b, "     %c: %s\n", s.letter, x.stateText(&x.at(now, i).state))
		}
	}
	return b.String()
}
