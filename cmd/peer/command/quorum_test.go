package command_test

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quorate/quorate/cmd/peer/command"
	"github.com/quorate/quorate/node"
)

// silent is a node whose etcd accepts and never answers. It returns the path of
// its control socket.
func silent(t *testing.T, quorum bool) string {
	dir, err := os.MkdirTemp("", "q") // a socket's path has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	listen := func(name string) net.Listener {
		l, err := net.Listen("unix", filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l
	}
	etcd := listen("etcd.sock")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) {
		s := node.Status{Version: node.StatusVersion, Phase: node.Running, Quorum: quorum, Etcd: node.EtcdStatus{Socket: etcd.Addr().String()}}
		if !quorum {
			s.Problems = []node.Problem{{Code: "no-quorum", What: "no raft leader is known", Why: "gw-b is down", Do: "start it"}}
		}
		json.NewEncoder(w).Encode(s)
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "gw-b is down", http.StatusServiceUnavailable)
	})
	control := listen("peer.sock")
	server := &http.Server{Handler: mux}
	go server.Serve(control)
	t.Cleanup(func() { server.Close() })
	return control.Addr().String()
}

// Without quorum nothing answers: that has a code of its own, and names who is
// missing. With quorum it is a time-out.
func TestNoAnswer(t *testing.T) {
	for _, tt := range []struct {
		args   string
		quorum bool
		code   int
		err    string
	}{
		{"kv get k --timeout 200ms", false, 4, "gw-b is down"},
		{"kv put k v --timeout 200ms", false, 4, "gw-b is down"},
		{"kv ls --timeout 200ms", false, 4, "gw-b is down"},
		{"kv get k --timeout 200ms", true, 3, "no answer within 200ms"},
		{"wait-ready --timeout 200ms", false, 0, ""},
		{"wait-ready --quorum --timeout 200ms", false, 4, "gw-b is down"},
		{"lock x --timeout 200ms -- true", false, 4, `lock "x" was not acquired`},
		{"lock x --try --timeout 200ms -- true", false, 4, `lock "x" was not acquired`},
	} {
		t.Run(tt.args, func(t *testing.T) {
			app, _, errs := acme()
			args := append([]string{"acme", "--socket", silent(t, tt.quorum), "cluster"}, strings.Fields(tt.args)...)
			if code := command.Run(t.Context(), app, args); code != tt.code {
				t.Errorf("code is %d, want %d; stderr: %s", code, tt.code, errs)
			}
			if !strings.Contains(errs.String(), tt.err) || tt.err == "" && errs.Len() > 0 {
				t.Errorf("stderr is %q, want %q", errs, tt.err)
			}
		})
	}
}
