package pki_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/internal/pki"
)

// An issuer is somebody's own CA.
type issuer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

const day = 24 * time.Hour

// issue has a certificate made as an ordinary CA would; change alters it first.
// Without a parent it signs itself.
func issue(t testing.TB, parent *issuer, change func(*x509.Certificate)) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "box1"}, DNSNames: []string{"peer.corp", "box1.corp"},
		NotBefore: now.Add(-100 * day), NotAfter: now.Add(265 * day), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	if change != nil {
		change(c)
	}
	by := &issuer{c, key}
	if parent != nil {
		by = parent
	}
	der, err := x509.CreateCertificate(rand.Reader, c, by.cert, key.Public(), by.key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return &issuer{c, key}
}

func authority(name string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.Subject.CommonName, c.DNSNames, c.ExtKeyUsage = name, nil, nil
		c.IsCA, c.KeyUsage, c.NotAfter = true, x509.KeyUsageCertSign, now.Add(3650*day)
	}
}

// site is a directory with an own CA and a good set of files.
type site struct {
	testing.TB
	dir string
	ca  *issuer
}

func newSite(t testing.TB) (site, pki.Own) {
	b := site{t, t.TempDir(), issue(t, nil, authority("corp CA"))}
	o := pki.Own{CAFile: b.certs("ca", b.ca), ServerName: "peer.corp"}
	o.CertFile, o.KeyFile = b.pair("box", issue(t, b.ca, nil))
	return b, o
}

func (b site) put(name string, text []byte) string {
	path := filepath.Join(b.dir, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		b.Fatal(err)
	}
	return path
}

func (b site) certs(name string, of ...*issuer) string {
	var text []byte
	for _, i := range of {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.cert.Raw})...)
	}
	return b.put(name, text)
}

