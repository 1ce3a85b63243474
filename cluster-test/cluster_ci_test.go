package clustertest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A fleet is a running `peer dev --nodes 3`.
type fleet struct {
	t       *testing.T
	tmp     string // the directory for temporary files, in which only the fleet has any
	dir     string // as the fleet says
	process *child
	nodes   []*dev
}

// TestThreeNodes runs `peer dev --nodes 3` as a person would who wants to see a
// cluster survive: breaks the leader, goes on writing, brings it back, and ends
// it all.
func TestThreeNodes(t *testing.T) {
	f := startFleet(t)
	f.allReady()
	f.nodes[0].must(f.nodes[0].peer("kv", "put", "three/before", "all"))
	t.Run("etcdctl", func(t *testing.T) { testThreeMembers(t, f) })

	leader, others := f.leader()
	f.nodes[leader].must(f.dev("kill", leader))
	if got := f.running(); len(got) != 3 {
		t.Errorf("after kill, %d processes run, want the parent and two nodes: %q", len(got), got)
	}
	eventually(t, func() (bool, string) {
		_, err := others[0].peer("kv", "put", "three/during", "two", "--timeout", "2s")
		return err == nil, fmt.Sprintf("writes do not go on without n%d: %v", leader+1, err)
	})
	for _, d := range others {
		if got := strings.TrimSpace(d.must(d.peer("kv", "get", "three/during"))); got != "two" {
			t.Errorf("kv get on %s without n%d: %q, want two", d.dir, leader+1, got)
		}
	}

	f.nodes[leader].must(f.dev("restart", leader))
	f.allReady()
	for _, key := range []string{"three/before", "three/during"} {
		d := f.nodes[leader]
		if got := d.must(d.peer("kv", "get", key)); strings.TrimSpace(got) == "" {
			t.Errorf("kv get %s on the node that came back: %q", key, got)
		}
	}

	if err := f.process.interrupt(); err != nil {
		t.Errorf("peer dev --nodes ended with %v:\n%s", err, f.process.output())
	}
	if got := f.running(); len(got) != 0 {
		t.Errorf("Ctrl-C left processes: %q", got)
	}
	left, err := os.ReadDir(f.tmp)
	if err != nil || len(left) != 0 {
		t.Errorf("Ctrl-C left files: %v, %v", left, err)
	}
}

// testThreeMembers: stock etcdctl on any node's socket shows three started
// members that are healthy.
func testThreeMembers(t *testing.T, f *fleet) {
	for _, d := range f.nodes {
		var list struct {
			Members []struct {
				Name       string   `json:"name"`
				PeerURLs   []string `json:"peerURLs"`
				ClientURLs []string `json:"clientURLs"`
				Learner    bool     `json:"isLearner"`
			} `json:"members"`
		}
		unmarshal(t, d.must(d.etcdctl("member", "list", "-w", "json")), &list)
		if len(list.Members) != 3 {
			t.Fatalf("etcdctl member list on %s: %+v, want three members", d.dir, list)
		}
		ids := map[string]bool{}
		for _, m := range list.Members {
			// A member that has never started has no name and no client URL yet.
			if m.Name == "" || len(m.ClientURLs) == 0 || m.Learner || len(m.PeerURLs) != 1 || !strings.HasPrefix(m.PeerURLs[0], "https://127.0.0.1:") {
				t.Errorf("etcdctl member list on %s: %+v is no started voter with one peer URL over TLS", d.dir, m)
			}
			ids[m.Name] = true
		}
		for _, o := range f.nodes {
			if id := o.status().ID; !ids[id] {
				t.Errorf("etcdctl member list on %s: no member is called by the node ID %s", d.dir, id)
			}
		}
		d.must(d.etcdctl("endpoint", "health"))
	}
}

// startFleet starts the nodes, with temporary files in a directory of their own.
func startFleet(t *testing.T) *fleet {
	t.Helper()
	peer := program(t, "peer")
	program(t, "etcdctl")
	f := &fleet{t: t, tmp: shortDir(t)}
	t.Setenv("TMPDIR", f.tmp)
	f.process = start(t, peer, "dev", "--nodes", "3")
	f.process.says("ready in")
	_, rest, _ := strings.Cut(f.process.output(), "starting 3 nodes in ")
	f.dir, _, _ = strings.Cut(rest, "\n")
	for i := range 3 {
		dir := filepath.Join(f.dir, fmt.Sprint("n", i+1))
		f.nodes = append(f.nodes, &dev{t: t, dir: dir, socket: filepath.Join(dir, "peer.sock"), etcd: filepath.Join(dir, "etcd.sock"), process: f.process})
	}
	return f
}

// dev does something to a node from a second terminal.
func (f *fleet) dev(verb string, node int) (string, error) {
	return output(f.t, program(f.t, "peer"), "dev", verb, fmt.Sprint("n", node+1), "--dir", f.dir)
}

// allReady waits until every node has quorum and sees both others by raft and by
// gossip.
func (f *fleet) allReady() {
	f.t.Helper()
	for _, d := range f.nodes {
		d.must(d.peer("wait-ready", "--quorum", "--timeout", "15s"))
		eventually(f.t, func() (bool, string) {
			s := d.status()
			alive := 0
			for _, m := range s.Members {
				if m.Self || m.Gossip == "alive" {
					alive++
				}
			}
			return s.Quorum && len(s.Members) == 3 && alive == 3, fmt.Sprintf("%s does not see three: %+v", d.dir, s)
		})
	}
}

// leader is the node that leads, and the others.
func (f *fleet) leader() (leader int, others []*dev) {
	f.t.Helper()
	leader = -1
	eventually(f.t, func() (bool, string) {
		others = nil
		for i, d := range f.nodes {
			if s := d.status(); s.Leader == s.ID && s.Quorum {
				leader = i
			} else {
				others = append(others, d)
			}
		}
		return leader >= 0 && len(others) == 2, "nobody leads, or more than one"
	})
	return leader, others
}

// nodeStatus is what these tests read of a status.
type nodeStatus struct {
	ID     string `json:"id"`
	Quorum bool   `json:"quorum"`
	Leader string `json:"leader"`
	Etcd   struct {
		ClusterID string `json:"cluster_id"`
	} `json:"etcd"`
	Members []struct {
		Self   bool   `json:"self"`
		Gossip string `json:"gossip"`
	} `json:"members"`
}

func (d *dev) status() nodeStatus {
	d.t.Helper()
	var s nodeStatus
	out, err := d.peer("status", "-o", "json")
	if err != nil && code(err) < 0 { // others say what is wrong with the node
		d.t.Fatal(err)
	}
	unmarshal(d.t, out, &s)
	return s
}

// running is the command lines of the processes that belong to the fleet, told
// by where they put temporary files. Nothing else that the test started may run.
func (f *fleet) running() []string {
	f.t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		f.t.Fatal(err)
	}
	var found []string
	for _, e := range entries {
		env, err := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
		if err != nil { // no process, not ours, or gone
			continue
		}
		for kv := range bytes.SplitSeq(env, []byte{0}) {
			if string(kv) != "TMPDIR="+f.tmp {
				continue
			}
			line, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
			if errors.Is(err, os.ErrNotExist) || len(line) == 0 { // it has ended
				break
			}
			found = append(found, string(bytes.ReplaceAll(line, []byte{0}, []byte(" "))))
		}
	}
	return found
}
