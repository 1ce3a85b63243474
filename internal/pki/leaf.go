package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/quorate/quorate/internal/problem"
)

// A Role says what the holder of a leaf may do; it is the leaf's common name,
// by which the raft listener tells voters from others.
type Role string

const (
	RoleVoter  Role = "voter"  // speaks raft: has a server and a client leaf
	RoleClient Role = "client" // only asks: has a client leaf
)

// ErrLifetime is wrapped by the error about a lifetime outside the range.
var ErrLifetime = errors.New("unusable certificate lifetime")

const minLifetime = time.Minute

// A Leaf is a certificate and its private key, P-256. The zero value is none.
type Leaf struct {
	CertPEM  []byte
	NotAfter time.Time
	key      *ecdsa.PrivateKey // a pointer, of which fmt prints the address
	der      []byte
}

// KeyPEM is the private key in PEM (PKCS #8). It is secret.
func (l Leaf) KeyPEM() ([]byte, error) { return keyPEM(l.key) }

// TLS is the leaf as crypto/tls wants it.
func (l Leaf) TLS() tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{l.der}, PrivateKey: l.key}
}

// Mint makes leaves with new random keys. A voter's server leaf is for servers
// only and carries the name [Keys.ServerName]; a client leaf is for clients
// only and carries no name, for etcd holds the names in a client's certificate
// against the address it comes from. The zero server leaf comes with
// [RoleClient].
//
// Leaves are valid from 1970. With lifetime 0 they end in 9999: voters hold the
// CA's key, so an end would protect nothing. Otherwise they end lifetime after
// now, at least a minute ([ErrLifetime]); there is still no beginning, which
// would only lock out a box whose clock is behind.
func (k *Keys) Mint(role Role, lifetime time.Duration, now time.Time) (server, client Leaf, err error) {
	switch role {
	case RoleVoter:
		if server, err = k.mint(role, serverUse, nil, lifetime, now); err != nil {
			return Leaf{}, Leaf{}, err
		}
	case RoleClient:
	default:
		return Leaf{}, Leaf{}, &problem.Error{Problem: problem.Problem{
			Code: "cert-role",
			What: fmt.Sprintf("there is no role %q", role),
			Why:  fmt.Sprintf("a certificate is for a %s or a %s", RoleVoter, RoleClient),
			Do:   "ask for one of these",
		}}
	}
	if client, err = k.mint(role, clientUse, nil, lifetime, now); err != nil {
		return Leaf{}, Leaf{}, err
	}
	return server, client, nil
}

// A use is the one end of a connection that a leaf is for.
type use struct {
	file  string // the stem of its files' names
	key   x509.ExtKeyUsage
	named bool // carries the server's name
}

var (
	serverUse = use{"server", x509.ExtKeyUsageServerAuth, true}
	clientUse = use{"client", x509.ExtKeyUsageClientAuth, false}
)

// mint signs a leaf for key, or for a new key if it is nil.
func (k *Keys) mint(role Role, u use, key *ecdsa.PrivateKey, lifetime time.Duration, now time.Time) (Leaf, error) {
	until, err := leafEnd(lifetime, now)
	if err != nil {
		return Leaf{}, err
	}
	if key == nil {
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return Leaf{}, broken("make a key", err)
		}
	}
	serial := make([]byte, 16)
	rand.Read(serial)                 // never returns an error
	serial[0] = serial[0]&0x3f | 0x40 // positive, and always 16 bytes long
	t := &x509.Certificate{
		SignatureAlgorithm:    x509.PureEd25519,
		SerialNumber:          new(big.Int).SetBytes(serial),
		Subject:               pkix.Name{CommonName: string(role)},
		NotBefore:             validFrom,
		NotAfter:              until,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{u.key},
		BasicConstraintsValid: true,
	}
	if u.named {
		t.DNSNames = []string{k.ServerName()}
	}
	der, err := x509.CreateCertificate(nil, t, k.ca, key.Public(), caKey(k.seed))
	if err != nil {
		return Leaf{}, broken("sign a certificate", err)
	}
	return Leaf{CertPEM: certPEM(der), NotAfter: until, key: key, der: der}, nil
}

func leafEnd(lifetime time.Duration, now time.Time) (time.Time, error) {
	if lifetime == 0 {
		return validUntil, nil
	}
	if lifetime < minLifetime {
		return time.Time{}, &problem.Error{Problem: problem.Problem{
			Code: "cert-lifetime",
			What: fmt.Sprintf("certificates cannot live %s", lifetime),
			Why:  fmt.Sprintf("the shortest life is %s; 0 is without end", minLifetime),
			Do:   "set cert_lifetime to 0 or, if your auditors ask, to something like 2160h",
		}, Err: ErrLifetime}
	}
	if now.Before(validFrom) {
		now = validFrom
	}
	until := now.Add(lifetime).UTC().Truncate(time.Second)
	if until.After(validUntil) {
		until = validUntil
	}
	return until, nil
}

func keyPEM(key *ecdsa.PrivateKey) ([]byte, error) {
	if key == nil {
		return nil, broken("encode a key", errors.New("there is none"))
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, broken("encode a key", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
