package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// manager is systemd's side of sd_notify.
type manager struct {
	t      *testing.T
	conn   *net.UnixConn
	socket string
}

func newManager(t *testing.T, dir string) *manager {
	t.Helper()
	socket := filepath.Join(dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &manager{t, conn, socket}
}

// until returns what was said up to the first message that has a line with this
// beginning.
func (m *manager) until(begin string) string {
	m.t.Helper()
	var all strings.Builder
	m.conn.SetReadDeadline(time.Now().Add(patience))
	buf := make([]byte, 4096)
	for {
		n, err := m.conn.Read(buf)
		if err != nil {
			m.t.Fatalf("nothing begins with %q: %v; said was:\n%s", begin, err, &all)
		}
		all.WriteString(string(buf[:n]) + "\n")
		for line := range strings.Lines(string(buf[:n])) {
			if strings.HasPrefix(line, begin) {
				return all.String()
			}
		}
	}
}

func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "q") // a socket's path has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// daemon starts peer run and kills it at the end of the test.
func daemon(t *testing.T, m *manager, env []string, args ...string) (*exec.Cmd, *strings.Builder) {
	t.Helper()
	var errs strings.Builder
	cmd := exec.Command("peer", append([]string{"run"}, args...)...)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+m.socket)
	cmd.Env = append(cmd.Env, env...)
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd, &errs
}

// A node says that it starts, asks for time, is ready, is alive, and stops.
func TestNotify(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	m := newManager(t, dir)
	cmd, errs := daemon(t, m, []string{"WATCHDOG_USEC=150000"}, "--data-dir", filepath.Join(dir, "d"), "--socket", filepath.Join(dir, "peer.sock"))
	said := m.until("READY=1")
	if !strings.HasPrefix(said, "STATUS=starting\nEXTEND_TIMEOUT_USEC=") {
		t.Errorf("before it was ready it said\n%s", said)
	}
	if c, err := net.Dial("unix", filepath.Join(dir, "peer.sock")); err != nil {
		t.Errorf("it said that it is ready, and does not listen: %v", err)
	} else {
		c.Close()
	}
	m.until("STATUS=leader, 1 of 1 members, quorum")
	for range 3 {
		m.until("WATCHDOG=1")
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	m.until("STOPPING=1")
	if err := cmd.Wait(); err != nil {
		t.Errorf("TERM ended it with %v: %s", err, errs)
	}
}

// Ready means that it listens: a node that waits for two others says ready and
// what is missing, and keeps its watchdog quiet.
func TestNotifyWithoutOthers(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	m := newManager(t, dir)
	secret, err := exec.Command("peer", "secret", "new").Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "s"), secret, 0o600); err != nil {
		t.Fatal(err)
	}
	free := loopbackPorts(t, 3)
	cmd, errs := daemon(t, m, []string{"WATCHDOG_USEC=150000", "PEER_CLUSTER=acme", "PEER_SECRET_FILE=" + filepath.Join(dir, "s")},
		"--join", "127.0.0.1:"+free[0]+",127.0.0.1:"+free[1]+",127.0.0.1:"+free[2], "--ports-gossip", free[0],
		"--data-dir", filepath.Join(dir, "d"), "--socket", filepath.Join(dir, "peer.sock"))
	m.until("READY=1")
	m.until("STATUS=waiting for 2 of 3 voters")
	m.until("WATCHDOG=1")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	m.until("STOPPING=1")
	if err := cmd.Wait(); err != nil {
		t.Errorf("TERM ended it with %v: %s", err, errs)
	}
}

// loopbackPorts are ports of the loopback address that nobody used a moment ago.
func loopbackPorts(t *testing.T, n int) []string {
	t.Helper()
	var ports []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		_, port, _ := net.SplitHostPort(l.Addr().String())
		ports = append(ports, port)
	}
	return ports
}
