package clustertest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quorate/quorate/cluster-test/killpoint"
)

// killVariable set to "all" tries every kill point; else one in killStride is
// tried, others in each run.
const (
	killVariable = "QUORATE_KILL"
	killStride   = 12
)

// TestKilledWhileForming kills a node before each change that it makes to its
// data directory from its very first start on, etcd's first start among them,
// and starts it again: it always becomes a member of the one cluster, alone
// (N = 1) and with two others (N = 3). Where embed does not begin an unborn member
// anew, the kills inside etcd's first start, 14 in a row, leave a node that waits
// for ever.
func TestKilledWhileForming(t *testing.T) {
	if !killpoint.Supported {
		t.Skip("tracing works on linux/amd64 only")
	}
	for _, nodes := range []int{1, 3} {
		t.Run(fmt.Sprintf("N=%d", nodes), func(t *testing.T) {
			points := formKilled(t, nodes, 0)
			if len(points) < 20 {
				t.Fatalf("only %d points: %q", len(points), points)
			}
			for _, must := range []string{"state.json", "member/wal", "member/snap/db"} {
				if !strings.Contains(strings.Join(points, "\n"), must) {
					t.Errorf("no kill point at %s: %q", must, points)
				}
			}
			first, stride := 1+rand.IntN(killStride), killStride
			if os.Getenv(killVariable) == "all" {
				first, stride = 1, 1
			}
			tried := 0
			for n := first; n <= len(points); n += stride {
				t.Run(fmt.Sprint(n), func(t *testing.T) {
					t.Parallel()
					formKilled(t, nodes, n)
				})
				tried++
			}
			t.Logf("%d of %d kill points", tried, len(points))
		})
	}
}

// formKilled forms a cluster whose last node is killed before its n-th change,
// and then started again; 0 kills it never. It returns the changes of that node
// until it was ready or killed.
func formKilled(t *testing.T, nodes, n int) []string {
	t.Helper()
	dir := shortDir(t)
	secret := filepath.Join(dir, "secret")
	text, err := output(t, program(t, "peer"), "secret", "new")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(secret, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "peer.yaml")
	if err := os.WriteFile(config, []byte("cluster: acme\nsecret_file: "+secret+"\ntiming: {tick: 20ms, election: 200ms}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var join []string
	var args [][]string
	var all []*dev
	for i, base := range freeBases(t, nodes) {
		at := filepath.Join(dir, fmt.Sprint("n", i+1))
		join = append(join, fmt.Sprintf("127.0.0.1:%d", base))
		args = append(args, []string{"run", "--config", config, "--name", fmt.Sprint("n", i+1), "--data-dir", at, "--base-port", fmt.Sprint(base),
			"--socket", filepath.Join(at, "peer.sock"), "--log-level", "warn"})
		all = append(all, &dev{t: t, dir: at, socket: filepath.Join(at, "peer.sock")})
	}
	peer := program(t, "peer")
	for i := range args {
		args[i] = append(args[i], "--join", strings.Join(join, ","))
		if i < nodes-1 {
			all[i].process = start(t, peer, args[i]...)
		}
	}
	last, log := all[nodes-1], filepath.Join(dir, "points")
	last.process = startCommand(t, killpoint.Command(n, last.dir, log, peer, args[nodes-1]...))
	if n == 0 {
		last.must(last.peer("wait-ready", "--quorum", "--timeout", "25s"))
	} else if err := last.process.wait(); err != nil {
		t.Fatalf("%v; it said:\n%s", err, last.process.output())
	}
	made, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	points := strings.Split(strings.TrimSpace(string(made)), "\n")
	if n != 0 {
		if len(points) != n {
			t.Fatalf("killed after %d changes, not before the %d-th; it said:\n%s", len(points), n, last.process.output())
		}
		last.process = start(t, peer, args[nodes-1]...)
	}
	ids := map[string]bool{}
	for _, d := range all {
		if _, err := d.peer("wait-ready", "--quorum", "--timeout", "25s"); err != nil {
			t.Fatalf("%s: %v\nit said:\n%s\nthe killed one:\n%s", d.dir, err, d.process.output(), last.process.output())
		}
		ids[d.status().Etcd.ClusterID] = true
	}
	if len(ids) != 1 || ids[""] {
		t.Errorf("clusters %v", ids)
	}
	last.must(last.peer("kv", "put", "k", "v"))
	for i := len(all) - 1; i >= 0; i-- {
		all[i].process.interrupt()
	}
	return points
}

// freeBases finds ports of which this and the next two are free.
func freeBases(t *testing.T, n int) []int {
	t.Helper()
	var bases []int
	var held []net.Listener
	defer func() {
		for _, l := range held {
			l.Close()
		}
	}()
	for try := 0; len(bases) < n; try++ {
		if try > 100 {
			t.Fatal("no free ports")
		}
		base := 20000 + 4*rand.IntN(3000)
		ok := true
		for p := base; p < base+3; p++ {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", p))
			if ok = ok && err == nil; err == nil {
				held = append(held, l)
			}
		}
		if ok {
			bases = append(bases, base)
		}
	}
	return bases
}
