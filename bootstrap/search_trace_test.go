package bootstrap_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/quorate/quorate/bootstrap"
)

// trace tells a person how the search came to a state: one line a step.
func (x *search) trace(at int) string {
	path := []key{x.seen.at(at)}
	for at != 0 {
		at = int(x.seen.parent[at])
		path = append(path, x.seen.at(at))
	}
	slices.Reverse(path)
	var b strings.Builder
	for i := 1; i < len(path); i++ {
		fmt.Fprintf(&b, "%3d. %s\n", i, x.explain(path[i-1], path[i]))
	}
	return b.String()
}

func (x *search) explain(from, to key) string {
	text := "?"
	x.step(from, func(n key, m *move) bool {
		if n != to {
			return true
		}
		if m == nil {
			text = x.explainWipe(from, to)
			return false
		}
		s := x.slots[m.slot]
		out := s.outcomes[m.out]
		after := &s.locals[s.hists[to.hist(m.slot)].local]
		text = fmt.Sprintf("%c: %s", s.letter, out.kind)
		if out.roster >= 0 {
			text += " " + rosterText(&x.rosters[out.roster])
		}
		if len(out.next) > 1 && s.hists[to.hist(m.slot)].local != out.next[len(out.next)-1] {
			text += ", saved and no more"
		}
		text = fmt.Sprintf("%-32s now %s; saw %s", text, x.stateText(&after.state), x.viewText(m))
		return false
	})
	return text
}

func (x *search) explainWipe(from, to key) string {
	for i, s := range x.slots {
		if from.hist(i) != to.hist(i) && i < len(x.w.nodes) {
			return fmt.Sprintf("%c: its disk is lost, it comes back as %c", s.letter, upper(s.letter))
		}
	}
	return "?"
}

func (x *search) viewText(m *move) string {
	var l []string
	for j, o := range x.slots {
		if m.seen[j] == 0 || j == m.slot {
			continue
		}
		t := fmt.Sprintf("%c %s", o.letter, answerText(&o.answers[m.seen[j]]))
		if o.stale[m.seen[j]] {
			t += " (an old answer)"
		}
		l = append(l, t)
	}
	switch {
	case m.ready:
		return "its member ready"
	case l == nil:
		return "nobody"
	}
	return strings.Join(l, ", ")
}

func (x *search) stateText(s *bootstrap.State) string {
	a := bootstrap.Attest(*s, bootstrap.Own{})
	return answerText(&a)
}

func answerText(a *bootstrap.Answer) string {
	t := "free"
	switch {
	case a.Member != bootstrap.Hash{} && a.Pledge == nil:
		t = "member of what began as a single node"
	case a.Member != bootstrap.Hash{}:
		t = "member of " + rosterText(a.Pledge)
	case a.Started:
		t = "started " + rosterText(a.Pledge)
	case a.Pledge != nil:
		t = "pledged to " + rosterText(a.Pledge)
		if slices.Contains(a.Aborted, a.Pledge.Hash()) {
			t += " but aborted"
		}
	}
	if a.Evidence != nil {
		t += ", knows of a cluster"
	}
	return t
}
