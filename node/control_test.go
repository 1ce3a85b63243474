package node_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/node"
)

func TestRemote(t *testing.T) {
	n := start(t, node.Config{Name: "box"})
	r := node.Remote{Socket: n.Socket()}
	ctx := within(t, 10*time.Second)
	if err := r.WaitReady(ctx, true); err != nil {
		t.Fatal(err)
	}
	s, err := r.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "box" || s.ID != n.Status().ID || s.Phase != node.Running || !s.Quorum {
		t.Errorf("status = %+v", s)
	}
	var ids, types []string
	for e, err := range r.Events(ctx, node.EventOptions{Backlog: true}) {
		if err != nil {
			t.Fatal(err)
		}
		ids, types = append(ids, e.ID), append(types, e.Type)
	}
	if len(types) < 2 || types[0] != "started" {
		t.Fatalf("events = %v", types)
	}
	var resumed []string
	for e, err := range r.Events(ctx, node.EventOptions{Backlog: true, After: ids[0]}) {
		if err != nil {
			t.Fatal(err)
		}
		resumed = append(resumed, e.ID)
	}
	if len(resumed) < len(ids)-1 || resumed[0] != ids[1] {
		t.Errorf("resumed after %s: %v", ids[0], resumed)
	}
	for e, err := range r.Events(ctx, node.EventOptions{Backlog: true, After: "feedface-7"}) {
		if err != nil || e.Type != "reset" {
			t.Errorf("first event after an unknown one: %+v, %v", e, err)
		}
		break
	}
}

// A follower is told when the node goes, and does not hold Close up.
func TestRemoteFollowEndsWithTheNode(t *testing.T) {
	n := start(t, node.Config{})
	ctx := within(t, 10*time.Second)
	began, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		first := true
		for _, err := range (node.Remote{Socket: n.Socket()}).Events(ctx) {
			if first {
				close(began)
				first = false
			}
			if err != nil {
				ended <- err
				return
			}
		}
		ended <- nil
	}()
	<-began
	at := time.Now()
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(at); d > 3*time.Second {
		t.Errorf("Close took %v", d)
	}
	if err := <-ended; !errors.Is(err, io.EOF) {
		t.Errorf("the stream ended with %v", err)
	}
}

func TestRemoteWithoutANode(t *testing.T) {
	sock := filepath.Join(shortDir(t), "peer.sock")
	_, err := node.Remote{Socket: sock}.Status(t.Context())
	var p *node.Error
	if !errors.Is(err, node.ErrSocket) || !errors.As(err, &p) || !strings.Contains(p.Do, "peer dev") {
		t.Errorf("err = %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 120*time.Millisecond)
	defer cancel()
	if err := (node.Remote{Socket: sock}).WaitReady(ctx, false); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("WaitReady: %v", err)
	}
	if _, err := node.Dial(t.Context(), sock); !errors.Is(err, node.ErrSocket) {
		t.Errorf("Dial: %v", err)
	}
}

func TestDialSharesTheLine(t *testing.T) {
	n := start(t, node.Config{})
	ctx := within(t, 20*time.Second)
	c, err := node.Dial(ctx, n.Socket())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	h, err := c.Mutex("x").Lock(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Mutex("x").TryLock(ctx); err == nil {
		t.Fatal("the node took a lock that another process holds")
	}
	if err := h.Release(ctx); err != nil {
		t.Fatal(err)
	}
	mine, err := n.Mutex("x").Lock(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if mine.Fence() <= h.Fence() {
		t.Errorf("fences %d, then %d", h.Fence(), mine.Fence())
	}
	if err := mine.Release(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestControlHTTP(t *testing.T) {
	n := start(t, node.Config{})
	if err := n.Ready(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		method, path string
		code         int
	}{
		{"GET", "/livez", 200}, {"GET", "/readyz", 200}, {"GET", "/v1/status", 200},
		{"GET", "/v1/nothing", 404}, {"POST", "/v1/status", 405}, {"DELETE", "/v1/events", 405},
	} {
		resp := request(t, n, tt.method, tt.path)
		if resp.StatusCode != tt.code {
			t.Errorf("%s %s: %d, want %d", tt.method, tt.path, resp.StatusCode, tt.code)
		}
	}
	resp := request(t, n, "GET", "/v1/status")
	var raw map[string]json.RawMessage
	if err := json.NewDecoder(resp.Body).Decode(&raw); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"version", "name", "id", "cluster", "phase", "quorum", "leader", "members", "problems", "etcd"} {
		if _, ok := raw[key]; !ok {
			t.Errorf("status has no %q", key)
		}
	}
	if string(raw["problems"]) != "[]" {
		t.Errorf("problems = %s, want []", raw["problems"])
	}
	lines := bufio.NewScanner(request(t, n, "GET", "/v1/events?follow=false").Body)
	for _, prefix := range []string{"id: ", "event: started", `data: {"id":`} {
		if !lines.Scan() || !strings.HasPrefix(lines.Text(), prefix) {
			t.Errorf("event stream says %q, want %q", lines.Text(), prefix)
		}
	}
}

func request(t *testing.T, n *node.Node, method, path string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://node"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", n.Socket())
	}}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}
