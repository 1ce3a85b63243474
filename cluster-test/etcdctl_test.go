package clustertest

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestEtcdctl runs stock etcdctl of the same version on etcd.sock of `peer dev`.
// The subtests share the node; each has keys of its own.
func TestEtcdctl(t *testing.T) {
	d := startDev(t)
	t.Run("keys", func(t *testing.T) { testKeys(t, d) })
	t.Run("watch", func(t *testing.T) { testWatch(t, d) })
	t.Run("lock refuses peer", func(t *testing.T) { testLockRefuses(t, d) })
	t.Run("lock line", func(t *testing.T) { testLockLine(t, d) })
	t.Run("status", func(t *testing.T) { testStatus(t, d) })
	t.Run("auth", func(t *testing.T) { testAuth(t, d) })
	if err := d.process.interrupt(); err != nil {
		var exit *exec.ExitError
		// 130: ended by the interrupt, as shells expect to be told.
		if !errors.As(err, &exit) || exit.ExitCode() != 130 {
			t.Errorf("peer dev ended with %v:\n%s", err, d.process.output())
		}
	}
}

func testKeys(t *testing.T, d *dev) {
	d.must(d.etcdctl("put", "keys/a", "from etcdctl"))
	if got := d.must(d.peer("kv", "get", "keys/a")); strings.TrimSpace(got) != "from etcdctl" {
		t.Errorf("peer kv get: %q", got)
	}
	d.must(d.peer("kv", "put", "keys/b", "from peer"))
	if got := d.must(d.etcdctl("get", "keys/b", "--print-value-only")); strings.TrimSpace(got) != "from peer" {
		t.Errorf("etcdctl get: %q", got)
	}
	if got := d.must(d.etcdctl("del", "keys/", "--prefix")); strings.TrimSpace(got) != "2" {
		t.Errorf("etcdctl del: %q", got)
	}
}

func testWatch(t *testing.T, d *dev) {
	w := start(t, program(t, "etcdctl"), "--endpoints", "unix://"+d.etcd, "watch", "watch/", "--prefix", "--rev", "1")
	d.must(d.peer("kv", "put", "watch/a", "first"))
	w.says("first")
	d.must(d.peer("kv", "put", "watch/a", "second"))
	w.says("second")
	w.interrupt()
}

// testLockRefuses: what etcdctl holds, peer does not get, and the other way round.
func testLockRefuses(t *testing.T, d *dev) {
	held := start(t, program(t, "etcdctl"), "--endpoints", "unix://"+d.etcd, "lock", "/quorate/v1/lock/refuse")
	held.says("/quorate/v1/lock/refuse/") // etcdctl prints its key once it holds the lock
	_, err := d.peer("lock", "refuse", "--try", "--", "true")
	if code(err) != 3 {
		t.Errorf("peer lock --try beside etcdctl's lock: exit %d, want 3: %v", code(err), err)
	}
	held.interrupt()
	d.must(d.peer("lock", "refuse", "--timeout", "10s", "--", "true"))
	// Names are escaped alike by us; etcdctl takes the key as it is.
	d.must(d.etcdctl("lock", "/quorate/v1/lock/refuse", "true"))
}

