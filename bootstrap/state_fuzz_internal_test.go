package bootstrap

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// FuzzState reads what a disk may hold. What is accepted is written back so that
// it is read as the same state again: no start may change what a node promised.
func FuzzState(f *testing.F) {
	golden, err := filepath.Glob("testdata/state-v*.json")
	if err != nil || len(golden) < 2 {
		f.Fatalf("%d golden files, %v", len(golden), err)
	}
	for _, name := range golden {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	for _, s := range []string{"", "{}", "null", "[]", `{"format":2}`, `{"format":3,"id":"00c0ffee12345678"}`, `{"format":2,"id":"00c0ffee12345678","starts":-1}`,
		`{"format":2,"id":"00c0ffee12345678","new":{"a":[1,2]},"doubt":9}`, `{"format":2,"id":"00c0ffee12345678","pledge":{}}`, `{"format":1,"id":"00c0ffee12345678","raft_port":70000}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseState(b)
		if err != nil {
			if !errors.Is(err, ErrStateDamaged) && !errors.Is(err, ErrStateNewer) {
				t.Fatalf("refused without a sentinel: %v", err)
			}
			return
		}
		if !idPattern.MatchString(s.ID) {
			t.Fatalf("accepted the ID %q", s.ID)
		}
		s = Begin(s, "b00700000000000b", DataNone)
		text, err := s.encode()
		if err != nil {
			t.Fatalf("read, but not written back: %v", err)
		}
		again, err := parseState(text)
		if err != nil {
			t.Fatalf("written, but not read back: %v\n%s", err, text)
		}
		if text2, err := again.encode(); err != nil || string(text2) != string(text) {
			t.Fatalf("changes when it is read: %v\n%s\n%s", err, text, text2)
		}
	})
}
