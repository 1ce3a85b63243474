package pki

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/quorate/quorate/internal/problem"
)

// ErrSecret is wrapped by every error about the text of a secret.
var ErrSecret = errors.New("unusable secret")

// The text is secretPrefix, 52 characters for the 256 bits, a dash, and 8
// characters of checksum over all that stands before the dash.
const (
	secretWord   = "quorate"
	secretPrefix = secretWord + "1-"
	bodyLen      = 52
	sumLen       = 8
	textLen      = len(secretPrefix) + bodyLen + 1 + sumLen
	alphabet     = "abcdefghijklmnopqrstuvwxyz234567"
)

var secretEncoding = base32.NewEncoding(alphabet).WithPadding(base32.NoPadding)

// A Secret is the 256 generated bits from which a cluster's keys come. It does
// not print: every verb of fmt, log/slog and the encoders show a fingerprint
// (see [Secret.String]). The zero value is no secret; [Derive] refuses it.
type Secret struct{ hidden hidden }

// NewSecret generates a secret from the system's source of randomness.
func NewSecret() Secret {
	var b [32]byte
	rand.Read(b[:]) // never returns an error; it ends the process instead
	return Secret{hide(b[:])}
}

// ParseSecret reads the text of a secret. White space around it and the case of
// its letters do not matter. Its errors wrap [ErrSecret] and never quote the
// text; their codes tell a secret with a slip in it ("secret-mistyped") from a
// password ("secret-password"), nothing at all ("secret-empty") and a later
// format ("secret-version").
func ParseSecret(text string) (Secret, error) {
	t := lowerASCII(strings.TrimSpace(text))
	switch version, ok := secretVersion(t); {
	case t == "":
		return Secret{}, secretError("secret-empty", "the secret is empty",
			"nothing but white space was given", doNew)
	case ok && version != "1":
		return Secret{}, secretError("secret-version", "the secret has a format that this build does not know",
			"it is of version "+version+", this build knows version 1", "install the build that made it, or a later one")
	case !ok && !resembles(t):
		return Secret{}, secretError("secret-password", "the secret was not made by `peer secret new`",
			"one captured packet is enough to guess a typed password offline; a secret is 256 generated bits", doNew)
	case !ok:
		return Secret{}, mistyped("it does not begin with " + secretPrefix)
	case len(t) < textLen:
		return Secret{}, mistyped(fmt.Sprintf("it has %d characters instead of %d: a part is missing", len(t), textLen))
	case len(t) > textLen:
		return Secret{}, mistyped(fmt.Sprintf("it has %d characters instead of %d: something was added", len(t), textLen))
	}
	body := t[len(secretPrefix) : len(secretPrefix)+bodyLen]
	if t[textLen-sumLen-1] != '-' || strings.Trim(body+t[textLen-sumLen:], alphabet) != "" {
		return Secret{}, mistyped("there is a character in it that no secret has there (they use a-z and 2-7)")
	}
	b, err := secretEncoding.DecodeString(body)
	// The comparison also refuses a second spelling of the same bits: 52
	// characters hold four bits more than a secret has.
	if err != nil || len(b) != 32 || secretText(b) != t {
		return Secret{}, mistyped("its checksum does not fit: one or more characters are wrong")
	}
	return Secret{hide(b)}, nil
}

// Text is the secret as one line without a line end: what [ParseSecret] reads
// and what belongs in a file of mode 0600. It is empty for the zero value. It
// is the only way to see a secret.
func (s Secret) Text() string {
	if s.IsZero() {
		return ""
	}
	b := s.hidden.reveal()
	return secretText(b[:])
}

// IsZero reports whether s holds no secret.
func (s Secret) IsZero() bool { return s.hidden.reveal == nil }

// Equal reports, in constant time, whether two secrets are the same.
func (s Secret) Equal(o Secret) bool {
	if s.IsZero() || o.IsZero() {
		return s.IsZero() && o.IsZero()
	}
	a, b := s.hidden.reveal(), o.hidden.reveal()
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// String is "pki.Secret(" and 8 hexadecimal digits that are the same wherever
// the secret is, so that two machines can be compared. Nothing about the secret
// follows from them.
func (s Secret) String() string {
	if s.IsZero() {
		return "pki.Secret(none)"
	}
	b := s.hidden.reveal()
	f, err := hkdf.Key(sha256.New, b[:], []byte(format), "fingerprint", 4)
	if err != nil { // only for lengths that HKDF cannot give
		return "pki.Secret(hidden)"
	}
	return "pki.Secret(" + hex.EncodeToString(f) + ")"
}

// GoString is String.
func (s Secret) GoString() string { return s.String() }

// Format writes String, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// LogValue is String.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is String, for encoders. It cannot be read back.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func secretText(b []byte) string {
	t := secretPrefix + secretEncoding.EncodeToString(b)
	sum := sha256.Sum256([]byte(t))
	return t + "-" + secretEncoding.EncodeToString(sum[:])[:sumLen]
}

// secretVersion returns the digits in "quorate<digits>-…".
func secretVersion(t string) (version string, ok bool) {
	rest, ok := strings.CutPrefix(t, secretWord)
	version, _, dash := strings.Cut(rest, "-")
	return version, ok && dash && version != "" && strings.Trim(version, "0123456789") == ""
}

// resembles reports whether a text without the prefix is rather a secret with
// a slip than a password: it begins with the prefix's word, or is about as long
// as a secret and either made of its characters or ends like it.
func resembles(t string) bool {
	return strings.HasPrefix(t, secretWord) || len(t) >= bodyLen-4 &&
		(strings.Trim(t, alphabet+"01-") == "" || strings.LastIndexByte(t, '-') == len(t)-sumLen-1)
}

// lowerASCII leaves all but A-Z alone: strings.ToLower would turn the Kelvin
// sign into a k and so accept a text that is none.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}, s)
}

const doNew = "run `peer secret new` once and give every machine the line that it prints"

func mistyped(why string) error {
	return secretError("secret-mistyped", "the secret is mistyped", why,
		"copy the whole line again as `peer secret new` printed it")
}

func secretError(code, what, why, do string) error {
	return &problem.Error{Problem: problem.Problem{Code: code, What: what, Why: why, Do: do}, Err: ErrSecret}
}
