package command

import (
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/node"
)

func TestEventLine(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 8e6, time.Local)
	got := eventLine(node.Event{Time: at, Type: "lock_acquired", Name: "vip", Text: "held\nnow", Fence: 7})
	if want := `Mar  4 05:06:07.008  lock_acquired     vip: "held\nnow" (fence 7)`; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// In a product's binary Quorate is a dependency, and the main module's version
// and revision are not ours.
func TestBuild(t *testing.T) {
	own := &debug.BuildInfo{
		Main:     debug.Module{Path: modulePath, Version: "v1.2.3"},
		Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"}},
	}
	theirs := &debug.BuildInfo{
		Main:     debug.Module{Path: "acme", Version: "v9.0.0"},
		Deps:     []*debug.Module{{Path: modulePath, Version: "v1.2.3"}},
		Settings: own.Settings,
	}
	replaced := &debug.BuildInfo{Deps: []*debug.Module{{Path: modulePath, Version: "v1.2.3", Replace: &debug.Module{Path: "../"}}}}
	for _, tt := range []struct {
		info                        *debug.BuildInfo
		version, revision, contains string
	}{
		{own, "v1.2.3", "abc", "revision abc with changes\n"},
		{theirs, "v1.2.3", "", "etcd 3."},
		{replaced, "(devel)", "", "go1."},
		{nil, "(devel)", "", "go1."},
	} {
		b := buildOf(tt.info)
		if b.Version != tt.version || b.Revision != tt.revision || !strings.Contains(b.String(), tt.contains) {
			t.Errorf("got %+v: %s", b, b)
		}
	}
}

func TestShellWord(t *testing.T) {
	for in, want := range map[string]string{"/tmp/q1/peer.sock": "/tmp/q1/peer.sock", "a b": "'a b'", "it's": `'it'\''s'`, "": "''", "$x": "'$x'"} {
		if got := shellWord(in); got != want {
			t.Errorf("%q became %s, want %s", in, got, want)
		}
	}
}

func TestOwnKeys(t *testing.T) {
	c := &call{}
	for _, tt := range []struct {
		key    string
		prefix bool
		ok     bool
	}{
		{"a", false, true}, {"/quorate", false, true}, {"/quorated/x", true, true}, {"a", true, true}, {"/quorate/v1", false, false},
		{"/quorate/", false, false}, {"/quorate/v1/lock/", true, false}, {"/quorate", true, false}, {"/", true, false}, {"", true, false},
	} {
		if err := c.refuseOwn(tt.key, tt.prefix); (err == nil) != tt.ok {
			t.Errorf("%q, prefix %v: %v", tt.key, tt.prefix, err)
		}
	}
}
