package bootstrap_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/quorate/quorate/bootstrap"
)

// disk is what outlives a process.
type disk struct {
	state bootstrap.State
	data  bootstrap.Data
}

// actor is a node of a script. Its letter is its machine; a capital one has the
// machine of the small one.
type actor struct {
	disk
	own  bootstrap.Own
	last *bootstrap.Answer // before its present one
}

type stage struct {
	t     *testing.T
	nodes map[byte]*actor
	kept  map[string]disk
	boots int
}

func (s *stage) node(word string) *actor {
	n := s.nodes[word[0]]
	if n == nil || len(word) != 1 {
		s.t.Fatalf("no node %q", word)
	}
	return n
}

// event plays one line and returns what comes of it.
func (s *stage) event(w []string) []string {
	if w[0] == "nodes" {
		var letters, options []string
		for _, x := range w[1:] {
			if len(x) == 1 {
				letters = append(letters, x)
			} else {
				options = append(options, x)
			}
		}
		for _, l := range letters {
			s.nodes[l[0]] = &actor{disk: disk{state: bootstrap.State{ID: nodeID(l[0])}}, own: bootstrap.Own{
				Cluster: "acme", Name: l, Version: "1", Advertise: founder(nodeID(l[0]), hostOf(l[0]))}}
			s.configure(s.nodes[l[0]], options)
			s.begin(s.nodes[l[0]])
		}
		return nil
	}
	n := s.node(w[0])
	switch rest := strings.Join(w[2:], " "); strings.TrimSuffix(w[1], ",") {
	case "sees":
		return s.round(n, w[2:])
	case "begins":
		s.begin(n)
	case "keeps":
		s.kept[rest] = n.disk
	case "is": // trusted: somebody set the counter to what the others know
		n.state.Starts = n.state.Doubt
	case "gives": // back N
		n.disk = s.kept[w[3]]
	case "goes": // on as x
		x := w[4][0]
		own := n.own
		own.Advertise = founder(n.state.ID, hostOf(x))
		s.nodes[x] = &actor{disk: n.disk, own: own}
		s.begin(s.nodes[x])
	case "was": // single: a member that was never on a roster
		n.state.Started, n.state.Member, n.data = true, true, bootstrap.DataWhole
	case "loses": // its disk
		heir := upper(w[0][0])
		own := n.own
		own.Name, own.Advertise = string(heir), founder(nodeID(heir), hostOf(heir))
		s.nodes[heir] = &actor{disk: disk{state: bootstrap.State{ID: nodeID(heir)}}, own: own}
		s.begin(s.nodes[heir])
		delete(s.nodes, w[0][0])
	case "configured":
		s.configure(n, w[2:])
		s.begin(n)
	default:
		s.t.Fatalf("what is %q?", strings.Join(w, " "))
	}
	return nil
}

func (s *stage) configure(n *actor, options []string) {
	for _, o := range options {
		switch k, v, _ := strings.Cut(o, "="); k {
		case "voters":
			n.own.Voters, _ = strconv.Atoi(v)
		case "join":
			n.own.Join = nil
			for _, m := range strings.Split(v, ",") {
				n.own.Join = append(n.own.Join, hostOf(m[0])+":4780")
			}
		default:
			s.t.Fatalf("what is %q?", o)
		}
	}
}

func (s *stage) begin(n *actor) {
	s.boots++
	n.state = bootstrap.Begin(n.state, fmt.Sprint("boot", s.boots), n.data)
	n.last = nil
}

