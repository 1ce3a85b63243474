package bootstrap_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quorate/quorate/bootstrap"
	"github.com/quorate/quorate/internal/pki"
)

// identity is what a node of a cluster shows to others, derived or made as node
// does it.
type identity struct {
	keys           *pki.Keys
	server, client *tls.Config
}

func newIdentity(t testing.TB, secret pki.Secret, cluster string, lifetime time.Duration, now time.Time) identity {
	t.Helper()
	keys, err := pki.Derive(secret, cluster)
	if err != nil {
		t.Fatal(err)
	}
	server, client, err := keys.Mint(pki.RoleVoter, lifetime, now)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(keys.CAPEM())
	return identity{
		keys:   keys,
		server: &tls.Config{Certificates: []tls.Certificate{server.TLS()}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, VerifyConnection: onlyVoters},
		client: &tls.Config{Certificates: []tls.Certificate{client.TLS()}, RootCAs: pool, ServerName: keys.ServerName()},
	}
}

// onlyVoters is how node keeps client nodes from asking.
func onlyVoters(s tls.ConnectionState) error {
	if cn := s.PeerCertificates[0].Subject.CommonName; cn != string(pki.RoleVoter) {
		return fmt.Errorf("a %s may not ask", cn)
	}
	return nil
}

func acme(t testing.TB) identity {
	return newIdentity(t, pki.NewSecret(), "acme", 0, time.Now())
}

// attest is the least that a node can attest.
func attest() bootstrap.Answer {
	s := bootstrap.Begin(bootstrap.NewState(), bootstrap.NewBoot(), bootstrap.DataNone)
	at := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(loopback, port) }
	return bootstrap.Attest(s, bootstrap.Own{Cluster: "acme", Voters: 3, Join: []string{"127.0.0.1:1"}, Version: "0.0.1",
		Advertise: bootstrap.Founder{ID: s.ID, Gossip: at(1), RPC: at(2), PeerURL: "https://127.0.0.1:3"}})
}

var caller = bootstrap.Caller{ID: "00c0ffee12345678", Boot: "b", RPC: netip.AddrPortFrom(loopback, 9)}

type served struct {
	addr  netip.AddrPort
	asked atomic.Int64
	rpc   *bootstrap.RPC
}

