package bootstrap_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quorate/quorate/bootstrap"
)

// TestServeRefusesLaxTLS holds that nobody can ask without a certificate.
func TestServeRefusesLaxTLS(t *testing.T) {
	id := acme(t)
	for name, lax := range map[string]func(*tls.Config){
		"no certificate demanded":  func(c *tls.Config) { c.ClientAuth = tls.VerifyClientCertIfGiven },
		"any certificate":          func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert },
		"the system's authorities": func(c *tls.Config) { c.ClientCAs = nil },
		"another config by name": func(c *tls.Config) {
			c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return nil, nil }
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			c := id.server.Clone()
			lax(c)
			if r, err := bootstrap.ServeRPC(bootstrap.RPCConfig{Listener: l, TLS: c, Cluster: "acme", Answer: attest}); err == nil {
				r.Close()
				t.Error("it serves")
			}
			if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("the listener was left open: %v", err)
			}
		})
	}
}

// TestServeBounds holds what a stranger can take: 32 connections from one
// address, each for the handshake's time, a header of 8 KiB, a body of 64 KiB.
func TestServeBounds(t *testing.T) {
	t.Parallel()
	id := acme(t)
	s := serve(t, "acme", id.server, attest(), nil)
	var idle []net.Conn
	for range 40 {
		c, err := net.Dial("tcp", s.addr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		idle = append(idle, c)
	}
	var closed atomic.Int64
	var reads sync.WaitGroup
	for _, c := range idle {
		c.SetReadDeadline(time.Now().Add(time.Second)) // before the handshake's time ends all
		reads.Go(func() {
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
				closed.Add(1)
			}
		})
	}
	reads.Wait()
	if n := closed.Load(); n != 8 {
		t.Errorf("%d of 40 idle connections were closed at once, want 8", n)
	}
	for deadline := time.Now().Add(15 * time.Second); ; {
		if _, err := asker(t, "acme", id.client, nil).Ask(t.Context(), s.addr, caller); err == nil {
			break // the idle ones ran into the handshake's time
		} else if time.Now().After(deadline) {
			t.Fatalf("strangers keep a peer out: %v", err)
		}
	}

	h := &http.Client{Transport: &http.Transport{TLSClientConfig: id.client}}
	defer h.CloseIdleConnections()
	for _, tt := range []struct {
		name   string
		method string
		path   string
		body   io.Reader
		header string
		want   int
	}{
		{"long body", "POST", "/v1/answer", strings.NewReader(strings.Repeat(" ", 70<<10)), "", 400},
		{"no JSON", "POST", "/v1/answer", strings.NewReader("x"), "", 400},
		{"other method", "GET", "/v1/answer", nil, "", 405},
		{"other path", "GET", "/debug/pprof/", nil, "", 404},
		{"long header", "POST", "/v1/answer", nil, strings.Repeat("x", 20<<10), 431},
		{"from the future", "POST", "/v1/answer", strings.NewReader(`{"format":9,"since":8,"cluster":"acme","nonce":"n"}`), "", 426},
		{"other cluster", "POST", "/v1/answer", strings.NewReader(`{"format":1,"since":1,"cluster":"other","nonce":"n"}`), "", 403},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q, err := http.NewRequest(tt.method, "https://"+s.addr.String()+tt.path, tt.body)
			if err != nil {
				t.Fatal(err)
			}
			if tt.header != "" {
				q.Header.Set("X", tt.header)
			}
			resp, err := h.Do(q)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != tt.want {
				t.Errorf("status %d, want %d", resp.StatusCode, tt.want)
			}
		})
	}
}
