package bootstrap_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/quorate/quorate/bootstrap"
	"github.com/quorate/quorate/internal/problem"
)

// The golden files are what nodes of each format left behind; they must be
// readable for ever, and this build writes the last of them. Regenerating them
// is not a fix.
func TestStateGolden(t *testing.T) {
	roster := goldenRoster()
	v2 := bootstrap.State{
		ID: "00c0ffee12345678", Starts: 7, Boot: "b00700000000000b",
		Ports:   bootstrap.Ports{Gossip: 4780, RPC: 4781, Raft: 41234, Client: 4783},
		Attempt: 3, Pledge: &roster, Started: true, Member: true,
		Aborted: []bootstrap.Hash{bootstrap.HashSeeds([]string{"old"})}, Floor: 1,
		Evidence: &bootstrap.Evidence{Roster: bootstrap.HashSeeds([]string{"other"}), By: "dddddddddddddddd"}, Discard: true,
		EtcdCluster: 0xcdf818194e3a8c32, EtcdMember: 0x8e9e05c52164694d,
		Peers: []bootstrap.KnownNode{{ID: "bbbbbbbbbbbbbbbb", Gossip: addr("10.0.0.2:4780"), RPC: addr("10.0.0.2:4781"), Starts: 9, Boots: []string{"b00900000000000b"}}},
	}
	for _, tt := range []struct {
		file string
		want bootstrap.State
	}{
		{"state-v1.json", bootstrap.State{ID: "00c0ffee12345678", Ports: bootstrap.Ports{Raft: 41234}}},
		{"state-v2.json", v2},
		{"state-v2-old-disk.json", bootstrap.State{ID: "00c0ffee12345678", Starts: 7, Boot: "b00700000000000b", Doubt: 9}},
	} {
		text, err := os.ReadFile(filepath.Join("testdata", tt.file))
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		put(t, dir, string(text))
		s, err := bootstrap.LoadState(dir)
		if err != nil {
			t.Fatal(err)
		}
		if diff := stateDiff(s, tt.want); diff != "" {
			t.Errorf("%s: %s", tt.file, diff)
		}
		if tt.file == "state-v1.json" {
			continue
		}
		if err := bootstrap.SaveState(dir, s); err != nil {
			t.Fatal(err)
		}
		if got := get(t, dir); got != string(text) {
			t.Errorf("%s written back as\n%swant\n%s", tt.file, got, text)
		}
	}
}

// stateDiff compares what is known of two states; what is unknown is not part of
// them.
func stateDiff(got, want bootstrap.State) string {
	for _, f := range reflect.VisibleFields(reflect.TypeFor[bootstrap.State]()) {
		if !f.IsExported() {
			continue
		}
		g, w := reflect.ValueOf(got).FieldByIndex(f.Index).Interface(), reflect.ValueOf(want).FieldByIndex(f.Index).Interface()
		if !reflect.DeepEqual(g, w) {
			return fmt.Sprintf("%s = %+v, want %+v", f.Name, g, w)
		}
	}
	return ""
}

// Nodes of format 1 were single voters: data makes them members.
func TestStateOfFormat1Begins(t *testing.T) {
	for _, tt := range []struct {
		data   bootstrap.Data
		member bool
	}{{bootstrap.DataNone, false}, {bootstrap.DataEmpty, false}, {bootstrap.DataWhole, true}} {
		dir := t.TempDir()
		put(t, dir, `{"format":1,"id":"00c0ffee12345678","raft_port":41234}`)
		s, err := bootstrap.LoadState(dir)
		if err != nil {
			t.Fatal(err)
		}
		s = bootstrap.Begin(s, "b00100000000000b", tt.data)
		if s.Member != tt.member || s.Started != tt.member || s.Starts != 1 || s.Boot != "b00100000000000b" {
			t.Errorf("data %v: state = %+v", tt.data, s)
		}
		if tt.member == (s.MemberOf() == bootstrap.Hash{}) {
			t.Errorf("data %v: member of %v", tt.data, s.MemberOf())
		}
		if err := bootstrap.SaveState(dir, s); err != nil {
			t.Fatal(err)
		}
		again, err := bootstrap.LoadState(dir)
		if err != nil {
			t.Fatal(err)
		}
		if diff := stateDiff(again, s); diff != "" {
			t.Errorf("data %v: %s", tt.data, diff)
		}
		if next := bootstrap.Begin(again, "b00200000000000b", bootstrap.DataWhole); next.Member != tt.member {
			t.Errorf("data %v: a state of format 2 became a member by beginning", tt.data)
		}
	}
}

func TestStateKeepsUnknownFields(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, `{"format":1,"id":"00c0ffee12345678","from_the_future":{"a":[1]}}`)
	s, err := bootstrap.LoadState(dir)
	if err != nil {
		t.Fatal(err)
	}
	s.Ports.Raft = 7
	if err := bootstrap.SaveState(dir, s); err != nil {
		t.Fatal(err)
	}
	if got := get(t, dir); !strings.Contains(got, "from_the_future") || !strings.Contains(got, `"raft": 7`) {
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
		{"roster edited", strings.Replace(goldenState(t), "10.0.0.2:4782", "10.0.0.9:4782", 1), bootstrap.ErrStateDamaged, "restore it"},
		{"roster of others", strings.Replace(goldenState(t), "00c0ffee12345678", "00c0ffee12345679", 1), bootstrap.ErrStateDamaged, "restore it"},
		{"member that never started", `{"format":2,"id":"00c0ffee12345678","member":true}`, bootstrap.ErrStateDamaged, "restore it"},
		{"started on nothing", `{"format":2,"id":"00c0ffee12345678","started":true}`, bootstrap.ErrStateDamaged, "restore it"},
		{"attempt", `{"format":2,"id":"00c0ffee12345678","attempt":-1}`, bootstrap.ErrStateDamaged, "restore it"},
		{"port", `{"format":1,"id":"00c0ffee12345678","raft_port":70000}`, bootstrap.ErrStateDamaged, "restore it"},
		{"newer", `{"format":3,"id":"00c0ffee12345678"}`, bootstrap.ErrStateNewer, "start the version that wrote it"},
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

func goldenState(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("testdata/state-v2.json")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
