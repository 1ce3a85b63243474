package node

import (
	"log/slog"

	"github.com/quorate/quorate/internal/pki"
)

// Secret is where the cluster secret comes from. The zero value is none. It
// never prints what it holds.
type Secret struct {
	// A closure, because fmt prints unexported fields without asking.
	read func() (pki.Secret, error)
}

// SecretFile takes the secret from a file, as peer secret new printed it. The
// file is read by Start, and must be readable by its owner only.
func SecretFile(path string) Secret {
	return Secret{read: func() (pki.Secret, error) { return pki.ReadSecretFile(path) }}
}

// SecretText takes the secret as peer secret new printed it, for programs that
// keep their secrets elsewhere than in files.
func SecretText(text string) Secret {
	return Secret{read: func() (pki.Secret, error) { return pki.ParseSecret(text) }}
}

// NewSecret generates a secret of 256 bits for a new cluster and returns its
// text.
func NewSecret() string { return pki.NewSecret().Text() }

// String says whether there is a secret, and no more.
func (s Secret) String() string {
	if s.read == nil {
		return "node.Secret(none)"
	}
	return "node.Secret(set)"
}

// LogValue is String.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
