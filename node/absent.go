package node

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/quorate/quorate/bootstrap"
	"github.com/quorate/quorate/embed"
)

// turnout is which voters can be there, by what the cluster RPC found.
type turnout struct {
	voters  int
	present int      // this one among them
	absent  []string // for people
}

func (t turnout) majority() bool { return t.present > t.voters/2 }

// turnout counts the voters on etcd's list. A node that answers the cluster RPC
// is counted as present, though its raft may not get through.
func (f facts) turnout() turnout {
	var t turnout
	for _, m := range f.list {
		if m.Learner {
			continue
		}
		t.voters++
		if m.ID == f.member.ID {
			t.present++
			continue
		}
		n := f.node(m)
		if n != nil && n.RPC {
			t.present++
			continue
		}
		t.absent = append(t.absent, nameOf(m, n))
	}
	slices.Sort(t.absent)
	return t
}

// node is what the driver knows of a member, nil if nothing. A member that has
// never started has no name in etcd's list, and is known by its peer URL.
func (f facts) node(m embed.MemberInfo) *bootstrap.NodeStatus {
	if f.driver == nil {
		return nil
	}
	at := slices.IndexFunc(f.driver.Nodes, func(n bootstrap.NodeStatus) bool {
		return m.Name == n.ID || m.Name == "" && slices.Contains(m.PeerURLs, n.Founder.PeerURL)
	})
	if at < 0 {
		return nil
	}
	return &f.driver.Nodes[at]
}

// nameOf is a member as people know it: its name and its address.
func nameOf(m embed.MemberInfo, n *bootstrap.NodeStatus) string {
	name, addr := m.Name, ""
	if len(m.PeerURLs) > 0 {
		if u, err := url.Parse(m.PeerURLs[0]); err == nil {
			addr = u.Host
		}
	}
	if n != nil {
		if n.Name != "" {
			name = n.Name
		}
		if n.Founder.Gossip.IsValid() {
			addr = n.Founder.Gossip.String()
		}
	}
	switch {
	case name == "":
		return addr
	case addr == "":
		return name
	}
	return name + " (" + addr + ")"
}

// noQuorum is the problem of a member without a leader. It is shown at once if
// too few answer, and otherwise when an election would be over.
func (f facts) noQuorum() (Problem, bool) {
	if !f.running || f.phase == Stopped || f.phase == Blocked || f.member.Leader != 0 {
		return Problem{}, false
	}
	t := f.turnout()
	switch {
	case !t.majority() && f.leaderless >= absentGrace && len(t.absent) > 0:
		return Problem{Code: "no-quorum", What: fmt.Sprintf("no quorum: %d of %d voters can be reached", t.present, t.voters),
			Why: strings.Join(t.absent, ", ") + " not answering; writes need a majority", Do: "start the missing ones, or see why they cannot be reached: peer status there"}, true
	case f.leaderless >= leaderlessGrace:
		p := Problem{Code: "no-quorum", What: "no raft leader is known to this member", Why: "a majority of the voters cannot be reached, or an election is going on",
			Do: "wait a second and look again with peer status; then see which members are down"}
		if t.voters > 1 && t.majority() {
			p.Why = fmt.Sprintf("%d of %d voters, a majority, answer the cluster RPC, so an election is going on or raft's port is blocked between them", t.present, t.voters)
			p.Do = "wait a second and look again with peer status; then open the raft port (4782 by default) for TCP between the nodes"
		}
		return p, true
	}
	return Problem{}, false
}

// voterMissing is the problem of a cluster that works without some of its voters.
// Its text stays the same while the same ones are away.
func (f facts) voterMissing() (Problem, bool) {
	if !f.running || f.phase == Stopped || f.phase == Blocked || f.member.Leader == 0 {
		return Problem{}, false
	}
	t := f.turnout()
	var gone []string
	for _, m := range f.list {
		if n := f.node(m); !m.Learner && m.ID != f.member.ID && n != nil && !n.RPC && n.RPCFor >= missingGrace {
			gone = append(gone, nameOf(m, n))
		}
	}
	if len(gone) == 0 || !t.majority() {
		return Problem{}, false
	}
	slices.Sort(gone)
	more := "no further failure"
	if spare := t.present - (t.voters/2 + 1); spare == 1 {
		more = "one further failure"
	} else if spare > 1 {
		more = fmt.Sprintf("%d further failures", spare)
	}
	return Problem{Code: "voter-missing", What: fmt.Sprintf("%d of %d voters not there: %s", len(gone), t.voters, strings.Join(gone, ", ")),
		Why: "not answering the cluster RPC; the cluster works, and survives " + more, Do: "start them, or see why they cannot be reached: peer status there"}, true
}

// missing says who is not there, for errors about quorum.
func (n *Node) missing() string {
	f := n.facts()
	if f.running {
		t := f.turnout()
		if len(t.absent) == 0 {
			return fmt.Sprintf("this member knows no raft leader among %d voters", t.voters)
		}
		return fmt.Sprintf("%d of %d voters can be reached; missing: %s", t.present, t.voters, strings.Join(t.absent, ", "))
	}
	if f.driver == nil {
		return "the member of this node has not started"
	}
	var texts []string
	for _, p := range f.driver.Problems {
		texts = append(texts, p.What)
	}
	if len(texts) == 0 {
		return "this node is not in a cluster yet"
	}
	return strings.Join(texts, "; ")
}
