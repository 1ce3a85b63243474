package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestToy runs the runner on a toy module whose entries are named after the
// verdict they must get.
func TestToy(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("testdata", "toy"))
	if err != nil {
		t.Fatal(err)
	}
	before := read(t, filepath.Join(root, "toy.go"))
	chosen, err := choose(filepath.Join(root, "mutants.txt"), "")
	if err != nil {
		t.Fatal(err)
	}
	r := runner{root: root, tmp: t.TempDir(), limit: 3 * time.Second}
	outcomes := all(t.Context(), t.Context(), r, chosen, 4)
	for _, o := range outcomes {
		want, _, _ := strings.Cut(o.mutant.Name, "-")
		if !strings.EqualFold(string(o.verdict), want) {
			t.Errorf("%s is %s: %s", o.mutant.Name, o.verdict, o.why)
		}
		if (o.why == "") != (o.verdict == red) {
			t.Errorf("%s is %s and says %q", o.mutant.Name, o.verdict, o.why)
		}
	}
	if got := read(t, filepath.Join(root, "toy.go")); got != before {
		t.Error("the runner wrote to the module")
	}
	var b bytes.Buffer
	if err := report(&b, outcomes); !errors.Is(err, errNotAllRed) {
		t.Errorf("a green mutant passes for good: %v", err)
	}
	if !strings.Contains(b.String(), "mutants: 3 red, 1 green, 6 broken") {
		t.Errorf("the closing line is wrong:\n%s", b.String())
	}
}

func TestRunChoosesAndSucceeds(t *testing.T) {
	var b bytes.Buffer
	o := options{root: filepath.Join("testdata", "toy"), match: "^red-plain$", parallel: 1, limit: 3 * time.Second}
	if err := run(t.Context(), o, &b); err != nil {
		t.Fatalf("%v\n%s", err, b.String())
	}
	if !strings.HasSuffix(b.String(), "mutants: 1 red, 0 green, 0 broken\n") {
		t.Errorf("said:\n%s", b.String())
	}
	o.match = "no such"
	if err := run(t.Context(), o, &b); err == nil {
		t.Error("a -run that chooses nothing succeeds")
	}
}

func TestBudget(t *testing.T) {
	chosen, err := choose(filepath.Join("testdata", "toy", "mutants.txt"), "^red-")
	if err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	outcomes := all(t.Context(), over, runner{}, chosen, 1)
	var b bytes.Buffer
	if err := report(&b, outcomes); !errors.Is(err, errNotAllRed) {
		t.Errorf("a run in which nothing was run succeeds: %v", err)
	}
	b.Reset()
	if err := report(&b, append(outcomes, outcome{verdict: red})); err != nil {
		t.Errorf("a run whose time was over fails: %v", err)
	}
	if want := "mutants: 1 red, 0 green, 0 broken, 3 not run: the time was over\n"; !strings.HasSuffix(b.String(), want) {
		t.Errorf("said %q, want %q", b.String(), want)
	}
}

func TestParseRefuses(t *testing.T) {
	const body = "promise p\ntest . TestX\nfile a.go\n-a\n+b\n"
	for _, c := range []struct{ name, text, want string }{
		{"text before an entry", "promise p\n", "starts with [name]"},
		{"a name twice", "[a]\n" + body + "[a]\n" + body, "taken by line 1"},
		{"no promise", "[a]\ntest . TestX\nfile a.go\n-a\n+b\n", "no promise"},
		{"no test", "[a]\npromise p\nfile a.go\n-a\n+b\n", "no test"},
		{"no file", "[a]\npromise p\ntest . TestX\n", "no file"},
		{"lines without a file", "[a]\npromise p\n-a\n", "after its file"},
		{"nothing old", "[a]\npromise p\ntest . TestX\nfile a.go\n+b\n", "no old text"},
		{"no change", "[a]\npromise p\ntest . TestX\nfile a.go\n a\n", "changes nothing"},
		{"an unknown word", "[a]\npromises p\n", "unknown word"},
	} {
		if _, err := parse(strings.NewReader(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// TestList reads the real list, so that a slip in it shows in seconds.
func TestList(t *testing.T) {
	ms, err := choose(filepath.Join("..", "..", "mutants.txt"), "")
	if err != nil {
		t.Fatal(err)
	}
	r := runner{root: filepath.Join("..", ".."), tmp: t.TempDir()}
	for _, m := range ms {
		if _, err := r.overlay(m); err != nil {
			t.Errorf("%s (line %d): %v", m.Name, m.Line, err)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
