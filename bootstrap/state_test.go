package bootstrap_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quorate/quorate/bootstrap"
	"github.com/quorate/quorate/internal/problem"
)

// The golden file is what a node of format 1 left behind; it must be readable
// for ever. Regenerating it is not a fix.
func TestStateGolden(t *testing.T) {
	want, err := os.ReadFile("testdata/state-v1.json")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	put(t, dir, string(want))
	s, err := bootstrap.LoadState(dir)
	if err != nil {
		t.Fatal(err)
	}
	if s.ID != "00c0ffee12345678" || s.RaftPort != 41234 {
		t.Errorf("state = %+v", s)
	}
	if err := bootstrap.SaveState(dir, s); err != nil {
		t.Fatal(err)
	}
	if got := get(t, dir); got != string(want) {
		t.Errorf("written back as\n%swant\n%s", got, want)
	}
}

func TestStateKeepsUnknownFields(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, `{"format":1,"id":"00c0ffee12345678","from_the_future":{"a":[1]}}`)
	s, err := bootstrap.LoadState(dir)
	if err != nil {
		t.Fatal(err)
	}
	s.RaftPort = 7
	if err := bootstrap.SaveState(dir, s); err != nil {
		t.Fatal(err)
	}
	if got := get(t, dir); !strings.Contains(got, "from_the_future") || !strings.Contains(got, `"raft_port": 7`) {
		t.Errorf("state file = %s", got)
	}
}

func TestStateRefused(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       error
		do         string
	}{
		{"empty", ``, bootstrap.ErrStateDamaged, "restore it from a backup"},
		{"cut", `{"format":1,"id":"00c0f`, bootstrap.ErrStateDamaged, "restore it from a backup"},
		{"no format", `{"id":"00c0ffee12345678"}`, bootstrap.ErrStateDamaged, "restore it"},
		{"no id", `{"format":1}`, bootstrap.ErrStateDamaged, "restore it"},
		{"id of a host name", `{"format":1,"id":"gw-a"}`, bootstrap.ErrStateDamaged, "restore it"},
		{"port", `{"format":1,"id":"00c0ffee12345678","raft_port":70000}`, bootstrap.ErrStateDamaged, "restore it"},
		{"newer", `{"format":2,"id":"00c0ffee12345678"}`, bootstrap.ErrStateNewer, "start the version that wrote it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			put(t, dir, tt.text)
			_, err := bootstrap.LoadState(dir)
			if !errors.Is(err, tt.want) {
				t.Fatalf("err = %v, want %v", err, tt.want)
			}
			var p *problem.Error
			if !errors.As(err, &p) || !strings.Contains(p.Do, tt.do) {
				t.Errorf("err = %v, want a problem that says %q", err, tt.do)
			}
		})
	}
}

func TestStateAbsent(t *testing.T) {
	if _, err := bootstrap.LoadState(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("err = %v, want fs.ErrNotExist", err)
	}
}

func TestNewStateIsRandom(t *testing.T) {
	a, b := bootstrap.NewState(), bootstrap.NewState()
	if a.ID == b.ID || len(a.ID) != 16 {
		t.Errorf("IDs %q and %q", a.ID, b.ID)
	}
}

func TestSaveStateMode(t *testing.T) {
	dir := t.TempDir()
	if err := bootstrap.SaveState(dir, bootstrap.NewState()); err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(filepath.Join(dir, "state.json"))
	if err != nil {
		t.Fatal(err)
	}
	if fi.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, want 0600", fi.Mode())
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".state*")); len(left) > 0 {
		t.Errorf("temporary files left: %v", left)
	}
}

func put(t *testing.T, dir, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "state.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, dir string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "state.json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
