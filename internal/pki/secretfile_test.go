package pki_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/quorate/quorate/internal/pki"
)

func TestSecretFile(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	path := filepath.Join(t.TempDir(), "cluster.secret")
	s := pki.NewSecret()
	if err := pki.WriteSecretFile(path, s); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if got := string(read(t, path)); got != s.Text()+"\n" {
		t.Errorf("wrote %d bytes that are not the line", len(got))
	}
	back, err := pki.ReadSecretFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !back.Equal(s) {
		t.Error("read another secret than written")
	}
	err = pki.WriteSecretFile(path, pki.NewSecret())
	wantProblem(t, err, "secret-file", fs.ErrExist)
	if back, err := pki.ReadSecretFile(path); err != nil || !back.Equal(s) {
		t.Errorf("a refused write changed the file: %v", err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	wantProblem(t, pki.WriteSecretFile(filepath.Join(t.TempDir(), "no", "x"), s), "secret-file", fs.ErrNotExist)
	wantProblem(t, pki.WriteSecretFile(filepath.Join(t.TempDir(), "x"), pki.Secret{}), "secret-empty", pki.ErrSecret)
}

func TestReadSecretFile(t *testing.T) {
	put := func(text string, mode fs.FileMode) func(string) error {
		return func(path string) error {
			return errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chmod(path, mode))
		}
	}
	for _, tt := range []struct {
		name, code string // code "" = accepted
		is         error
		do         string
		make       func(path string) error
	}{
		{"a line", "", nil, "", put(counting+"\n", 0o600)},
		{"read-only", "", nil, "", put(counting, 0o400)},
		{"a link to it", "", nil, "", func(path string) error {
			return errors.Join(put(counting, 0o600)(path+".real"), os.Symlink(path+".real", path))
		}},
		{"not there", "secret-file", fs.ErrNotExist, "peer secret new > ", func(string) error { return nil }},
		{"a link to nowhere", "secret-file", fs.ErrNotExist, "peer secret new > ", func(path string) error { return os.Symlink(path+".x", path) }},
		{"readable by the group", "file-mode", pki.ErrMode, "chmod 0600 ", put(counting, 0o640)},
		{"readable by all", "file-mode", pki.ErrMode, "chmod 0600 ", put(counting, 0o644)},
		{"writable by others", "file-mode", pki.ErrMode, "chmod 0600 ", put(counting, 0o602)},
		{"a link to what all can read", "file-mode", pki.ErrMode, "chmod 0600 ", func(path string) error {
			return errors.Join(put(counting, 0o644)(path+".real"), os.Symlink(path+".real", path))
		}},
		{"a password", "secret-password", pki.ErrSecret, "`peer secret new`", put("hunter2\n", 0o600)},
		{"a slip", "secret-mistyped", pki.ErrSecret, "copy", put(counting[:50], 0o600)},
		{"empty", "secret-empty", pki.ErrSecret, "`peer secret new`", put("", 0o600)},
		{"a directory", "secret-file", nil, "", func(path string) error { return os.Mkdir(path, 0o700) }},
		{"a pipe", "secret-file", nil, "", func(path string) error { return syscall.Mkfifo(path, 0o600) }},
		{"a disk image", "secret-file", nil, "", func(path string) error {
			return errors.Join(put(counting, 0o600)(path), os.Truncate(path, 1<<30))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "cluster.secret")
			if err := tt.make(path); err != nil {
				t.Fatal(err)
			}
			s, err := pki.ReadSecretFile(path)
			if tt.code == "" {
				if err != nil || s.Text() != counting {
					t.Fatalf("%v, %v", s, err)
				}
				return
			}
			p := wantProblem(t, err, tt.code, tt.is)
			if !strings.Contains(p.Do, tt.do) || !strings.Contains(p.What, path) {
				t.Errorf("%q does not name the file, or %q not %q", p.What, p.Do, tt.do)
			}
			if !s.IsZero() {
				t.Error("a refused file gave a secret")
			}
		})
	}
}

// TestPrivate is the rule of modes for owners that a test cannot become.
func TestPrivate(t *testing.T) {
	const root, peer = 0, 990
	for _, tt := range []struct {
		mode        fs.FileMode
		owner, self int
		want        bool
		why         string
	}{
		{0o600, peer, peer, true, "own"},
		{0o400, peer, peer, true, "own, read-only"},
		{0o640, peer, peer, false, "own, open to the group"},
		{0o440, root, peer, true, "systemd's LoadCredential: an ACL shows as group bits"},
		{0o640, root, peer, true, "handed to a service by root"},
		{0o660, root, peer, false, "the group may change it"},
		{0o644, root, peer, false, "all may read it"},
		{0o444, root, peer, false, "all may read it"},
		{0o640, root, root, false, "root needs no group"},
		{0o640, 1000, peer, false, "the group of a third"},
		{fs.ModeDir | 0o700, peer, peer, true, "directory"},
		{fs.ModeDir | 0o740, root, peer, false, "directory open to the group"},
	} {
		if got := pki.Private(tt.mode, tt.owner, tt.self); got != tt.want {
			t.Errorf("%v of %d for %d (%s): %t", tt.mode, tt.owner, tt.self, tt.why, got)
		}
	}
}
