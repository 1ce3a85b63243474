package pki

import (
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/quorate/quorate/internal/problem"
)

// ErrCluster is wrapped by the error about a cluster name that cannot be used.
var ErrCluster = errors.New("unusable cluster name")

// What is derived, once and for all: a change of one of these strings is a new
// format, because every node of a cluster must come to the same keys.
const (
	format         = "quorate/v1"
	labelGossip    = "gossip"
	labelFormation = "formation"
	labelSeed      = "ca-ed25519"
	labelSerial    = "ca-serial"
)

// Keys is what a secret and a cluster name give. It does not print its keys.
type Keys struct {
	cluster   string
	gossip    hidden
	formation hidden
	seed      hidden // of the CA's Ed25519 key
	ca        *x509.Certificate
}

// CheckCluster refuses a cluster name that is not 1 to 63 of a-z, 0-9 and "-",
// with no "-" at either end: it becomes a part of a DNS name. The error wraps
// [ErrCluster].
func CheckCluster(name string) error {
	why := ""
	switch {
	case name == "":
		why = "it is empty"
	case len(name) > 63:
		why = fmt.Sprintf("it has %d characters, a DNS name allows 63", len(name))
	case strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "":
		why = "it becomes part of a DNS name, which has only a-z, 0-9 and -"
	case strings.HasPrefix(name, "-") || strings.HasSuffix(name, "-"):
		why = "it becomes part of a DNS name, which neither begins nor ends with -"
	default:
		return nil
	}
	return &problem.Error{Problem: problem.Problem{
		Code: "cluster-name",
		What: fmt.Sprintf("the cluster name %q cannot be used", name),
		Why:  why,
		Do:   `choose a name like "acme-prod" and set it on every machine`,
	}, Err: ErrCluster}
}

// Derive computes the keys of a cluster by HKDF-SHA256 (RFC 5869): the secret
// is the input keying material, "quorate/v1/" and the cluster name the salt,
// and each key has a label of its own. It is deterministic, so two clusters
// with one secret share no key. It returns the errors of [CheckCluster], and
// [ErrSecret] for the zero Secret.
func Derive(s Secret, cluster string) (*Keys, error) {
	if err := CheckCluster(cluster); err != nil {
		return nil, err
	}
	if s.IsZero() {
		return nil, secretError("secret-empty", "there is no secret", "none was given", doNew)
	}
	k := &Keys{cluster: cluster}
	secret := s.hidden.reveal()
	prk, err := hkdf.Extract(sha256.New, secret[:], []byte(format+"/"+cluster))
	if err != nil {
		return nil, broken("extract from the secret", err)
	}
	for _, d := range []struct {
		label string
		to    *hidden
	}{{labelGossip, &k.gossip}, {labelFormation, &k.formation}, {labelSeed, &k.seed}} {
		b, err := hkdf.Expand(sha256.New, prk, d.label, 32)
		if err != nil {
			return nil, broken("derive the key "+d.label, err)
		}
		*d.to = hide(b)
	}
	serial, err := hkdf.Expand(sha256.New, prk, labelSerial, 16)
	if err != nil {
		return nil, broken("derive the serial number of the CA", err)
	}
	if k.ca, err = makeCA(cluster, k.seed, serial); err != nil {
		return nil, broken("make the CA certificate", err)
	}
	return k, nil
}

// Cluster is the name the keys were derived for.
func (k *Keys) Cluster() string { return k.cluster }

// ServerName is the one DNS name in a voter's server certificate,
// "peer.<cluster>": what a client must ask for, whatever address it dials.
func (k *Keys) ServerName() string { return "peer." + k.cluster }

// GossipKey is the AES-256 key of the gossip.
func (k *Keys) GossipKey() [32]byte { return k.gossip.reveal() }

// FormationKey is the key that authenticates votes on forming a cluster, which
// those who only gossip must not be able to forge.
func (k *Keys) FormationKey() [32]byte { return k.formation.reveal() }

// String is "pki.Keys(<cluster>, <fingerprint of the CA>)".
func (k *Keys) String() string {
	if k == nil {
		return "pki.Keys(none)"
	}
	return "pki.Keys(" + k.cluster + ", " + k.Fingerprint() + ")"
}

// GoString is String.
func (k *Keys) GoString() string { return k.String() }

// Format writes String, whatever the verb.
func (k *Keys) Format(f fmt.State, _ rune) { io.WriteString(f, k.String()) }

// LogValue is String.
func (k *Keys) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText is String, for encoders. It cannot be read back.
func (k *Keys) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// broken is for the cryptography's own errors, which no input of ours causes.
func broken(doing string, err error) error {
	return &problem.Error{Problem: problem.Problem{
		Code: "pki-internal",
		What: "cannot " + doing,
		Why:  err.Error(),
		Do:   "report this with the output of `peer version`, and unset GODEBUG if it is set",
	}, Err: err}
}