// round is one round of questions and what is decided after it.
func (s *stage) round(n *actor, w []string) []string {
	v := bootstrap.View{Own: n.own, Data: n.data}
	for _, a := range n.own.Join {
		v.Seeds = append(v.Seeds, bootstrap.Seed{Addr: addr(a)})
	}
	dies := ""
	for clause := range strings.SplitSeq(strings.Join(w, " "), ",") {
		c := strings.Fields(clause)
		switch {
		case len(c) == 0:
		case c[0] == "dies":
			dies = strings.Join(c[1:], " ")
		case c[0] == "ready":
			v.Ready, v.EtcdCluster, v.EtcdMember = true, 1, 2
		case c[0] == "seed": // x by y
			s.seed(&v, c[1][0], s.node(c[3]))
		case len(c) == 2 && c[1] == "silent":
			v.Nodes = append(v.Nodes, bootstrap.Seen{ID: nodeID(c[0][0]), Addr: founder("", hostOf(c[0][0])).RPC, Silent: true})
		case c[0] == "old" || c[0] == "late" || c[0] == "just":
			for _, x := range c[1:] {
				s.answer(&v, x, c[0])
			}
		default:
			for _, x := range c {
				s.answer(&v, x, "")
			}
		}
	}
	if dies == "before saving" {
		p := bootstrap.Decide(bootstrap.Learn(n.state, v.Nodes), v)
		return []string{planText(p), "it dies, nothing is saved"}
	}
	return s.decide(n, v, dies)
}

// answer puts a node's answer into a view: its present one, or the one before it
// last change if how is "old"; "late" is the present one, to an earlier question.
func (s *stage) answer(v *bootstrap.View, word, how string) {
	o := s.node(word)
	a := s.heard(bootstrap.Attest(o.state, o.own))
	seen := bootstrap.Seen{ID: o.state.ID, Addr: o.own.Advertise.RPC, Answer: &a, Fresh: true, Stable: how != "just"}
	if how == "old" && o.last != nil {
		seen.Answer = o.last
	}
	if seen.Fresh = how != "old" && how != "late"; seen.Fresh {
		s.seed(v, word[0], o)
	}
	v.Nodes = append(v.Nodes, seen)
}

// heard is an answer as it comes over the wire.
func (s *stage) heard(a bootstrap.Answer) bootstrap.Answer {
	b, err := json.Marshal(a)
	if err != nil {
		s.t.Fatal(err)
	}
	got, err := bootstrap.ParseAnswer(b)
	if err != nil {
		s.t.Fatal(err)
	}
	return got
}

func (s *stage) seed(v *bootstrap.View, machine byte, by *actor) {
	for i := range v.Seeds {
		if v.Seeds[i].Addr == addr(hostOf(machine)+":4780") {
			v.Seeds[i].By = by.state.ID
		}
	}
}

func (s *stage) decide(n *actor, v bootstrap.View, dies string) []string {
	old := bootstrap.Attest(n.state, n.own)
	n.state = bootstrap.Learn(n.state, v.Nodes)
	p := bootstrap.Decide(n.state, v)
	out := []string{planText(p)}
	for _, r := range p.Problems() {
		if r.Code == "voters-even" { // true of every step with two voters
			continue
		}
		out = append(out, "  "+r.Code+": "+readable(r.What))
	}
	after := bootstrap.Apply(n.state, p)
	if text := stateText(after); text != stateText(n.state) {
		out = append(out, "saved: "+text)
		n.last = &old
	}
	n.state = after
	if dies != "" {
		out = append(out, "it dies "+dies)
	}
	switch {
	case dies == "before acting":
	case p.Kind == bootstrap.Start && dies == "in the start":
		n.data = bootstrap.DataEmpty
	case p.Kind == bootstrap.Start:
		n.data = bootstrap.DataWhole
	case p.Kind == bootstrap.Release:
		n.data = bootstrap.DataNone
	}
	return out
}

func planText(p bootstrap.Plan) string {
	t := string(p.Kind)
	if p.Roster != nil && (p.Kind == bootstrap.Pledge || p.Kind == bootstrap.Start || p.Kind == bootstrap.Abort || p.Kind == bootstrap.Release) {
		t += " " + rosterText(p.Roster)
	}
	return t
}

func stateText(s bootstrap.State) string {
	a := bootstrap.Attest(s, bootstrap.Own{})
	return answerText(&a)
}

// readable puts letters for what is long: node IDs, addresses and hashes stay as
// they are for the machine.
func readable(text string) string {
	for _, l := range slices.Sorted(maps.Keys(letters())) {
		text = strings.ReplaceAll(text, nodeID(l), string(l))
	}
	return text
}

func letters() map[byte]bool {
	m := map[byte]bool{}
	for _, l := range []byte("abcdefABCDEF") {
		m[l] = true
	}
	return m
}
