package node_test

import (
	"slices"
	"testing"
	"time"

	"github.com/quorate/quorate/node"
	"github.com/quorate/quorate/node/nodetest"
)

// The events of a node that forms a cluster come in the order in which things
// happened, and those of one that comes back leave out what it had done.
func TestEventsOfForming(t *testing.T) {
	t.Parallel()
	c := nodetest.Cluster(t, 3)
	ctx := within(t, 20*time.Second)
	steps := []string{"started", "pledged", "member_started", "member", "ready"}
	read := func(n *node.Node) []string {
		var types []string
		led := false
		for e, err := range n.Events(ctx) {
			if err != nil {
				t.Fatalf("%s told only %v", n.Status().Name, types)
			}
			if e.Text == "" || e.ID == "" || e.Time.IsZero() {
				t.Errorf("event %+v", e)
			}
			led = led || e.Type == "leader_changed" && e.Name == n.Status().Leader
			if slices.Contains(steps, e.Type) {
				types = append(types, e.Type)
			}
			if led && slices.Contains(types, "ready") {
				break
			}
		}
		return types
	}
	for _, n := range c.Nodes() {
		if got := read(n); !slices.Equal(got, steps) {
			t.Errorf("%s told %v", n.Status().Name, got)
		}
	}
	if got := read(c.Restart(1)); !slices.Equal(got, []string{"started", "ready"}) {
		t.Errorf("after a restart: %v", got)
	}
}

// Status shows each member as raft, gossip and the cluster RPC do, while all is
// well, while one is away, and when it is back.
func TestStatusOfMembers(t *testing.T) {
	t.Parallel()
	c := nodetest.Cluster(t, 3)
	whole := func(m node.MemberStatus, i int) bool {
		return m.Name == c.Config(i).Name && m.Role == "voter" && m.Gossip == "alive" && m.RPC == "ok" && m.Phase == "member" &&
			m.Address == c.Config(i).Join[i] && m.Version != "" && m.PeerURL != "" && m.Since != nil && !m.Since.After(time.Now())
	}
	member := func(seen *node.Node, i int) node.MemberStatus {
		for _, m := range seen.Status().Members {
			if m.Name == c.Config(i).Name {
				return m
			}
		}
		return node.MemberStatus{}
	}
	for at, n := range c.Nodes() {
		eventually(t, "all show all", n, func() bool {
			s := n.Status()
			leaders, selves := 0, 0
			for _, m := range s.Members {
				if m.Leader {
					leaders++
				}
				if m.Self {
					selves++
				}
			}
			return len(s.Members) == 3 && leaders == 1 && selves == 1 && len(s.Problems) == 0 && s.Certificates.Authority != "" && whole(member(n, (at+1)%3), (at+1)%3)
		})
		if self := member(n, at); !self.Self || self.Role != "voter" || self.Phase != "member" || self.Address != c.Config(at).Join[at] || self.Version == "" || self.Gossip != "" || self.RPC != "" {
			t.Errorf("%s shows itself as %+v", c.Config(at).Name, self)
		}
	}
	n := c.Node(0)
	c.Stop(1)
	eventually(t, "one has left", n, func() bool {
		m := member(n, 1)
		return m.Role == "voter" && m.Gossip == "dead" && m.RPC != "ok" && m.RPC != "" && m.Since != nil
	})
	if s := n.Status(); s.Phase != node.Running {
		t.Errorf("two of three: %+v", s)
	}
	c.Restart(1)
	eventually(t, "it is back", n, func() bool { return whole(member(n, 1), 1) && n.Status().Quorum })
}
