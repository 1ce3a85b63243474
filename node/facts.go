package node

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/quorate/quorate/bootstrap"
	"github.com/quorate/quorate/embed"
)

// facts is all that Status and its problems are made of, gathered without
// blocking.
type facts struct {
	phase      Phase
	running    bool // there is a member
	member     embed.Status
	list       []embed.MemberInfo
	driver     *bootstrap.DriverStatus // nil for a single node, and at the start
	etcdSocket string
	now        time.Time
	tls        []Problem      // found in the certificates at start
	certEnd    time.Time      // when the derived certificates end; zero if they do not
	dead       error          // why the member ended by itself
	corrupt    error          // what the corruption check found
	leaderless time.Duration  // how long no leader has been known; as the state loop saw it
	own        netip.AddrPort // this node's gossip address; not valid for a single node
	proxyFor   func(*http.Request) (*url.URL, error)
}

func (n *Node) facts() facts {
	f := facts{phase: n.phase.Load().(Phase), now: time.Now(), etcdSocket: n.etcdSocket, dead: n.Err(), proxyFor: http.ProxyFromEnvironment}
	if m, _ := n.host.current(); m != nil {
		f.member, f.list, f.running = m.Status(), m.Members(), true
	}
	if f.phase != Starting && n.fellows != nil { // in this order: Start writes fellows before the phase
		d := n.fellows.driver.Status()
		f.driver, f.own = &d, n.fellows.own.Gossip
	}
	if f.phase == Running && f.driver != nil {
		f.phase = phaseOf(f.driver)
	}
	if since := n.leaderless.Load(); since != nil {
		f.leaderless = time.Since(*since)
	}
	if id := n.identity.load(); id != nil {
		f.tls, f.certEnd = id.problems, id.end
	}
	if err := n.found.Load(); err != nil {
		f.corrupt = *err
	}
	return f
}

// phaseOf is where a node of a cluster is, by its driver.
func phaseOf(d *bootstrap.DriverStatus) Phase {
	switch {
	case d.Plan == bootstrap.Blocked:
		return Blocked
	case d.State.Member:
		return Running
	case d.State.Pledge != nil:
		return Forming
	}
	return Waiting
}

// members is etcd's member list with what gossip and the cluster RPC know of
// each; without a list, the nodes that are known. Nodes that are known and not
// in the list come last.
func (f facts) members(self, name string) []MemberStatus {
	out := []MemberStatus{}
	for _, m := range f.list {
		s := MemberStatus{ID: m.Name, Role: "voter", Leader: m.ID == f.member.Leader && f.member.Leader != 0, Self: m.ID == f.member.ID}
		if m.Learner {
			s.Role = "learner"
		}
		if len(m.PeerURLs) > 0 {
			s.PeerURL = m.PeerURLs[0]
		}
		out = append(out, s)
	}
	if f.driver == nil {
		for i := range out {
			if out[i].Self {
				out[i].Name = name
			}
		}
		return out
	}
	if !slices.ContainsFunc(out, func(m MemberStatus) bool { return m.ID == self }) {
		out = append(out, MemberStatus{ID: self, Self: true})
	}
	for _, n := range f.driver.Nodes {
		at := slices.IndexFunc(out, func(m MemberStatus) bool { return m.ID == n.ID })
		if at < 0 {
			out = append(out, MemberStatus{ID: n.ID, PeerURL: n.Founder.PeerURL})
			at = len(out) - 1
		}
		out[at].meet(n)
	}
	for i := range out {
		if out[i].Self {
			out[i].Name, out[i].Phase, out[i].Version, out[i].Address = name, f.driver.Phase, buildVersion(), f.own.String()
		}
	}
	slices.SortStableFunc(out, func(a, b MemberStatus) int {
		if (a.Role == "") != (b.Role == "") { // members first
			return strings.Compare(b.Role, a.Role)
		}
		return strings.Compare(a.Name+a.ID, b.Name+b.ID)
	})
	return out
}

func (m *MemberStatus) meet(n bootstrap.NodeStatus) {
	m.Name, m.Phase, m.Version = n.Name, n.Phase, n.Version
	if n.Founder.Gossip.IsValid() {
		m.Address = n.Founder.Gossip.String()
	}
	switch {
	case n.Gossip:
		m.Gossip = "alive"
	case n.GossipSince.IsZero():
		m.Gossip = "never"
	default:
		m.Gossip = "dead"
	}
	if !n.GossipSince.IsZero() {
		since := n.GossipSince
		m.Since = &since
	}
	switch {
	case n.RPC:
		m.RPC = "ok"
	case n.RPCText != "":
		m.RPC = n.RPCText
	default:
		m.RPC = "no answer"
	}
}