func (b site) pair(name string, of ...*issuer) (cert, key string) {
	der, err := x509.MarshalPKCS8PrivateKey(of[0].key)
	if err != nil {
		b.Fatal(err)
	}
	return b.certs(name+".pem", of...), b.put(name+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func TestCheckOwn(t *testing.T) {
	only := func(u x509.ExtKeyUsage) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{u} }
	}
	ended := func(c *x509.Certificate) { c.NotAfter = now.Add(-day) }
	tests := []struct {
		name string
		harm func(b site, o *pki.Own)
		code string // of the error; "" = accepted
		is   error
		says string // a part of the error or problem
		prob string // code of the problem that comes with acceptance
	}{
		{name: "good, one pair", harm: func(site, *pki.Own) {}},
		{name: "good, two pairs, client without names", harm: func(b site, o *pki.Own) {
			o.CertFile, o.KeyFile = b.pair("s", issue(b, b.ca, only(x509.ExtKeyUsageServerAuth)))
			o.ClientCertFile, o.ClientKeyFile = b.pair("c", issue(b, b.ca, func(c *x509.Certificate) {
				c.DNSNames, c.ExtKeyUsage = nil, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
			}))
		}},
		{name: "good, through an intermediate", harm: func(b site, o *pki.Own) {
			mid := issue(b, b.ca, authority("corp issuing CA"))
			o.CertFile, o.KeyFile = b.pair("x", issue(b, mid, nil), mid)
		}},
		{name: "good, two CAs in the file", harm: func(b site, o *pki.Own) {
			o.CAFile = b.certs("cas", issue(b, nil, authority("old CA")), b.ca)
		}},
		{name: "good, common name allowed", harm: func(_ site, o *pki.Own) { o.AllowedCNs = []string{"box0", "box1"} }},
		{name: "good, wildcard", harm: func(b site, o *pki.Own) {
			o.CertFile, o.KeyFile = b.pair("x", issue(b, b.ca, func(c *x509.Certificate) { c.DNSNames = []string{"*.corp"} }))
		}},

		{name: "CA is not set", code: "cert-config", is: pki.ErrOwn, harm: func(_ site, o *pki.Own) { o.CAFile = "" }},
		{name: "key is not set", code: "cert-config", is: pki.ErrOwn, harm: func(_ site, o *pki.Own) { o.KeyFile = "" }},
		{name: "client key is not set", code: "cert-config", is: pki.ErrOwn, says: "pairs", harm: func(_ site, o *pki.Own) { o.ClientCertFile = o.CertFile }},
		{name: "CA is not there", code: "cert-file", is: fs.ErrNotExist, says: "nowhere", harm: func(_ site, o *pki.Own) { o.CAFile = "/nowhere/ca" }},
		{name: "certificate is not there", code: "cert-file", is: fs.ErrNotExist, harm: func(_ site, o *pki.Own) { o.CertFile += ".x" }},
		{name: "key is not there", code: "cert-file", is: fs.ErrNotExist, harm: func(_ site, o *pki.Own) { o.KeyFile += ".x" }},
		{name: "client key is not there", code: "cert-file", is: fs.ErrNotExist, harm: func(_ site, o *pki.Own) {
			o.ClientCertFile, o.ClientKeyFile = o.CertFile, "/nowhere/key"
		}},
		{name: "certificate is a directory", code: "cert-file", says: "regular", harm: func(b site, o *pki.Own) { o.CertFile = b.dir }},
		{name: "key is open to others", code: "file-mode", is: pki.ErrMode, says: "chmod 0600", harm: func(b site, o *pki.Own) {
			if err := os.Chmod(o.KeyFile, 0o644); err != nil {
				b.Fatal(err)
			}
		}},
		{name: "CA in DER", code: "cert-format", is: pki.ErrOwn, says: "openssl x509", harm: func(b site, o *pki.Own) { o.CAFile = b.put("ca.der", b.ca.cert.Raw) }},
		{name: "certificate damaged", code: "cert-format", is: pki.ErrOwn, says: "damaged", harm: func(b site, o *pki.Own) {
			o.CertFile = b.put("x", []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
		}},
		{name: "key file as certificate", code: "cert-format", is: pki.ErrOwn, harm: func(_ site, o *pki.Own) { o.CertFile = o.KeyFile }},
		{name: "certificate file as key", code: "cert-pair", is: pki.ErrOwn, harm: func(_ site, o *pki.Own) { o.KeyFile = o.CertFile }},
		{name: "key of another", code: "cert-pair", is: pki.ErrOwn, says: "not a pair", harm: func(b site, o *pki.Own) {
			_, o.KeyFile = b.pair("x", issue(b, b.ca, nil))
		}},
		{name: "key with a passphrase", code: "cert-passphrase", is: pki.ErrOwn, says: "openssl pkey", harm: func(b site, o *pki.Own) {
			o.KeyFile = b.put("x.key", pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{1}}))
		}},
		{name: "key with an old passphrase", code: "cert-passphrase", is: pki.ErrOwn, harm: func(b site, o *pki.Own) {
			o.KeyFile = b.put("x.key", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED"}, Bytes: []byte{1}}))
		}},
		{name: "CA is no CA", code: "cert-ca", is: pki.ErrOwn, says: "box1", harm: func(_ site, o *pki.Own) { o.CAFile = o.CertFile }},
		{name: "signed by another CA", code: "cert-chain", is: pki.ErrOwn, says: "other CA", harm: func(b site, o *pki.Own) {
			o.CertFile, o.KeyFile = b.pair("x", issue(b, issue(b, nil, authority("other CA")), nil))
		}},
		{name: "signed by another CA of the same name", code: "cert-chain", is: pki.ErrOwn, harm: func(b site, o *pki.Own) {
			o.CertFile, o.KeyFile = b.pair("x", issue(b, issue(b, nil, authority("corp CA")), nil))
		}},
		{name: "intermediate is missing", code: "cert-chain", is: pki.ErrOwn, says: "intermediate", harm: func(b site, o *pki.Own) {
			o.CertFile, o.KeyFile = b.pair("x", issue(b, issue(b, b.ca, authority("corp issuing CA")), nil))
		}},
		{name: "client's signed by another CA", code: "cert-chain", is: pki.ErrOwn, harm: func(b site, o *pki.Own) {
			o.ClientCertFile, o.ClientKeyFile = b.pair("x", issue(b, issue(b, nil, authority("other CA")), nil))
		}},
		{name: "one pair, not for clients", code: "cert-usage", is: pki.ErrOwn, says: "clientAuth", harm: func(b site, o *pki.Own) {
			o.CertFile, o.KeyFile = b.pair("x", issue(b, b.ca, only(x509.ExtKeyUsageServerAuth)))
		}},
		{name: "one pair, not for servers", code: "cert-usage", is: pki.ErrOwn, says: "serverAuth", harm: func(b site, o *pki.Own) {
			o.CertFile, o.KeyFile = b.pair("x", issue(b, b.ca, only(x509.ExtKeyUsageClientAuth)))
		}},
		{name: "client's pair not for clients", code: "cert-usage", is: pki.ErrOwn, harm: func(b site, o *pki.Own) {
			o.ClientCertFile, o.ClientKeyFile = b.pair("x", issue(b, b.ca, only(x509.ExtKeyUsageServerAuth)))
		}},
		{name: "the CA may not sign for servers", code: "cert-usage", is: pki.ErrOwn, harm: func(b site, o *pki.Own) {
			mid := issue(b, b.ca, func(c *x509.Certificate) {
				authority("client CA")(c)
				only(x509.ExtKeyUsageClientAuth)(c)
			})
			o.CertFile, o.KeyFile = b.pair("x", issue(b, mid, nil), mid)
		}},
		{name: "no server name set", code: "cert-name", is: pki.ErrOwn, says: "peer.corp, box1.corp", harm: func(_ site, o *pki.Own) { o.ServerName = "" }},
		{name: "another server name", code: "cert-name", is: pki.ErrOwn, says: "peer.corp, box1.corp", harm: func(_ site, o *pki.Own) { o.ServerName = "peer.acme" }},
		{name: "no name in the certificate", code: "cert-name", is: pki.ErrOwn, says: "no DNS name", harm: func(b site, o *pki.Own) {
			o.CertFile, o.KeyFile = b.pair("x", issue(b, b.ca, func(c *x509.Certificate) { c.DNSNames = nil }))
		}},
		{name: "common name not allowed", code: "cert-cn", is: pki.ErrOwn, says: `"box1"`, harm: func(_ site, o *pki.Own) { o.AllowedCNs = []string{"voter"} }},
		{name: "client's common name not allowed", code: "cert-cn", is: pki.ErrOwn, says: `"c"`, harm: func(b site, o *pki.Own) {
			o.ClientCertFile, o.ClientKeyFile = b.pair("c", issue(b, b.ca, func(c *x509.Certificate) { c.Subject.CommonName = "c" }))
			o.AllowedCNs = []string{"box1"}
		}},

		{name: "ended", prob: "cert-expired", says: "timedatectl", harm: func(b site, o *pki.Own) {
			o.CertFile, o.KeyFile = b.pair("x", issue(b, b.ca, ended))
		}},
		{name: "not yet valid", prob: "cert-not-yet-valid", says: "timedatectl", harm: func(b site, o *pki.Own) {
			o.CertFile, o.KeyFile = b.pair("x", issue(b, b.ca, func(c *x509.Certificate) { c.NotBefore = now.Add(day) }))
		}},
		{name: "ends soon", prob: "cert-expires-soon", harm: func(b site, o *pki.Own) {
			o.CertFile, o.KeyFile = b.pair("x", issue(b, b.ca, func(c *x509.Certificate) { c.NotBefore, c.NotAfter = now.Add(-700*day), now.Add(29*day) }))
		}},
		{name: "short life by design", harm: func(b site, o *pki.Own) {
			o.CertFile, o.KeyFile = b.pair("x", issue(b, b.ca, func(c *x509.Certificate) { c.NotBefore, c.NotAfter = now.Add(-12*time.Hour), now.Add(12*time.Hour) }))
		}},
		{name: "client's ended", prob: "cert-expired", harm: func(b site, o *pki.Own) {
			o.ClientCertFile, o.ClientKeyFile = b.pair("x", issue(b, b.ca, ended))
		}},
		{name: "the CA ended", prob: "cert-expired", says: "old CA", harm: func(b site, o *pki.Own) {
			old := issue(b, nil, func(c *x509.Certificate) { authority("old CA")(c); c.NotAfter = now.Add(-day) })
			o.CAFile = b.certs("oldca", old)
			o.CertFile, o.KeyFile = b.pair("x", issue(b, old, nil))
		}},
		{name: "ended before its CA began", code: "cert-chain", is: pki.ErrOwn, harm: func(b site, o *pki.Own) {
			o.CertFile, o.KeyFile = b.pair("x", issue(b, b.ca, func(c *x509.Certificate) { c.NotBefore, c.NotAfter = now.Add(-200*day), now.Add(-150*day) }))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, o := newSite(t)
			tt.harm(b, &o)
			f, problems, err := pki.CheckOwn(o, now)
			if tt.code != "" {
				p := wantProblem(t, err, tt.code, tt.is)
				if !strings.Contains(p.String(), tt.says) {
					t.Errorf("%q does not say %q", p, tt.says)
				}
				if f.CertFile != "" || problems != nil {
					t.Error("files or problems beside an error")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if tt.prob == "" && len(problems) > 0 {
				t.Errorf("problems %v", problems)
			}
			if tt.prob != "" {
				if len(problems) != 1 || problems[0].Code != tt.prob || !strings.Contains(problems[0].String(), tt.says) {
					t.Fatalf("problems %+v, want one %s that says %q", problems, tt.prob, tt.says)
				}
				wantWhole(t, problems[0])
				if tt.prob == "cert-expired" && !f.NotAfter.Equal(now.Add(-day).Truncate(time.Second)) {
					t.Errorf("ended at %s", f.NotAfter)
				}
				return
			}
			// What is accepted works with etcd.
			server, client := stacks[1].server(t, f), stacks[1].client(t, f)
			server.Time = func() time.Time { return now }
			client.Time = server.Time
			if s, c := handshake(t, server, client); s != nil || c != nil {
				t.Errorf("accepted, but server: %v, client: %v", s, c)
			}
		})
	}
}

// TestOwnOfOurs: the files made from a secret pass for brought ones.
func TestOwnOfOurs(t *testing.T) {
	f := write(t, derive(t, counting, "acme"), 0)
	got, problems, err := pki.CheckOwn(pki.Own{CAFile: f.CAFile, CertFile: f.CertFile, KeyFile: f.KeyFile, ClientCertFile: f.ClientCertFile,
		ClientKeyFile: f.ClientKeyFile, ServerName: f.ServerName, AllowedCNs: f.AllowedCNs}, time.Unix(0, 0))
	if err := errors.Join(err); err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	if got.CAFile != f.CAFile || got.ClientKeyFile != f.ClientKeyFile || !got.NotAfter.Equal(f.NotAfter) {
		t.Errorf("%+v, want %+v", got, f)
	}
}
