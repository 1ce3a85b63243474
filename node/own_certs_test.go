package node_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/quorate/quorate/node"
)

// authority is a public-key infrastructure of somebody's own.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key := newKey(t)
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "acme CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return authority{c, key}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// member writes a certificate for one node with that common name and end.
func (a authority) member(t *testing.T, cn string, end time.Time) node.TLS {
	t.Helper()
	key := newKey(t)
	c := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: cn}, DNSNames: []string{"peers.acme"}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: end}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := shortDir(t)
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return node.TLS{CAFile: write("ca.pem", "CERTIFICATE", a.cert.Raw), CertFile: write("member.pem", "CERTIFICATE", der), KeyFile: write("member.key", "PRIVATE KEY", secret),
		ServerName: "peers.acme", AllowedCNs: []string{"acme member"}}
}

// Nodes with certificates of somebody's own form a cluster; gossip is encrypted
// with the secret all the same.
func TestOwnCertificates(t *testing.T) {
	t.Parallel()
	a, cfgs := newAuthority(t), machines(t, 2)
	ctx := within(t, 20*time.Second)
	var nodes []*node.Node
	for i := range cfgs {
		cfgs[i].TLS = a.member(t, "acme member", time.Now().Add(time.Hour*24*30))
		nodes = append(nodes, start(t, cfgs[i]))
	}
	for _, n := range nodes {
		if err := n.Ready(ctx); err != nil {
			t.Fatal(err)
		}
		if s := n.Status(); s.Certificates.Authority != "" || s.Certificates.Ends != nil {
			t.Errorf("%s claims to have derived its certificates: %+v", s.Name, s.Certificates)
		}
	}
}

// Who has a certificate that does not do is told so, and so are the others.
func TestOwnCertificatesThatDoNotDo(t *testing.T) {
	t.Parallel()
	month := time.Now().Add(30 * 24 * time.Hour)
	for _, tt := range []struct {
		name string
		b    func(t *testing.T, a authority) node.TLS
		at   []string // codes that one of the two shows
		own  string   // code that b shows of itself
	}{
		{name: "expired", b: func(t *testing.T, a authority) node.TLS {
			return a.member(t, "acme member", time.Now().Add(-time.Hour))
		}, at: []string{"seed-dates"}, own: "cert-expired"},
		{name: "of another authority", b: func(t *testing.T, _ authority) node.TLS { return newAuthority(t).member(t, "acme member", month) }, at: []string{"seed-other-secret"}},
		{name: "for another role", b: func(t *testing.T, a authority) node.TLS {
			c := a.member(t, "acme client", month)
			c.AllowedCNs = append(c.AllowedCNs, "acme client") // or it would refuse itself
			return c
		}, at: []string{"seed-other-secret"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a, cfgs := newAuthority(t), machines(t, 2)
			cfgs[0].TLS, cfgs[1].TLS = a.member(t, "acme member", month), tt.b(t, a)
			n, b := start(t, cfgs[0]), start(t, cfgs[1])
			for _, x := range []*node.Node{n, b} {
				eventually(t, "the other's certificate is refused", x, func() bool {
					for _, p := range x.Status().Problems {
						for _, code := range tt.at {
							if p.Code == code && p.Do != "" {
								return true
							}
						}
					}
					return false
				})
			}
			if tt.own != "" {
				shows(t, b, tt.own)
			}
			if n.Status().Phase != node.Waiting || b.Status().Phase != node.Waiting {
				t.Error("they got on with each other")
			}
		})
	}
}
