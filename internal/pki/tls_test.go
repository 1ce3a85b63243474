package pki_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"

	"github.com/quorate/quorate/internal/pki"
)

// etcdInfo is how a member configures etcd's peer transport.
func etcdInfo(f pki.Files) transport.TLSInfo {
	return transport.TLSInfo{CertFile: f.CertFile, KeyFile: f.KeyFile, ClientCertFile: f.ClientCertFile, ClientKeyFile: f.ClientKeyFile,
		TrustedCAFile: f.CAFile, ClientCertAuth: true, ServerName: f.ServerName, AllowedCNs: f.AllowedCNs}
}

// Two stacks must agree: crypto/tls as anybody would set it up from Files, and
// etcd's own transport.
var stacks = []struct {
	name           string
	server, client func(testing.TB, pki.Files) *tls.Config
}{
	{"crypto/tls", func(t testing.TB, f pki.Files) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{pair(t, f.CertFile, f.KeyFile)}, ClientCAs: pool(t, f),
			ClientAuth: tls.RequireAndVerifyClientCert, VerifyConnection: allowed(f)}
	}, func(t testing.TB, f pki.Files) *tls.Config {
		c := &tls.Config{RootCAs: pool(t, f), ServerName: f.ServerName, VerifyConnection: allowed(f)}
		if f.ClientCertFile != "" {
			c.Certificates = []tls.Certificate{pair(t, f.ClientCertFile, f.ClientKeyFile)}
		}
		return c
	}},
	{"etcd", func(t testing.TB, f pki.Files) *tls.Config {
		c, err := etcdInfo(f).ServerConfig()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}, func(t testing.TB, f pki.Files) *tls.Config {
		bare := f.ClientCertFile == ""
		if bare { // etcd falls back on the server's pair, and wants it set
			f.ClientCertFile, f.ClientKeyFile = f.CertFile, f.KeyFile
		}
		c, err := etcdInfo(f).ClientConfig()
		if err != nil {
			t.Fatal(err)
		}
		if bare {
			c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &tls.Certificate{}, nil }
		}
		return c
	}},
}

