package node_test

import (
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/node"
)

// Every refusal of Start that needs no other process: the sentinel, what it
// says and what to do. Nothing may be left running or open; the leak test sees
// to that.
func TestStartRefuses(t *testing.T) {
	for _, tt := range []refusal{
		{name: "WALDir without DataDir", cfg: func(*testing.T, string) node.Config { return node.Config{WALDir: "/x"} }, want: node.ErrConfig, say: "without DataDir", do: "set DataDir"},
		{name: "SocketGroup without Socket", cfg: func(*testing.T, string) node.Config { return node.Config{SocketGroup: "0"} }, want: node.ErrConfig, say: "stays closed", do: "set Socket"},
		{name: "short TTL", cfg: func(*testing.T, string) node.Config { return node.Config{TTL: time.Second} }, want: node.ErrConfig, say: "TTL is 1s", do: "2s or more"},
		{name: "uneven TTL", cfg: func(*testing.T, string) node.Config { return node.Config{TTL: 2500 * time.Millisecond} }, want: node.ErrConfig, say: "whole seconds", do: "2s or more"},
		{name: "timing", cfg: func(*testing.T, string) node.Config {
			return node.Config{Timing: node.Timing{Tick: time.Second, Election: time.Second}}
		}, want: node.ErrConfig, say: "5 to 500 times", do: "leave Timing zero"},
		{name: "short CertLifetime", cfg: func(*testing.T, string) node.Config { return node.Config{CertLifetime: time.Minute} }, want: node.ErrConfig, say: "1m0s", do: "1h or more"},
		{name: "CertLifetime with own certificates", cfg: func(*testing.T, string) node.Config {
			return node.Config{CertLifetime: time.Hour, TLS: node.TLS{CAFile: "x"}}
		}, want: node.ErrConfig, say: "together with TLS", do: "drop one"},
		{name: "own certificates that are not there", cfg: func(t *testing.T, dir string) node.Config {
			return node.Config{TLS: node.TLS{CAFile: filepath.Join(dir, "ca.pem"), CertFile: "c", KeyFile: "k", ServerName: "x"}}
		}, say: "ca.pem", do: ""},
		{name: "long socket path", cfg: func(t *testing.T, dir string) node.Config {
			return node.Config{Socket: filepath.Join(dir, strings.Repeat("x", 120), "peer.sock")}
		}, want: node.ErrSocket, say: "too long", do: "shorter path"},
		{name: "the etcd socket alone is too long", cfg: func(t *testing.T, dir string) node.Config {
			return node.Config{Socket: filepath.Join(dir, strings.Repeat("x", 107-len(dir)-len("//etcd.sock")+1), "p")}
		}, want: node.ErrSocket, say: "etcd.sock is too long", do: "shorter path"},
		{name: "socket named etcd.sock", cfg: func(t *testing.T, dir string) node.Config {
			return node.Config{Socket: filepath.Join(dir, "etcd.sock")}
		}, want: node.ErrSocket, say: "belongs to etcd", do: "peer.sock"},
		{name: "a file in the socket's place", cfg: func(t *testing.T, dir string) node.Config {
			write(t, filepath.Join(dir, "peer.sock"))
			return node.Config{Socket: filepath.Join(dir, "peer.sock")}
		}, want: node.ErrSocket, say: "not a socket", do: "move it away"},
		{name: "socket directory open to all", cfg: func(t *testing.T, dir string) node.Config {
			open := filepath.Join(dir, "open")
			mkdir(t, open, 0o777)
			return node.Config{Socket: filepath.Join(open, "peer.sock")}
		}, want: node.ErrSocket, say: "written by everyone", do: "mkdir -m 0700"},
		{name: "unknown group", cfg: func(t *testing.T, dir string) node.Config {
			return node.Config{Socket: filepath.Join(dir, "s", "peer.sock"), SocketGroup: "no such group"}
		}, want: node.ErrSocket, say: "no such group", do: "groupadd"},
		{name: "data directory open to others", cfg: func(t *testing.T, dir string) node.Config {
			d := filepath.Join(dir, "data")
			mkdir(t, d, 0o755)
			return node.Config{DataDir: d}
		}, want: node.ErrDataDir, say: "open to others", do: "chmod 0700"},
		{name: "data directory is a file", cfg: func(t *testing.T, dir string) node.Config {
			write(t, filepath.Join(dir, "data"))
			return node.Config{DataDir: filepath.Join(dir, "data")}
		}, want: node.ErrDataDir, say: "cannot be created", do: "elsewhere"},
		{name: "data without a state file", cfg: func(t *testing.T, dir string) node.Config {
			d := filepath.Join(dir, "data")
			mkdir(t, d, 0o700)
			mkdir(t, filepath.Join(d, "etcd"), 0o700)
			return node.Config{DataDir: d}
		}, want: node.ErrDataDir, say: "no state file", do: "restore state.json"},
		{name: "damaged state file", cfg: func(t *testing.T, dir string) node.Config {
			d := filepath.Join(dir, "data")
			mkdir(t, d, 0o700)
			write(t, filepath.Join(d, "state.json"))
			return node.Config{DataDir: d}
		}, say: "state.json", do: "backup"},
		{name: "secret open to others", cfg: func(t *testing.T, dir string) node.Config {
			d := filepath.Join(dir, "data")
			mkdir(t, d, 0o700)
			if err := os.WriteFile(filepath.Join(d, "cluster.secret"), []byte("x"), 0o644); err != nil {
				t.Fatal(err)
			}
			return node.Config{DataDir: d}
		}, say: "cluster.secret", do: "chmod"},
	} {
		t.Run(tt.name, tt.run)
	}
}

