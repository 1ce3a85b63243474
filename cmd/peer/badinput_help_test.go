package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/quorate/quorate/node"
)

// scene is what a row plays with: boxes that would form one cluster if nobody
// spoiled anything.
type scene struct {
	*testing.T
	boxes []*box
	vars  map[string]string // for the patterns of a row
}

// box is one machine: a configuration, a secret, a data directory and three
// ports of its own on loopback, and the daemon while it runs.
type box struct {
	s       *scene
	dir     string
	name    string
	port    int               // gossip; cluster RPC and raft follow
	conf    map[string]string // the configuration file; "" is left out
	env     []string
	before  func(*exec.Cmd) *exec.Cmd // changes what refused runs
	damaged bool                      // its state file cannot be read
	daemon  *exec.Cmd
	log     *syncBuffer
	ended   chan struct{}
	telling *net.UnixConn
}

// rowGrace is for one wait on a busy machine; a whole row takes under 10 s on a
// quiet one.
const rowGrace = 30 * time.Second

func newScene(t *testing.T, n int) *scene {
	s := &scene{T: t, vars: map[string]string{}}
	secret := node.NewSecret()
	for i := range n {
		s.add(string(rune('a'+i)), secret)
	}
	var join []string
	for _, b := range s.boxes {
		join = append(join, b.addr())
	}
	for _, b := range s.boxes {
		b.conf["join"] = list(join...)
	}
	return s
}

// add adds a box that is on nobody's join list.
func (s *scene) add(name, secret string) *box {
	dir, err := os.MkdirTemp("", "q") // short, for the sockets
	s.ok(err)
	b := &box{s: s, dir: dir, name: name, port: freePorts(s.T)}
	s.boxes = append(s.boxes, b)
	s.Cleanup(func() {
		b.kill()
		os.RemoveAll(dir)
	})
	b.conf = map[string]string{
		"name": name, "cluster": "acme", "join": list(b.addr()), "base_port": fmt.Sprint(b.port),
		"data_dir": filepath.Join(dir, "data"), "secret_file": filepath.Join(dir, "secret"), "socket": b.socket(),
	}
	b.write("secret", secret, 0o600)
	return b
}

func (s *scene) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func list(items ...string) string { return "[\"" + strings.Join(items, "\", \"") + "\"]" }

func (b *box) addr() string   { return loopAddr(b.port) }
func (b *box) socket() string { return filepath.Join(b.dir, "run", "peer.sock") }
func (b *box) data() string   { return b.conf["data_dir"] }

func loopAddr(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

func (b *box) write(name, text string, mode fs.FileMode) string {
	b.s.Helper()
	path := filepath.Join(b.dir, name)
	b.s.ok(os.WriteFile(path, []byte(text), mode))
	b.s.ok(os.Chmod(path, mode))
	return path
}

// command is a command of the peer binary, with nothing in the environment that
// could configure it but what the row says.
func (b *box) command(args ...string) *exec.Cmd {
	c := exec.Command("peer", args...)
	c.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "PEER_") || strings.HasPrefix(v, "NOTIFY_") || strings.HasPrefix(v, "CREDENTIALS_")
	})
	c.Env = append(c.Env, b.env...)
	return c
}

// runCommand is peer run with the box's configuration file.
func (b *box) runCommand() *exec.Cmd {
	var text strings.Builder
	for _, k := range slices.Sorted(maps.Keys(b.conf)) {
		if b.conf[k] != "" {
			fmt.Fprintf(&text, "%s: %s\n", k, b.conf[k])
		}
	}
	return b.command("run", "--config", b.write("peer.yaml", text.String(), 0o600))
}

// start starts the daemon and waits until it tells systemd that it is ready.
func (b *box) start() {
	b.s.Helper()
	b.launch()
	ready := make([]byte, 4096)
	for end := time.Now().Add(rowGrace); ; {
		b.telling.SetReadDeadline(time.Now().Add(50 * time.Millisecond)) // fails once it has ended
		n, err := b.telling.Read(ready)
		if err == nil && bytes.Contains(ready[:n], []byte("READY=1")) {
			return
		}
		select {
		case <-b.ended:
			b.s.Fatalf("%s ended with %d before it was ready:\n%s", b.name, b.daemon.ProcessState.ExitCode(), b.log)
		default:
		}
		if time.Now().After(end) {
			b.s.Fatalf("%s is not ready after %v:\n%s", b.name, rowGrace, b.log)
		}
	}
}