// testLockLine puts holders of both kinds into one line and reads the order in
// which they came to hold.
func testLockLine(t *testing.T, d *dev) {
	dir := t.TempDir()
	order, release := filepath.Join(dir, "order"), filepath.Join(dir, "release")
	note := func(who string) []string { return []string{"sh", "-c", "echo " + who + " >> " + order} }
	// The first holder ends when the fifo is opened for writing.
	if out, err := exec.Command("mkfifo", release).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var line []*child
	join := func(c *child, n int) {
		t.Helper()
		line = append(line, c)
		eventually(t, func() (bool, string) {
			keys := d.must(d.etcdctl("get", "/quorate/v1/lock/line/", "--prefix", "--keys-only"))
			return len(strings.Fields(keys)) == n, "the line is " + keys + ", want " + string(rune('0'+n)) + "; the last one said: " + c.output()
		})
	}
	peer := func(who string) *child {
		return start(t, program(t, "peer"), append([]string{"lock", "line", "--socket", d.socket, "--"}, note(who)...)...)
	}
	etcdctl := func(who string) *child {
		return start(t, program(t, "etcdctl"), append([]string{"--endpoints", "unix://" + d.etcd, "lock", "/quorate/v1/lock/line", "--"}, note(who)...)...)
	}
	join(start(t, program(t, "peer"), "lock", "line", "--socket", d.socket, "--", "sh", "-c", "echo peer1 >> "+order+"; read x < "+release), 1)
	join(etcdctl("etcdctl1"), 2)
	join(peer("peer2"), 3)
	join(etcdctl("etcdctl2"), 4)
	if err := os.WriteFile(release, []byte("go\n"), 0); err != nil {
		t.Fatal(err)
	}
	for _, c := range line {
		if err := c.wait(); err != nil {
			t.Errorf("%s: %v\n%s", c.cmd, err, c.output())
		}
	}
	got, err := os.ReadFile(order)
	if err != nil {
		t.Fatal(err)
	}
	if want := "peer1 etcdctl1 peer2 etcdctl2"; strings.Join(strings.Fields(string(got)), " ") != want {
		t.Errorf("the order was %q, want %q", got, want)
	}
}

func testStatus(t *testing.T, d *dev) {
	var status struct {
		ID   string `json:"id"`
		Etcd struct {
			Version string `json:"version"`
			Socket  string `json:"socket"`
		} `json:"etcd"`
	}
	unmarshal(t, d.must(d.peer("status", "-o", "json")), &status)
	if status.Etcd.Socket != d.etcd {
		t.Errorf("the status names %q, want %q", status.Etcd.Socket, d.etcd)
	}
	var members struct {
		Members []struct {
			Name string `json:"name"`
		} `json:"members"`
	}
	unmarshal(t, d.must(d.etcdctl("member", "list", "-w", "json")), &members)
	if len(members.Members) != 1 || members.Members[0].Name != status.ID {
		t.Errorf("etcdctl member list: %v, want one member called by the node ID %s", members, status.ID)
	}
	var endpoints []struct {
		Status struct {
			Version string `json:"version"`
			Leader  uint64 `json:"leader"`
		}
	}
	unmarshal(t, d.must(d.etcdctl("endpoint", "status", "-w", "json")), &endpoints)
	if len(endpoints) != 1 || endpoints[0].Status.Version != status.Etcd.Version || endpoints[0].Status.Leader == 0 {
		t.Errorf("etcdctl endpoint status: %+v, want version %s and a leader", endpoints, status.Etcd.Version)
	}
	d.must(d.etcdctl("endpoint", "health"))
	if got := d.must(d.etcdctl("version")); !strings.Contains(got, status.Etcd.Version) {
		t.Errorf("etcdctl is %q, the member %s: not the same version", got, status.Etcd.Version)
	}
}

// testAuth does all that `auth enable` asks for first, so that the refusal is ours.
func testAuth(t *testing.T, d *dev) {
	d.etcdctl("user", "add", "root:secret")
	d.etcdctl("role", "add", "root")
	d.etcdctl("user", "grant-role", "root", "root")
	out, err := d.etcdctl("auth", "enable")
	if err == nil {
		t.Fatalf("auth enable succeeded: %s", out)
	}
	if !strings.Contains(err.Error(), "users and roles cannot be turned on") {
		t.Errorf("the refusal is not ours: %v", err)
	}
	d.must(d.etcdctl("put", "auth/a", "still open"))
	d.must(d.peer("kv", "get", "auth/a"))
}

// code is the exit code in err: 0 for nil, -1 for an error that has none.
func code(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -1
}

func unmarshal(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}