// refusal is a configuration that Start refuses: with which sentinel, what it
// says, and what it tells to do.
type refusal struct {
	name    string
	cfg     func(t *testing.T, dir string) node.Config
	want    error
	say, do string
}

func (tt refusal) run(t *testing.T) {
	_, err := node.Start(t.Context(), tt.cfg(t, shortDir(t)))
	if err == nil {
		t.Fatal("it started")
	}
	if tt.want != nil && !errors.Is(err, tt.want) {
		t.Errorf("err = %v, want %v", err, tt.want)
	}
	var p *node.Error
	if !errors.As(err, &p) {
		t.Fatalf("err = %v (%T), want a *node.Error", err, err)
	}
	if p.What == "" || p.Why == "" || p.Do == "" || !strings.Contains(err.Error(), tt.say) || !strings.Contains(p.Do, tt.do) {
		t.Errorf("problem = %+v, want it to say %q and to do %q", p.Problem, tt.say, tt.do)
	}
}

func TestSocketInUse(t *testing.T) {
	dir := shortDir(t)
	sock := filepath.Join(dir, "peer.sock")
	start(t, node.Config{Socket: sock})
	_, err := node.Start(t.Context(), node.Config{Socket: sock})
	if !errors.Is(err, node.ErrInUse) {
		t.Errorf("err = %v", err)
	}
}

func TestSocketModes(t *testing.T) {
	own := strconv.Itoa(os.Getgid()) // a group that this process may give files to
	for _, tt := range []struct {
		group     string
		dir, sock os.FileMode
	}{{"", 0o700, 0o600}, {own, 0o750, 0o660}} {
		dir := filepath.Join(shortDir(t), "run")
		n := start(t, node.Config{Socket: filepath.Join(dir, "peer.sock"), SocketGroup: tt.group})
		for path, want := range map[string]os.FileMode{dir: tt.dir, n.Socket(): tt.sock, filepath.Join(dir, "etcd.sock"): tt.sock} {
			fi, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if got := fi.Mode().Perm(); got != want {
				t.Errorf("%s has mode %#o, want %#o", filepath.Base(path), got, want)
			}
		}
	}
}

// occupy takes the port of a URL.
func occupy(t *testing.T, raw string) {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
}

func write(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("not what belongs here"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(path, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}
