package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// occupy takes a port of loopback until the returned function is called.
func (s *scene) occupy(network string, port int) (free func()) {
	s.Helper()
	var c io.Closer
	var err error
	if network == "udp" {
		c, err = net.ListenPacket("udp", loopAddr(port))
	} else {
		c, err = net.Listen("tcp", loopAddr(port))
	}
	s.ok(err)
	s.Cleanup(func() { c.Close() })
	return func() { c.Close() }
}

// stranger is a web server where a node's cluster RPC should be. It returns the
// gossip address that goes with it.
func (s *scene) stranger(c *tls.Config) string {
	s.Helper()
	base := freePorts(s.T)
	l, err := net.Listen("tcp", loopAddr(base+1))
	s.ok(err)
	web := &http.Server{TLSConfig: c, Handler: http.NotFoundHandler(), ErrorLog: log.New(io.Discard, "", 0)}
	go func() {
		if c != nil {
			web.ServeTLS(l, "", "")
		} else {
			web.Serve(l)
		}
	}()
	s.Cleanup(func() { web.Close() })
	return loopAddr(base)
}

// virtual is an address that leads to b, as a balancer or a virtual IP does.
func (s *scene) virtual(b *box) string {
	s.Helper()
	base := freePorts(s.T)
	l, err := net.Listen("tcp", loopAddr(base+1))
	s.ok(err)
	s.Cleanup(func() { l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer in.Close()
				out, err := net.Dial("tcp", loopAddr(b.port+1))
				if err != nil {
					return
				}
				defer out.Close()
				go func() {
					io.Copy(out, in)
					out.Close()
				}()
				io.Copy(in, out)
			}()
		}
	}()
	return loopAddr(base)
}

// authority is somebody's own CA.
type authority struct {
	s    *scene
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

func (s *scene) authority(name string) *authority {
	s.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	s.ok(err)
	t := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(48000 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	s.ok(err)
	cert, err := x509.ParseCertificate(der)
	s.ok(err)
	return &authority{s, cert, key, pemOf("CERTIFICATE", der)}
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// leaf is a member's certificate and key.
func (a *authority) leaf(end time.Time) (cert, key string) {
	a.s.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	a.s.ok(err)
	t := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "member"}, DNSNames: []string{"peer.example"}, NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, k.Public(), a.key)
	a.s.ok(err)
	kder, err := x509.MarshalPKCS8PrivateKey(k)
	a.s.ok(err)
	return pemOf("CERTIFICATE", der), pemOf("PRIVATE KEY", kder)
}

// certify gives b certificates of its own: a leaf of signer, and ca to check
// others against.
func (b *box) certify(ca, signer *authority, end time.Time) {
	b.s.Helper()
	cert, key := signer.leaf(end)
	b.conf["tls"] = fmt.Sprintf("{ca_file: %s, cert_file: %s, key_file: %s, server_name: peer.example}",
		b.write("ca.pem", ca.pem, 0o644), b.write("cert.pem", cert, 0o644), b.write("key.pem", key, 0o600))
	b.s.vars["cert"], b.s.vars["key"] = filepath.Join(b.dir, "cert.pem"), filepath.Join(b.dir, "key.pem")
}

// later is when certificates end that are in order.
func later() time.Time { return time.Now().Add(24000 * time.Hour) }

// foreign is a TLS configuration with a certificate that is not the cluster's.
func (s *scene) foreign() *tls.Config {
	web := httptest.NewUnstartedServer(nil)
	defer web.Close()
	web.StartTLS()
	return web.TLS.Clone()
}

// copyData makes to's data directory a copy of from's.
func (s *scene) copyData(from, to string) {
	s.Helper()
	s.ok(os.RemoveAll(to))
	s.ok(os.CopyFS(to, os.DirFS(from)))
	s.ok(filepath.WalkDir(to, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir():
			return os.Chmod(path, 0o700)
		default:
			return os.Chmod(path, 0o600)
		}
	}))
}

// nextPorts is where freePorts looks next, below the range of outgoing
// connections and that of ports which nodes choose for themselves.
var nextPorts atomic.Int64

// freePorts is the first of three ports in a row that were free a moment ago,
// and that no other row gets.
func freePorts(t *testing.T) int {
	t.Helper()
	for range 1000 {
		base := 10000 + int(nextPorts.Add(1)+int64(os.Getpid()))%2400*4
		var open []interface{ Close() error }
		free := true
		for port := base; port < base+3 && free; port++ {
			l, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
			u, uerr := net.ListenPacket("udp", fmt.Sprintf(":%d", port))
			if err == nil {
				open = append(open, l)
			}
			if uerr == nil {
				open = append(open, u)
			}
			free = err == nil && uerr == nil
		}
		for _, c := range open {
			c.Close()
		}
		if free {
			return base
		}
	}
	t.Fatal("no free ports")
	return 0
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
