package node_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/node"
)

// Two nodes of three that do not fit together start, wait, and both say what is
// wrong and with whom. The third is off, so nothing can form.
func TestNodesThatDoNotFit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, a, b *node.Config)
		code   string
		a, b   []string // what they say; nil: this one need not
	}{
		{name: "voters differ", code: "voters-differ", change: func(_ *testing.T, _, b *node.Config) { b.Voters = 2 },
			a: []string{"3 here, 2 at n2", "same voters"}, b: []string{"2 here, 3 at n1"}},
		{name: "voters are too few", code: "voters-few", change: func(_ *testing.T, a, _ *node.Config) { a.Voters = 1 },
			a: []string{"1 voters cannot be a majority", "at least 2"}},
		{name: "join lists differ", code: "join-differs", change: func(_ *testing.T, _, b *node.Config) {
			b.Join = append([]string{"127.0.0.1:19999"}, b.Join[:2]...)
		}, a: []string{"at n2", "19999", "same join list"}, b: []string{"at n1"}},
		{name: "other secret", code: "seed-other-secret", change: func(_ *testing.T, _, b *node.Config) { b.Secret = node.SecretText(node.NewSecret()) },
			a: []string{"another cluster secret or cluster name", "sha256sum"}, b: []string{"another cluster secret"}},
		{name: "other cluster name", code: "seed-other-secret", change: func(_ *testing.T, _, b *node.Config) { b.Cluster = "tset" },
			a: []string{"or cluster name"}, b: []string{"or cluster name"}},
		{name: "one name for two", code: "name-twice", change: func(_ *testing.T, a, b *node.Config) { b.Name = a.Name },
			a: []string{"two nodes have the name n1"}, b: []string{"the other one is n1"}},
		{name: "an address where nobody is", code: "seed-silent", change: func(*testing.T, *node.Config, *node.Config) {},
			a: []string{"no answer from {third}", "start it, or open its"}, b: []string{"{third}"}},
		{name: "an address where something else is", code: "seed-stranger", change: func(t *testing.T, a, _ *node.Config) { serveHTTP(t, a.Join[2]) },
			a: []string{"no node answers at {third}"}, b: []string{"{third}", "ss -ltnp"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfgs := machines(t, 3)
			tt.change(t, &cfgs[0], &cfgs[1])
			a, b := start(t, cfgs[0]), start(t, cfgs[1])
			third := cfgs[0].Join[2]
			for n, says := range map[*node.Node][]string{a: tt.a, b: tt.b} {
				for i := range says {
					says[i] = strings.ReplaceAll(says[i], "{third}", third)
				}
				if says != nil {
					shows(t, n, tt.code, says...)
				}
			}
			for _, n := range []*node.Node{a, b} {
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				err := n.Ready(ctx)
				cancel()
				if !errors.Is(err, node.ErrNoQuorum) || n.Status().Phase != node.Waiting {
					t.Errorf("%s is %s, Ready: %v", n.Status().Name, n.Status().Phase, err)
				}
			}
		})
	}
}

// serveHTTP is some other program on the cluster RPC port of the machine whose
// gossip address that is.
func serveHTTP(t *testing.T, gossip string) {
	t.Helper()
	host, port, err := net.SplitHostPort(gossip)
	if err != nil {
		t.Fatal(err)
	}
	var p int
	if _, err := fmt.Sscan(port, &p); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", host, p+1))
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Serve(l)
	}()
	t.Cleanup(func() {
		s.Close()
		<-done
	})
}

// Two voters form a cluster, and are told that a third would be better.
func TestEvenVoters(t *testing.T) {
	t.Parallel()
	cfgs := machines(t, 2)
	ctx := within(t, 20*time.Second)
	for _, n := range []*node.Node{start(t, cfgs[0]), start(t, cfgs[1])} {
		if err := n.Ready(ctx); err != nil {
			t.Fatal(err)
		}
		shows(t, n, "voters-even", "2 voters survive no more failures than 1")
	}
}

// A fourth node finds a running cluster: it says so, waits, and changes nothing.
func TestLateNodeWaits(t *testing.T) {
	t.Parallel()
	cfgs := machines(t, 3)
	ctx := within(t, 30*time.Second)
	var nodes []*node.Node
	for _, c := range cfgs {
		nodes = append(nodes, start(t, c))
	}
	for _, n := range nodes {
		if err := n.Ready(ctx); err != nil {
			t.Fatal(err)
		}
	}
	late := start(t, other(t, cfgs[0], "n4"))
	shows(t, late, "cluster-exists", "joining comes with a later version", "it waits")
	if s := late.Status(); s.Phase != node.Waiting || s.Etcd.MemberID != "" {
		t.Errorf("the late node: %+v", s)
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if err := late.Ready(short); !errors.Is(err, node.ErrNoQuorum) || !strings.Contains(err.Error(), "a cluster exists") {
		t.Errorf("Ready: %v", err)
	}
	r, err := nodes[0].Etcd().MemberList(ctx)
	if err != nil || len(r.Members) != 3 {
		t.Errorf("the cluster has members %v, %v", r, err)
	}
	eventually(t, "the cluster sees the late node, and that it is no member", nodes[0], func() bool {
		for _, m := range nodes[0].Status().Members {
			if m.Name == "n4" {
				return m.Role == "" && m.RPC == "ok"
			}
		}
		return false
	})
}
