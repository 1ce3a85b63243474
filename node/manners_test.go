package node_test

import (
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/quorate/quorate/node"
)

// The host's things are as they were after a node has run: its default logger,
// its default mux and its metrics registry.
func TestHostIsLeftAlone(t *testing.T) {
	logger := slog.Default()
	families := gather(t)
	paths := []string{"/", "/metrics", "/health", "/v1/status", "/livez", "/readyz", "/debug/vars", "/debug/requests"}
	routes := patterns(paths)

	n := start(t, node.Config{})
	if err := n.Ready(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	// Vectors without a label yet are not gathered, so names are compared with
	// what the imported packages say of themselves: all are etcd's or gRPC's.
	for name := range gather(t) {
		if _, ok := families[name]; !ok && !strings.HasPrefix(name, "etcd_") && !strings.HasPrefix(name, "grpc_") {
			t.Errorf("a running node added the metric %s", name)
		}
	}
	if got := patterns(paths); got != routes {
		t.Errorf("routes on the default mux went from %q to %q", routes, got)
	}
	if slog.Default() != logger {
		t.Error("the default logger was replaced")
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
}

func gather(t *testing.T) map[string]bool {
	t.Helper()
	mfs, err := prometheus.DefaultGatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, mf := range mfs {
		names[mf.GetName()] = true
	}
	return names
}

func patterns(paths []string) string {
	var b strings.Builder
	for _, p := range paths {
		r, _ := http.NewRequest(http.MethodGet, p, nil)
		_, pattern := http.DefaultServeMux.Handler(r)
		b.WriteString(p + "=" + pattern + " ")
	}
	return b.String()
}

func TestGathererIsEtcdsPart(t *testing.T) {
	mfs, err := node.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	var etcd int
	for _, mf := range mfs {
		if strings.HasPrefix(mf.GetName(), "go_") || strings.HasPrefix(mf.GetName(), "process_") {
			t.Errorf("%s is the host's, not etcd's", mf.GetName())
		}
		if strings.HasPrefix(mf.GetName(), "etcd_") {
			etcd++
		}
	}
	if etcd < 20 {
		t.Errorf("%d families of etcd's", etcd)
	}
}

// No signal handler is installed: a signal ends a process with a node in it as
// the kernel's default says, with no chance for anybody to catch it.
func TestSignalsAreTheHosts(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		if signal.Ignored(sig) {
			continue // as SIGHUP is under nohup, which children inherit
		}
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), childEnv+"="+shortDir(t))
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { cmd.Process.Kill() })
			line := make([]byte, 7)
			if _, err := out.Read(line); err != nil || string(line) != "holding" {
				t.Fatalf("child said %q, %v", line, err)
			}
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			err = cmd.Wait()
			ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
			if !ok || !ws.Signaled() || ws.Signal() != sig {
				t.Errorf("the process ended with %v, want death by %v", err, sig)
			}
		})
	}
}

// The directory keeps its secrets to itself.
func TestFileModes(t *testing.T) {
	n := start(t, node.Config{DataDir: filepath.Join(shortDir(t), "d")})
	err := filepath.WalkDir(n.DataDir(), func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return nil // a temporary file that went meanwhile
		}
		fi, err := d.Info()
		if err != nil {
			return nil
		}
		rel, _ := filepath.Rel(n.DataDir(), path)
		ours := !strings.HasPrefix(rel, "etcd/") // etcd's files are in a 0700 directory of their own
		if ours && fi.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", rel, fi.Mode())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
