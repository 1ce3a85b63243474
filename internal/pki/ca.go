package pki

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"time"
)

// The span of time in which everything is valid that nobody asked to limit: a
// box whose clock stands at 1970, or that lay in a warehouse for years, still
// speaks to its peers. 9999 is how RFC 5280 §4.1.2.5 writes "no end".
var (
	validFrom  = time.Unix(0, 0).UTC()
	validUntil = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
)

// makeCA builds the CA certificate, the same bytes on every machine and under
// every build: all that Go would choose is set here (it computes a missing
// SubjectKeyId in a way that GODEBUG and the release decide), and an Ed25519
// signature has no randomness.
func makeCA(cluster string, seed hidden, serial []byte) (*x509.Certificate, error) {
	key := caKey(seed)
	pub := key.Public().(ed25519.PublicKey)
	keyID := sha256.Sum256(pub) // RFC 7093 §2, method 1
	number := append([]byte(nil), serial...)
	number[0] = number[0]&0x3f | 0x40 // positive, and always 16 bytes long
	t := &x509.Certificate{
		SignatureAlgorithm: x509.PureEd25519,
		SerialNumber:       new(big.Int).SetBytes(number),
		// The space keeps it apart from every role, which is a leaf's name.
		Subject:               pkix.Name{Organization: []string{"Quorate"}, CommonName: cluster + " CA"},
		NotBefore:             validFrom,
		NotAfter:              validUntil,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLen:            0,
		MaxPathLenZero:        true,
		SubjectKeyId:          keyID[:20],
	}
	der, err := x509.CreateCertificate(nil, t, t, pub, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func caKey(seed hidden) ed25519.PrivateKey {
	b := seed.reveal()
	return ed25519.NewKeyFromSeed(b[:])
}

// CAPEM is the CA certificate in PEM. It is public.
func (k *Keys) CAPEM() []byte { return certPEM(k.ca.Raw) }

// Fingerprint is "sha256:" and the hexadecimal SHA-256 of the CA certificate,
// the same on every machine with this secret and cluster name.
func (k *Keys) Fingerprint() string {
	sum := sha256.Sum256(k.ca.Raw)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func certPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
