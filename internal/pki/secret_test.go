package pki_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/quorate/quorate/internal/pki"
	"github.com/quorate/quorate/internal/problem"
)

func TestParseSecret(t *testing.T) {
	tests := []struct {
		name, text, code string // code "" = accepted
		why              string // a part of Why
	}{
		{"as printed", counting, "", ""},
		{"line ends and blanks around it", " \t" + counting + "\r\n", "", ""},
		{"upper case", strings.ToUpper(counting), "", ""},
		{"nothing", "", "secret-empty", ""},
		{"white space", " \r\n", "secret-empty", ""},
		{"a password", "hunter2", "secret-password", "guess"},
		{"a long password with blanks", "correct horse battery staple correct horse battery staple", "secret-password", "guess"},
		{"a UUID", "123e4567-e89b-12d3-a456-426614174000", "secret-password", "guess"},
		{"hexadecimal of openssl rand", strings.Repeat("0f9e", 16), "secret-password", "guess"},
		{"a later format", "quorate2-abc", "secret-version", "version 2"},
		{"a much later format", "quorate17-abc", "secret-version", "version 17"},
		{"cut at the end", counting[:len(counting)-1], "secret-mistyped", "69 characters instead of 70"},
		{"only the prefix", "quorate1-", "secret-mistyped", "a part is missing"},
		{"cut at the beginning", counting[1:], "secret-mistyped", "begin with quorate1-"},
		{"without its prefix", counting[9:], "secret-mistyped", "begin with quorate1-"},
		{"without prefix and checksum", counting[9:61], "secret-mistyped", "begin with quorate1-"},
		{"two in a row", counting + counting, "secret-mistyped", "added"},
		{"a comment behind it", counting + " # acme", "secret-mistyped", "added"},
		{"0 for o in the prefix", strings.Replace(counting, "o", "0", 1), "secret-mistyped", "begin with quorate1-"},
		{"0 for o in the body", "quorate1-" + strings.Replace(counting[9:], "o", "0", 1), "secret-mistyped", "a-z and 2-7"},
		{"no dash before the checksum", counting[:61] + "a" + counting[62:], "secret-mistyped", "a-z and 2-7"},
		{"one letter off", strings.Replace(counting, "eaud", "eaub", 1), "secret-mistyped", "checksum"},
		{"the same bits spelled otherwise", counting[:60] + "r" + counting[61:], "secret-mistyped", "checksum"},
		{"Kelvin sign for k", counting[:len(counting)-3] + "\u212a" + counting[len(counting)-2:], "secret-mistyped", ""},
		{"line end inside", counting[:30] + "\n" + counting[30:69], "secret-mistyped", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := pki.ParseSecret(tt.text)
			if tt.code == "" {
				if err != nil {
					t.Fatal(err)
				}
				if s.Text() != counting {
					t.Errorf("read back as %q", s.Text())
				}
				return
			}
			if !s.IsZero() {
				t.Error("a refused text gave a secret")
			}
			p := wantProblem(t, err, tt.code, pki.ErrSecret)
			if !strings.Contains(p.Why, tt.why) {
				t.Errorf("why %q, want something about %q", p.Why, tt.why)
			}
			if tt.code == "secret-password" && !strings.Contains(p.Do, "`peer secret new`") {
				t.Errorf("do %q does not name `peer secret new`", p.Do)
			}
		})
	}
}

// TestSlips makes every single substitution, omission and exchange of
// neighbours in the text of a secret: none is accepted as another secret, and
// none is taken for a password.
func TestSlips(t *testing.T) {
	n := 0
	refused := func(text string) {
		n++
		_, err := pki.ParseSecret(text)
		var p *problem.Error
		if !errors.As(err, &p) || p.Code != "secret-mistyped" && p.Code != "secret-version" {
			t.Errorf("%q: %v", text, err)
		}
	}
	for i := range counting {
		for _, c := range "abcdefghijklmnopqrstuvwxyz0123456789-" {
			if byte(c) != counting[i] {
				refused(counting[:i] + string(c) + counting[i+1:])
			}
		}
		refused(counting[:i] + counting[i+1:])
		if i > 0 && counting[i] != counting[i-1] {
			refused(counting[:i-1] + counting[i:i+1] + counting[i-1:i] + counting[i+1:])
		}
	}
	t.Logf("%d slips refused", n)
}

func TestNewSecret(t *testing.T) {
	a, b := pki.NewSecret(), pki.NewSecret()
	if a.Equal(b) || a.Text() == b.Text() {
		t.Fatal("two new secrets are the same")
	}
	back, err := pki.ParseSecret(a.Text())
	if err != nil {
		t.Fatal(err)
	}
	if !back.Equal(a) || back.String() != a.String() {
		t.Error("a secret changed on its way through its text")
	}
	var none pki.Secret
	if none.Equal(a) || a.Equal(none) || !none.Equal(pki.Secret{}) || none.Text() != "" || !none.IsZero() {
		t.Error("the zero secret is taken for one")
	}
}