func serve(t testing.TB, cluster string, config *tls.Config, a bootstrap.Answer, gate *bootstrap.Gate) *served {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &served{addr: l.Addr().(*net.TCPAddr).AddrPort()}
	s.rpc, err = bootstrap.ServeRPC(bootstrap.RPCConfig{Listener: l, TLS: config, Cluster: cluster, Gate: gate,
		Answer: func() bootstrap.Answer { return a }, Asked: func(bootstrap.Caller) { s.asked.Add(1) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.rpc.Close)
	return s
}

func asker(t testing.TB, cluster string, config *tls.Config, gate *bootstrap.Gate) *bootstrap.Asker {
	a := bootstrap.NewAsker(bootstrap.AskConfig{TLS: config, Cluster: cluster, Gate: gate})
	t.Cleanup(a.Close)
	return a
}

func TestAsk(t *testing.T) {
	t.Parallel()
	id, want := acme(t), attest()
	s := serve(t, "acme", id.server, want, nil)
	a := asker(t, "acme", id.client, nil)
	for range 3 {
		got, err := a.Ask(t.Context(), s.addr, caller)
		if err != nil {
			t.Fatal(err)
		}
		if got.ID != want.ID || got.Boot != want.Boot || got.Starts != want.Starts || got.Advertise != want.Advertise || got.Seeds != want.Seeds {
			t.Errorf("answer = %+v, want %+v", got, want)
		}
	}
	if n := s.asked.Load(); n != 3 {
		t.Errorf("told of %d questions", n)
	}
	s.rpc.Close()
	if _, err := a.Ask(t.Context(), s.addr, caller); !errors.Is(err, bootstrap.ErrUnreachable) {
		t.Errorf("err = %v after Close", err)
	}
}

// TestAskErrors holds what each kind of wrong peer is called.
func TestAskErrors(t *testing.T) {
	t.Parallel()
	now := time.Now()
	secret := pki.NewSecret()
	ours := newIdentity(t, secret, "acme", 0, now)
	foreign := acme(t)
	renamed := newIdentity(t, secret, "emca", 0, now)
	expired := newIdentity(t, secret, "acme", time.Hour, now.Add(-2*time.Hour))
	clientLeaf := func() *tls.Config {
		_, leaf, err := ours.keys.Mint(pki.RoleClient, 0, now)
		if err != nil {
			t.Fatal(err)
		}
		c := ours.client.Clone()
		c.Certificates = []tls.Certificate{leaf.TLS()}
		return c
	}()
	naked := ours.client.Clone()
	naked.Certificates = nil
	// An authority that signs for two clusters is the user's own.
	blind := foreign.client.Clone()
	blind.InsecureSkipVerify = true
	shut := &bootstrap.Gate{}
	shut.Shut()

	raw := func(respond func(net.Conn)) netip.AddrPort { return rawServer(t, respond) }
	for _, tt := range []struct {
		name   string
		addr   netip.AddrPort
		client *tls.Config
		gate   *bootstrap.Gate
		want   error
		text   string
	}{
		{"other secret", serve(t, "acme", foreign.server, attest(), nil).addr, ours.client, nil, bootstrap.ErrOtherSecret, "its certificate is not one of ours"},
		{"other cluster name", serve(t, "emca", renamed.server, attest(), nil).addr, ours.client, nil, bootstrap.ErrOtherSecret, "its certificate is not one of ours"},
		{"it refuses our authority", serve(t, "acme", ours.server, attest(), nil).addr, blind, nil, bootstrap.ErrOtherSecret, "it refuses our certificate"},
		{"it refuses our role", serve(t, "acme", ours.server, attest(), nil).addr, clientLeaf, nil, bootstrap.ErrOtherSecret, "it refuses our certificate"},
		{"we have none", serve(t, "acme", ours.server, attest(), nil).addr, naked, nil, bootstrap.ErrOtherSecret, "it refuses our certificate"},
		{"other cluster, same authority", serve(t, "other", ours.server, attest(), nil).addr, ours.client, nil, bootstrap.ErrStranger, `it is of cluster "other"`},
		{"its certificate is expired", serve(t, "acme", expired.server, attest(), nil).addr, ours.client, nil, bootstrap.ErrCertDates, "its certificate"},
		{"ours is", serve(t, "acme", ours.server, attest(), nil).addr, expired.client, nil, bootstrap.ErrCertDates, "it refuses our certificate"},
		{"nobody", netip.AddrPortFrom(loopback, 1), ours.client, nil, bootstrap.ErrUnreachable, "refused"},
		{"we are cut off", serve(t, "acme", ours.server, attest(), nil).addr, ours.client, shut, bootstrap.ErrUnreachable, "cut off"},
		{"it is cut off", serve(t, "acme", ours.server, attest(), shut).addr, ours.client, nil, bootstrap.ErrUnreachable, ""},
		{"it hangs up", raw(func(net.Conn) {}), ours.client, nil, bootstrap.ErrUnreachable, ""},
		{"it speaks no TLS", raw(func(c net.Conn) { io.WriteString(c, "220 mail.example.com ESMTP\r\n") }), ours.client, nil, bootstrap.ErrStranger, "does not speak TLS"},
		{"it answers nonsense", web(t, ours.server, func(w http.ResponseWriter) { io.WriteString(w, "<html>") }), ours.client, nil, bootstrap.ErrStranger, "no format of ours"},
		{"it answers without end", web(t, ours.server, func(w http.ResponseWriter) { w.Write(bytes.Repeat([]byte(" "), 200<<10)) }), ours.client, nil, bootstrap.ErrStranger, "more than"},
		{"it answers another question", web(t, ours.server, func(w http.ResponseWriter) {
			io.WriteString(w, `{"format":1,"since":1,"cluster":"acme","nonce":"old","answer":{}}`)
		}), ours.client, nil, bootstrap.ErrStranger, "not to this question"},
		{"it is of a far future", web(t, ours.server, func(w http.ResponseWriter) {
			io.WriteString(w, `{"format":9,"since":7,"cluster":"acme","nonce":"x"}`)
		}), ours.client, nil, bootstrap.ErrVersion, "speaks version 9"},
		{"it does not understand us", web(t, ours.server, func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusUpgradeRequired)
			io.WriteString(w, `{"format":1,"since":1,"cluster":"acme","nonce":"x"}`)
		}), ours.client, nil, bootstrap.ErrVersion, "does not understand"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := asker(t, "acme", tt.client, tt.gate).Ask(t.Context(), tt.addr, caller)
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("err = %v, want %v with %q", err, tt.want, tt.text)
			}
			for _, other := range []error{bootstrap.ErrUnreachable, bootstrap.ErrOtherSecret, bootstrap.ErrStranger, bootstrap.ErrVersion, bootstrap.ErrCertDates} {
				if other != tt.want && errors.Is(err, other) {
					t.Errorf("err = %v is also %v", err, other)
				}
			}
		})
	}
}

// TestAskIsBounded asks one that accepts and says nothing.
func TestAskIsBounded(t *testing.T) {
	t.Parallel()
	held := make(chan struct{})
	defer close(held)
	addr := rawServer(t, func(net.Conn) { <-held })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := asker(t, "acme", acme(t).client, nil).Ask(ctx, addr, caller); !errors.Is(err, bootstrap.ErrUnreachable) {
		t.Errorf("err = %v", err)
	}
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("took %v", d)
	}
}

func rawServer(t *testing.T, respond func(net.Conn)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				respond(c)
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// web is a server with the right certificate and the wrong answers.
func web(t *testing.T, config *tls.Config, respond func(http.ResponseWriter)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { respond(w) })}
	go srv.Serve(tls.NewListener(l, config))
	t.Cleanup(func() { srv.Close() })
	return l.Addr().(*net.TCPAddr).AddrPort()
}