func (b *box) launch() {
	b.s.Helper()
	at := filepath.Join(b.dir, "notify")
	os.Remove(at)
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: at, Net: "unixgram"})
	b.s.ok(err)
	c, log, ended := b.runCommand(), &syncBuffer{}, make(chan struct{})
	c.Env = append(c.Env, "NOTIFY_SOCKET="+at)
	c.Stdout, c.Stderr = log, log
	b.s.ok(c.Start())
	b.telling, b.daemon, b.log, b.ended = l, c, log, ended
	go func() {
		c.Wait()
		l.Close()
		close(ended)
	}()
}

// stop asks the daemon to end, which must end with 0.
func (b *box) stop() {
	b.s.Helper()
	if b.daemon != nil {
		b.daemon.Process.Signal(syscall.SIGTERM)
		b.awaitEnd()
	}
}

func (b *box) awaitEnd() {
	b.s.Helper()
	if b.daemon == nil {
		return
	}
	select {
	case <-b.ended:
	case <-time.After(rowGrace):
		b.s.Fatalf("%s does not stop:\n%s", b.name, b.log)
	}
	if code := b.daemon.ProcessState.ExitCode(); code != 0 {
		b.s.Errorf("%s ended with %d when it was stopped:\n%s", b.name, code, b.log)
	}
	b.daemon = nil
}

func (b *box) kill() {
	if b.daemon != nil {
		b.daemon.Process.Kill()
		<-b.ended
		b.daemon = nil
	}
}

// waitReady is the exit code of peer wait-ready --quorum.
func (b *box) waitReady(timeout time.Duration) int {
	c := b.command("wait-ready", "--quorum", "--timeout", timeout.String(), "--socket", b.socket())
	c.Run()
	return c.ProcessState.ExitCode()
}

// form starts all boxes and waits until they are one cluster.
func (s *scene) form() {
	s.Helper()
	for _, b := range s.boxes {
		if b.daemon == nil {
			b.start()
		}
	}
	for _, b := range s.boxes {
		if code := b.waitReady(rowGrace); code != 0 {
			s.Fatalf("wait-ready of %s ended with %d: %s\n%s", b.name, code, b.problems(), b.log)
		}
	}
}

func (s *scene) stop() {
	s.Helper()
	for _, b := range s.boxes { // all at once
		if b.daemon != nil {
			b.daemon.Process.Signal(syscall.SIGTERM)
		}
	}
	for _, b := range s.boxes {
		b.awaitEnd()
	}
}

// problem waits until status has a problem with that code, and returns it as
// peer status -o json shows it.
func (b *box) problem(code string) node.Problem {
	b.s.Helper()
	find := func(ps []node.Problem) *node.Problem {
		if i := slices.IndexFunc(ps, func(p node.Problem) bool { return p.Code == code }); i >= 0 {
			return &ps[i]
		}
		return nil
	}
	var last string
	for end := time.Now().Add(rowGrace); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		s, err := b.ask()
		if err != nil || find(s.Problems) == nil {
			last = fmt.Sprintf("%v %v", s.Problems, err)
			continue
		}
		out, err := b.command("status", "-o", "json", "--socket", b.socket()).Output()
		b.s.ok(err)
		var shown node.Status
		b.s.ok(json.Unmarshal(out, &shown))
		if p := find(shown.Problems); p != nil {
			return *p
		}
	}
	b.s.Fatalf("%s has no problem %s after %v, but %s\n%s", b.name, code, rowGrace, last, b.log)
	return node.Problem{}
}

func (b *box) ask() (node.Status, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return node.Remote{Socket: b.socket()}.Status(ctx)
}

func (b *box) problems() string {
	s, err := b.ask()
	return fmt.Sprint(s.Phase, " ", s.Problems, " ", err)
}

// state is what the state file says; zero if there is none.
type state struct {
	peerState
	Peers []peerState `json:"peers"`
}

type peerState struct {
	ID     string `json:"id"`
	Starts int    `json:"starts"`
}

func (b *box) state() (st state) {
	b.s.Helper()
	text, err := os.ReadFile(filepath.Join(b.data(), "state.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return st
	}
	b.s.ok(err)
	b.s.ok(json.Unmarshal(text, &st))
	return st
}