// holder has secrets in unexported fields, where fmt does not call methods.
type holder struct {
	secret  pki.Secret
	pointer *pki.Secret
	keys    *pki.Keys
	value   pki.Keys
	leaf    pki.Leaf
	any     any
	m       map[string]pki.Secret
}

func TestNothingPrintsASecret(t *testing.T) {
	s := pki.NewSecret()
	k, err := pki.Derive(s, "acme")
	if err != nil {
		t.Fatal(err)
	}
	leaf, _, err := k.Mint(pki.RoleVoter, 0, now)
	if err != nil {
		t.Fatal(err)
	}
	keyPEM, err := leaf.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	raw := secretBytes(t, s)
	gossip, formation, seed := k.GossipKey(), k.FormationKey(), pki.Seed(k)
	needles := []string{s.Text(), s.Text()[9:25], string(keyPEM[40:80])}
	for _, b := range [][]byte{raw, gossip[:], formation[:], seed[:]} {
		needles = append(needles, hex.EncodeToString(b[:8]), strings.ToUpper(hex.EncodeToString(b[:8])),
			strings.Trim(fmt.Sprint(b[:6]), "[]"), strings.Trim(fmt.Sprintf("%#v", b[:4])[len("[]byte{"):], "{}"), string(b[:8]))
	}
	check := func(how, out string) {
		t.Helper()
		for _, n := range needles {
			if strings.Contains(out, n) {
				t.Errorf("%s reveals %q: %s", how, n, out)
			}
		}
	}
	h := holder{s, &s, k, *k, leaf, s, map[string]pki.Secret{"a": s}}
	values := map[string]any{"Secret": s, "*Secret": &s, "*Keys": k, "Keys": *k, "[]Secret": []pki.Secret{s},
		"Leaf": leaf, "holder": h, "*holder": &h, "error": fmt.Errorf("x: %v", s)}
	for name, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%08b", "%t", "%p", "%T"} {
			check(name+" "+verb, fmt.Sprintf(verb, v))
		}
		if b, err := json.Marshal(v); err == nil {
			check(name+" json", string(b))
		}
		var out bytes.Buffer
		for _, l := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(l).Info("hello", "v", v, slog.Group("g", "v", v))
		}
		check(name+" slog", out.String())
	}
	if got := fmt.Sprintf("%x", s); got != s.String() || !strings.HasPrefix(got, "pki.Secret(") {
		t.Errorf("%%x shows %q", got)
	}
	if got := fmt.Sprintf("%+v", k); got != "pki.Keys(acme, "+k.Fingerprint()+")" {
		t.Errorf("keys show as %q", got)
	}
	if b, err := json.Marshal(map[string]any{"s": s}); err != nil || string(b) != `{"s":"`+s.String()+`"}` {
		t.Errorf("json is %s, %v", b, err)
	}
	if got := fmt.Sprint(pki.Secret{}, (*pki.Keys)(nil)); got != "pki.Secret(none) pki.Keys(none)" {
		t.Errorf("zero values show as %q", got)
	}
}

// secretBytes takes the bits out of the text, by another way than the package.
func secretBytes(t *testing.T, s pki.Secret) []byte {
	t.Helper()
	var bits []byte
	for _, c := range s.Text()[9:61] {
		v := strings.IndexRune("abcdefghijklmnopqrstuvwxyz234567", c)
		for i := 4; i >= 0; i-- {
			bits = append(bits, byte(v>>i&1))
		}
	}
	out := make([]byte, 32)
	for i := range out {
		for _, b := range bits[i*8 : i*8+8] {
			out[i] = out[i]<<1 | b
		}
	}
	return out
}

func FuzzParseSecret(f *testing.F) {
	for _, s := range []string{"", counting, strings.ToUpper(counting), counting[:40], "quorate1-", "quorate2-x", "hunter2",
		counting + "\n", counting[:60] + "r" + counting[61:], "quorate1-\u212a", "\xff\xfe", "quorate-", "quorate999999999999999999999-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := pki.ParseSecret(text)
		if err != nil {
			var p *problem.Error
			if !errors.As(err, &p) || !errors.Is(err, pki.ErrSecret) || !s.IsZero() {
				t.Fatalf("%q: untyped refusal %v", text, err)
			}
			wantWhole(t, p.Problem)
			return
		}
		trimmed := strings.TrimSpace(text)
		if !strings.EqualFold(s.Text(), trimmed) || len(s.Text()) != len(trimmed) {
			t.Fatalf("%q was read as %q", text, s.Text())
		}
		if again, err := pki.ParseSecret(s.Text()); err != nil || !again.Equal(s) {
			t.Fatalf("%q does not read back: %v", s.Text(), err)
		}
	})
}
