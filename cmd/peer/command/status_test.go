package command

import (
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/node"
)

var testNow = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func before(d time.Duration) *time.Time {
	t := testNow.Add(-d)
	return &t
}

// A member is missing that gossip and the cluster RPC agree on; what only one
// of them cannot find is the node's own problem to tell.
func TestStatusTable(t *testing.T) {
	s := node.Status{
		Version: 1, Name: "gw-a", ID: "aaaa", Cluster: "acme", Phase: node.Running, Quorum: true, Leader: "bbbb",
		Members: []node.MemberStatus{
			{ID: "aaaa", Name: "gw-a", Role: "voter", Self: true, PeerURL: "https://10.0.0.1:4782"},
			{ID: "bbbb", Name: "gw-b", Role: "voter", Leader: true, PeerURL: "https://10.0.0.2:4782", Gossip: "dead", RPC: "ok", Since: before(time.Minute)},
			{ID: "cccc", Name: "gw\n", Role: "voter", PeerURL: "https://10.0.0.3:4782", Gossip: "dead", RPC: "connection refused", Since: before(187 * time.Second), Address: "10.0.0.3:4780"},
			{ID: "dddd", Role: "learner", PeerURL: "https://10.0.0.4:4782", Gossip: "never"},
			{ID: "eeee", Name: "late", Gossip: "alive", RPC: "ok"},
		},
		Problems:     []node.Problem{{Code: "space-low", What: "writes are refused", Why: "96 MiB are free", Do: "free space"}},
		Etcd:         node.EtcdStatus{Version: "3.7.3", Socket: "/run/peer/etcd.sock", DBInUse: 3 << 19, Quota: 512 << 20},
		Certificates: node.CertStatus{Authority: "sha256:0123"},
	}
	want := `
needs attention: node gw-a of cluster acme is running, quorum yes, 2 of 4 members, missing "gw\n" for 3m7s, missing dddd, 1 problem

NAME         ID    ROLE     LEADER  GOSSIP         RPC                 RAFT
gw-a (this)  aaaa  voter    -       -              -                   https://10.0.0.1:4782
gw-b         bbbb  voter    yes     dead for 1m0s  ok                  https://10.0.0.2:4782
"gw\n"       cccc  voter    -       dead for 3m7s  connection refused  https://10.0.0.3:4782
-            dddd  learner  -       never          -                   https://10.0.0.4:4782
late         eeee  -        -       alive          ok                  -

certificates of authority sha256:0123, without end

etcd 3.7.3, 1.5 MiB of 512.0 MiB used, on /run/peer/etcd.sock

missing "gw\n" at 10.0.0.3:4780: dead in gossip for 3m7s; the cluster RPC says: connection refused
  do:  start it, or see there why it cannot be reached: peer status

missing dddd: never seen by gossip since this node started
  do:  start it, or see there why it cannot be reached: peer status

problem space-low: writes are refused
  why: 96 MiB are free
  do:  free space
`
	if got := statusTable(s, testNow); got != want[1:] {
		t.Errorf("got:\n%s\nwant:%s", got, want)
	}
}

// A node alone has no columns about others.
func TestStatusTableAlone(t *testing.T) {
	s := node.Status{
		Name: "gw-a", Cluster: "single", Phase: node.Running, Quorum: true,
		Members: []node.MemberStatus{{ID: "aaaa", Name: "gw-a", Role: "voter", Leader: true, Self: true, PeerURL: "https://127.0.0.1:4782"}},
	}
	want := `
in order: node gw-a of cluster single is running, quorum yes, no problems

NAME         ID    ROLE   LEADER  RAFT
gw-a (this)  aaaa  voter  yes     https://127.0.0.1:4782
`
	if got := statusTable(s, testNow); got != want[1:] {
		t.Errorf("got:\n%s\nwant:%s", got, want)
	}
}

// The verdict, and the one line that systemd and dev --nodes show.
func TestVerdict(t *testing.T) {
	self := node.MemberStatus{ID: "aaaa", Role: "voter", Self: true}
	leader, learner := self, self
	leader.Leader, learner.Role = true, "learner"
	alive := node.MemberStatus{ID: "bbbb", Role: "voter", Gossip: "alive"}
	dead := node.MemberStatus{ID: "cccc", Name: "gw-c", Role: "voter", Gossip: "dead", RPC: "time-out"}
	waits := []node.Problem{{What: "waiting for 2 of 3 voters"}}
	for _, tt := range []struct {
		verdict, headline string
		s                 node.Status
	}{
		{"not running: ", "starting", node.Status{Phase: node.Starting}},
		{"waiting: ", "waiting for 2 of 3 voters", node.Status{Phase: node.Waiting, Problems: waits}},
		{"forming: ", "forming: waiting for 2 of 3 voters", node.Status{Phase: node.Forming, Problems: waits}},
		{"blocked: ", "blocked", node.Status{Phase: node.Blocked, Members: []node.MemberStatus{self, dead}}},
		{"no quorum: ", "no quorum, 1 of 2 members, missing gw-c", node.Status{Phase: node.Running, Members: []node.MemberStatus{self, dead}}},
		{"in order: ", "leader, 1 of 1 members, quorum", node.Status{Phase: node.Running, Quorum: true, Members: []node.MemberStatus{leader}}},
		{"in order: ", "follower, 2 of 2 members, quorum", node.Status{Phase: node.Running, Quorum: true, Members: []node.MemberStatus{self, alive}}},
		{"in order: ", "learner, 2 of 2 members, quorum", node.Status{Phase: node.Running, Quorum: true, Members: []node.MemberStatus{learner, alive}}},
		{"needs attention: ", "leader, 2 of 3 members, quorum, missing gw-c", node.Status{Phase: node.Running, Quorum: true, Members: []node.MemberStatus{leader, alive, dead}}},
		{"needs attention: ", "leader, 1 of 1 members, quorum", node.Status{Phase: node.Running, Quorum: true, Members: []node.MemberStatus{leader}, Problems: waits}},
	} {
		if got := verdict(tt.s, testNow); !strings.HasPrefix(got, tt.verdict) {
			t.Errorf("the verdict is %q, want %q", got, tt.verdict)
		}
		if got := headline(tt.s); got != tt.headline {
			t.Errorf("the headline is %q, want %q", got, tt.headline)
		}
	}
}

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 400 * time.Millisecond: "0s", 61 * time.Second: "1m1s", 90*time.Minute + 20*time.Second: "1h30m", 72 * time.Hour: "3 days",
	} {
		if got := age(*before(d), testNow); got != want {
			t.Errorf("%v is shown as %s, want %s", d, got, want)
		}
	}
	later := testNow.Add(100 * 24 * time.Hour)
	for end, want := range map[*time.Time]string{nil: "without end", before(2 * time.Hour): "ended 2h0m ago", &later: "end in 100 days, on 2026-06-12"} {
		if got := ending(end, testNow); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