func pair(t testing.TB, cert, key string) tls.Certificate {
	t.Helper()
	c, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func pool(t testing.TB, f pki.Files) *x509.CertPool {
	t.Helper()
	b, err := os.ReadFile(f.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(b) {
		t.Fatalf("no certificate in %s", f.CAFile)
	}
	return p
}

func allowed(f pki.Files) func(tls.ConnectionState) error {
	return func(s tls.ConnectionState) error {
		if len(f.AllowedCNs) > 0 && !slices.Contains(f.AllowedCNs, s.PeerCertificates[0].Subject.CommonName) {
			return errors.New("role not allowed")
		}
		return nil
	}
}

func write(t testing.TB, k *pki.Keys, lifetime time.Duration) pki.Files {
	t.Helper()
	f, err := k.WriteFiles(filepath.Join(t.TempDir(), "tls"), lifetime, now)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// guest writes what a client, not a voter, holds, and dials with.
func guest(t testing.TB, k *pki.Keys, like pki.Files) pki.Files {
	t.Helper()
	_, leaf, err := k.Mint(pki.RoleClient, 0, now)
	if err != nil {
		t.Fatal(err)
	}
	key, err := leaf.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	like.ClientCertFile, like.ClientKeyFile = filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	for name, b := range map[string][]byte{like.ClientCertFile: leaf.CertPEM, like.ClientKeyFile: key} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return like
}

func TestHandshakes(t *testing.T) {
	acme := derive(t, counting, "acme")
	one, two := write(t, acme, 0), write(t, derive(t, counting, "acme"), 0)
	hour := write(t, acme, time.Hour)
	change := func(f pki.Files, c func(*pki.Files)) pki.Files { c(&f); return f }
	tests := []struct {
		name           string
		server, client pki.Files
		at             time.Time // both clocks
		ok             bool
	}{
		{"voter and voter", one, two, now, true},
		{"voter and itself", one, one, now, true},
		{"clocks of 1970", one, two, time.Unix(0, 0), true},
		{"clocks of 9999", one, two, time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), true},
		{"with a lifetime", hour, two, now, true},
		{"with a lifetime, clocks of 1970", hour, two, time.Unix(0, 0), true},
		{"server's lifetime is over", hour, two, now.Add(time.Hour + time.Second), false},
		{"client's lifetime is over", one, hour, now.Add(time.Hour + time.Second), false},
		{"a client speaks raft", one, guest(t, acme, two), now, false},
		// The control: it is the role and nothing else that is refused.
		{"a client where every role is allowed", change(one, func(f *pki.Files) { f.AllowedCNs = nil }), guest(t, acme, two), now, true},
		{"a client poses as server", change(one, func(f *pki.Files) {
			g := guest(t, acme, two)
			f.CertFile, f.KeyFile = g.ClientCertFile, g.ClientKeyFile
		}), two, now, false},
		{"a voter's client leaf serves", change(one, func(f *pki.Files) { f.CertFile, f.KeyFile = f.ClientCertFile, f.ClientKeyFile }), two, now, false},
		{"a voter's server leaf dials", one, change(two, func(f *pki.Files) { f.ClientCertFile, f.ClientKeyFile = f.CertFile, f.KeyFile }), now, false},
		{"no client certificate", one, change(two, func(f *pki.Files) { f.ClientCertFile, f.ClientKeyFile = "", "" }), now, false},
		{"same secret, other cluster", one, write(t, derive(t, counting, "acme2"), 0), now, false},
		{"same secret, other cluster, name asked for", one, change(write(t, derive(t, counting, "acme2"), 0), func(f *pki.Files) { f.ServerName = "peer.acme" }), now, false},
		{"other secret, same cluster", one, write(t, derive(t, pki.NewSecret().Text(), "acme"), 0), now, false},
		{"other secret, the right CA trusted", one, change(write(t, derive(t, pki.NewSecret().Text(), "acme"), 0), func(f *pki.Files) { f.CAFile = one.CAFile }), now, false},
		{"another name asked for", one, change(two, func(f *pki.Files) { f.ServerName = "peer.acme2" }), now, false},
		{"an address asked for", one, change(two, func(f *pki.Files) { f.ServerName = "127.0.0.1" }), now, false},
	}
	for _, stack := range stacks {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			for _, tt := range tests {
				t.Run(stack.name+"/"+tls.VersionName(version)+"/"+tt.name, func(t *testing.T) {
					server, client := stack.server(t, tt.server), stack.client(t, tt.client)
					server.MinVersion, client.MinVersion, client.MaxVersion = version, version, version
					server.Time = func() time.Time { return tt.at }
					client.Time = server.Time
					serr, cerr := handshake(t, server, client)
					if got := serr == nil && cerr == nil; got != tt.ok {
						t.Errorf("server: %v; client: %v", serr, cerr)
					}
				})
			}
		}
	}
}

// handshake connects the two and sends a byte each way: in TLS 1.3 the client
// is done before the server has looked at its certificate.
func handshake(t testing.TB, server, client *tls.Config) (serr, cerr error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			done <- err
			return
		}
		done <- pingpong(tls.Server(c, server), true)
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	cerr = pingpong(tls.Client(c, client), false)
	return <-done, cerr
}

func pingpong(c net.Conn, first bool) error {
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	b := []byte{42}
	if first {
		if _, err := c.Write(b); err != nil {
			return err
		}
	}
	if _, err := io.ReadFull(c, b); err != nil {
		return err
	}
	if !first {
		_, err := c.Write(b)
		return err
	}
	return nil
}

// TestEtcdListener goes through etcd's peer listener, which also holds the
// names in the client's certificate against the address it comes from.
func TestEtcdListener(t *testing.T) {
	k := derive(t, counting, "acme")
	one, two := write(t, k, 0), write(t, k, 0)
	for _, tt := range []struct {
		name   string
		client pki.Files
		ok     bool
	}{
		{"voter", two, true},
		{"client", guest(t, k, two), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			info := etcdInfo(one)
			refused := make(chan error, 1)
			info.HandshakeFailure = func(_ *tls.Conn, err error) { refused <- err }
			l, err := transport.NewListenerWithOpts("127.0.0.1:0", "https", transport.WithTLSInfo(&info))
			if err != nil {
				t.Fatal(err)
			}
			accepted := make(chan error, 1)
			served := make(chan struct{})
			go func() {
				defer close(served)
				if c, err := l.Accept(); err == nil {
					accepted <- pingpong(c, true)
				}
			}()
			client, err := etcdInfo(tt.client).ClientConfig()
			if err != nil {
				t.Fatal(err)
			}
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			cerr := pingpong(tls.Client(c, client), false)
			select {
			case err := <-accepted:
				if !tt.ok || err != nil || cerr != nil {
					t.Errorf("accepted; server: %v, client: %v", err, cerr)
				}
			case err := <-refused:
				if tt.ok || cerr == nil {
					t.Errorf("refused: %v; client: %v", err, cerr)
				}
			}
			l.Close()
			<-served
		})
	}
}
