package pki_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"testing"
	"time"

	"github.com/quorate/quorate/internal/pki"
)

func parse(t testing.TB, b []byte) *x509.Certificate {
	t.Helper()
	block, rest := pem.Decode(b)
	if block == nil || len(rest) > 0 {
		t.Fatalf("not one block of PEM: %q", b)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestMint(t *testing.T) {
	k := derive(t, counting, "acme")
	ca := parse(t, k.CAPEM())
	server, client, err := k.Mint(pki.RoleVoter, 0, now)
	if err != nil {
		t.Fatal(err)
	}
	none, guest, err := k.Mint(pki.RoleClient, time.Hour, now)
	if err != nil {
		t.Fatal(err)
	}
	if none.CertPEM != nil {
		t.Error("a client got a server leaf")
	}
	end := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	seen := map[string]bool{}
	for _, tt := range []struct {
		name  string
		leaf  pki.Leaf
		cn    string
		names []string
		usage x509.ExtKeyUsage
		end   time.Time
	}{
		{"voter's server", server, "voter", []string{"peer.acme"}, x509.ExtKeyUsageServerAuth, end},
		{"voter's client", client, "voter", nil, x509.ExtKeyUsageClientAuth, end},
		{"client", guest, "client", nil, x509.ExtKeyUsageClientAuth, now.Add(time.Hour).Truncate(time.Second)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := parse(t, tt.leaf.CertPEM)
			if err := c.CheckSignatureFrom(ca); err != nil {
				t.Fatal(err)
			}
			if c.Subject.String() != "CN="+tt.cn {
				t.Errorf("subject %s", c.Subject)
			}
			if !slices.Equal(c.DNSNames, tt.names) || c.IPAddresses != nil || c.URIs != nil || c.EmailAddresses != nil {
				t.Errorf("names %v %v %v %v", c.DNSNames, c.IPAddresses, c.URIs, c.EmailAddresses)
			}
			if !slices.Equal(c.ExtKeyUsage, []x509.ExtKeyUsage{tt.usage}) || c.KeyUsage != x509.KeyUsageDigitalSignature || c.IsCA {
				t.Errorf("usage %v %v, CA %t", c.ExtKeyUsage, c.KeyUsage, c.IsCA)
			}
			if !c.NotBefore.Equal(time.Unix(0, 0)) || !c.NotAfter.Equal(tt.end) || !tt.leaf.NotAfter.Equal(tt.end) {
				t.Errorf("valid from %s until %s, said %s", c.NotBefore, c.NotAfter, tt.leaf.NotAfter)
			}
			pub, ok := c.PublicKey.(*ecdsa.PublicKey)
			if !ok || pub.Curve != elliptic.P256() {
				t.Fatalf("key %T", c.PublicKey)
			}
			if n := c.SerialNumber.BitLen(); n != 127 {
				t.Errorf("serial number of %d bits", n)
			}
			der, _ := x509.MarshalPKIXPublicKey(pub)
			if seen[string(der)] || seen[c.SerialNumber.String()] {
				t.Error("key or serial number used twice")
			}
			seen[string(der)], seen[c.SerialNumber.String()] = true, true
		})
	}
}

func TestMintRefuses(t *testing.T) {
	k := derive(t, counting, "acme")
	_, _, err := k.Mint("admin", 0, now)
	wantProblem(t, err, "cert-role", nil)
	for _, d := range []time.Duration{-time.Hour, time.Nanosecond, time.Minute - 1} {
		_, _, err := k.Mint(pki.RoleVoter, d, now)
		wantProblem(t, err, "cert-lifetime", pki.ErrLifetime)
	}
}

func TestLifetimeUnderOddClocks(t *testing.T) {
	k := derive(t, counting, "acme")
	for _, tt := range []struct {
		now, end time.Time
	}{
		{time.Unix(0, 0), time.Unix(3600, 0)},
		{time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(3600, 0)},
		{time.Date(9999, 12, 31, 23, 30, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)},
		{time.Date(2026, 1, 1, 12, 0, 0, 5, time.FixedZone("", 7200)), time.Date(2026, 1, 1, 11, 0, 0, 0, time.UTC)},
	} {
		l, _, err := k.Mint(pki.RoleVoter, time.Hour, tt.now)
		if err != nil {
			t.Errorf("%s: %v", tt.now, err)
		} else if got := parse(t, l.CertPEM).NotAfter; !got.Equal(tt.end) || !l.NotAfter.Equal(tt.end) {
			t.Errorf("minted at %s it ends at %s, want %s", tt.now, got, tt.end)
		}
	}
}
