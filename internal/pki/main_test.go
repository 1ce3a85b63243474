package pki_test

import (
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/quorate/quorate/internal/pki"
	"github.com/quorate/quorate/internal/problem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// now is the clock of the tests' machines; no test reads a real one.
var now = time.Date(2026, 8, 9, 10, 11, 12, 131415, time.UTC)

// counting is the secret of the known answers: the bytes 0 to 31.
const counting = "quorate1-aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypq-ryvl4k3h"

func derive(t testing.TB, text, cluster string) *pki.Keys {
	t.Helper()
	s, err := pki.ParseSecret(text)
	if err != nil {
		t.Fatal(err)
	}
	k, err := pki.Derive(s, cluster)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// wantProblem demands an error that a person can act on, with this code and
// this sentinel or cause.
func wantProblem(t testing.TB, err error, code string, is error) *problem.Error {
	t.Helper()
	var p *problem.Error
	if !errors.As(err, &p) {
		t.Fatalf("error %v (%T) is no *problem.Error", err, err)
	}
	if p.Code != code {
		t.Errorf("code %q, want %q (%v)", p.Code, code, err)
	}
	if is != nil && !errors.Is(err, is) {
		t.Errorf("error %v does not wrap %v", err, is)
	}
	wantWhole(t, p.Problem)
	return p
}

func wantWhole(t testing.TB, p problem.Problem) {
	t.Helper()
	if p.Code == "" || p.What == "" || p.Why == "" || p.Do == "" {
		t.Errorf("problem %+v leaves something unsaid", p)
	}
}
