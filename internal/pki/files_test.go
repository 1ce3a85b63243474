package pki_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/quorate/quorate/internal/pki"
)

func TestWriteFiles(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0)) // the modes must not lean on it
	dir := filepath.Join(t.TempDir(), "data", "tls")
	k := derive(t, counting, "acme")
	f, err := k.WriteFiles(dir, 0, now)
	if err != nil {
		t.Fatal(err)
	}
	want := pki.Files{CAFile: dir + "/ca.pem", CertFile: dir + "/server.pem", KeyFile: dir + "/server-key.pem",
		ClientCertFile: dir + "/client.pem", ClientKeyFile: dir + "/client-key.pem",
		ServerName: "peer.acme", AllowedCNs: []string{"voter"}, NotAfter: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)}
	if f.ServerName != want.ServerName || len(f.AllowedCNs) != 1 || f.AllowedCNs[0] != "voter" || !f.NotAfter.Equal(want.NotAfter) || !f.RenewAt(0).IsZero() {
		t.Errorf("files %+v", f)
	}
	names := 0
	err = filepath.WalkDir(filepath.Dir(dir), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o600)
		if d.IsDir() {
			mode = 0o700
		} else {
			names++
		}
		if info.Mode().Perm() != mode {
			t.Errorf("%s has mode %#o", path, info.Mode().Perm())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range [][2]string{{f.CAFile, want.CAFile}, {f.CertFile, want.CertFile}, {f.KeyFile, want.KeyFile},
		{f.ClientCertFile, want.ClientCertFile}, {f.ClientKeyFile, want.ClientKeyFile}} {
		if p[0] != p[1] {
			t.Errorf("%s, want %s", p[0], p[1])
		}
	}
	if names != 5 {
		t.Errorf("%d files, want 5", names)
	}
	if !bytes.Equal(read(t, f.CAFile), k.CAPEM()) {
		t.Error("another CA in the file")
	}
	usable(t, f)
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func usable(t testing.TB, f pki.Files) {
	t.Helper()
	if s, c := handshake(t, stacks[1].server(t, f), stacks[1].client(t, f)); s != nil || c != nil {
		t.Errorf("the files do not work: server: %v, client: %v", s, c)
	}
}

func TestRenewalKeepsKeys(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	k := derive(t, counting, "acme")
	f, err := k.WriteFiles(dir, 30*time.Hour, now)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := f.RenewAt(30*time.Hour), now.Add(20*time.Hour).Truncate(time.Second); !got.Equal(want) {
		t.Errorf("due at %s, want %s", got, want)
	}
	before := map[string][]byte{}
	for _, n := range []string{f.CertFile, f.KeyFile, f.ClientCertFile, f.ClientKeyFile} {
		before[n] = read(t, n)
	}
	later, err := k.WriteFiles(dir, 30*time.Hour, now.Add(100*time.Hour)) // long over
	if err != nil {
		t.Fatal(err)
	}
	if !later.NotAfter.Equal(f.NotAfter.Add(100 * time.Hour)) {
		t.Errorf("renewed until %s", later.NotAfter)
	}
	for n, old := range before {
		if kept := bytes.Equal(old, read(t, n)); kept != strings.Contains(n, "-key") {
			t.Errorf("%s: kept = %t", filepath.Base(n), kept)
		}
	}
	// Another secret is another authority; no key serves two.
	if _, err := derive(t, pki.NewSecret().Text(), "acme").WriteFiles(dir, 0, now); err != nil {
		t.Fatal(err)
	}
	for n, old := range before {
		if bytes.Equal(old, read(t, n)) {
			t.Errorf("%s outlived its secret", filepath.Base(n))
		}
	}
	usable(t, f)
}

// TestRenewalDuringHandshakes renews while connections are made: etcd reads
// certificate and key one after the other, and must never get a torn pair.
func TestRenewalDuringHandshakes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	k := derive(t, counting, "acme")
	f, err := k.WriteFiles(dir, time.Hour, now)
	if err != nil {
		t.Fatal(err)
	}
	server, client := stacks[1].server(t, f), stacks[1].client(t, f)
	server.Time = func() time.Time { return now }
	client.Time = server.Time
	stop := make(chan struct{})
	var wg sync.WaitGroup
	made := make([]int, 4)
	for i := range made {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := server.GetCertificate(&tls.ClientHelloInfo{}); err != nil {
					t.Errorf("torn pair: %v", err)
					return
				}
				if _, err := client.GetClientCertificate(&tls.CertificateRequestInfo{}); err != nil {
					t.Errorf("torn pair: %v", err)
					return
				}
				made[i]++
			}
		})
	}
	for range 100 {
		if _, err := k.WriteFiles(dir, time.Hour, now); err != nil {
			t.Error(err)
		}
		if s, c := handshake(t, server, client); s != nil || c != nil {
			t.Errorf("server: %v, client: %v", s, c)
		}
	}
	close(stop)
	wg.Wait()
	t.Logf("pairs read during 100 renewals: %v", made)
}

// TestWriteFilesMends starts from what crashes and accidents leave behind.
func TestWriteFilesMends(t *testing.T) {
	k := derive(t, counting, "acme")
	other := write(t, derive(t, counting, "acme"), 0)
	for name, harm := range map[string]func(f pki.Files) error{
		"key is gone":            func(f pki.Files) error { return os.Remove(f.KeyFile) },
		"key is empty":           func(f pki.Files) error { return os.Truncate(f.KeyFile, 0) },
		"key is cut":             func(f pki.Files) error { return os.Truncate(f.KeyFile, 100) },
		"certificate is gone":    func(f pki.Files) error { return os.Remove(f.CertFile) },
		"certificate is cut":     func(f pki.Files) error { return os.Truncate(f.ClientCertFile, 100) },
		"certificate is empty":   func(f pki.Files) error { return os.Truncate(f.CertFile, 0) },
		"certificate of another": func(f pki.Files) error { return os.WriteFile(f.CertFile, read(t, other.CertFile), 0o600) },
		"key of another":         func(f pki.Files) error { return os.WriteFile(f.KeyFile, read(t, other.KeyFile), 0o600) },
		"certificate as key":     func(f pki.Files) error { return os.WriteFile(f.KeyFile, read(t, f.CertFile), 0o600) },
		"no PEM in the block": func(f pki.Files) error {
			return os.WriteFile(f.KeyFile, []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), 0o600)
		},
		"CA is cut":            func(f pki.Files) error { return os.Truncate(f.CAFile, 100) },
		"CA is open to others": func(f pki.Files) error { return os.Chmod(f.CAFile, 0o644) },
		"a temporary file":     func(f pki.Files) error { return os.WriteFile(f.CertFile+".tmp", []byte("half"), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "tls")
			f, err := k.WriteFiles(dir, 0, now)
			if err != nil {
				t.Fatal(err)
			}
			if err := harm(f); err != nil {
				t.Fatal(err)
			}
			if f, err = k.WriteFiles(dir, 0, now); err != nil {
				t.Fatal(err)
			}
			usable(t, f)
			left, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			if len(left) != 5 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestWriteFilesRefuses(t *testing.T) {
	k := derive(t, counting, "acme")
	for _, tt := range []struct {
		name, code string
		is         error
		do         string
		harm       func(dir string, f pki.Files) error
	}{
		{"directory open to all", "file-mode", pki.ErrMode, "chmod 0700 ", func(dir string, _ pki.Files) error { return os.Chmod(dir, 0o755) }},
		{"directory open to the group", "file-mode", pki.ErrMode, "chmod 0700 ", func(dir string, _ pki.Files) error { return os.Chmod(dir, 0o710) }},
		{"key open to all", "file-mode", pki.ErrMode, "chmod 0600 ", func(_ string, f pki.Files) error { return os.Chmod(f.KeyFile, 0o644) }},
		{"client's key open to the group", "file-mode", pki.ErrMode, "chmod 0600 ", func(_ string, f pki.Files) error { return os.Chmod(f.ClientKeyFile, 0o640) }},
		{"a file where the directory should be", "cert-write", nil, "", func(dir string, _ pki.Files) error {
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
			return os.WriteFile(dir, nil, 0o600)
		}},
		{"a file where its parent should be", "cert-write", syscall.ENOTDIR, "", func(dir string, _ pki.Files) error {
			if err := os.RemoveAll(filepath.Dir(dir)); err != nil {
				return err
			}
			return os.WriteFile(filepath.Dir(dir), nil, 0o600)
		}},
		{"a directory where a key should be", "cert-file", nil, "remove it", func(_ string, f pki.Files) error {
			return errors.Join(os.Remove(f.KeyFile), os.Mkdir(f.KeyFile, 0o700))
		}},
		{"a directory where a certificate should be", "cert-file", nil, "remove it", func(_ string, f pki.Files) error {
			return errors.Join(os.Remove(f.CertFile), os.Mkdir(f.CertFile, 0o700))
		}},
		{"a directory where the CA should be", "cert-write", nil, "", func(_ string, f pki.Files) error {
			return errors.Join(os.Remove(f.CAFile), os.MkdirAll(filepath.Join(f.CAFile, "x"), 0o700))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data", "tls")
			f, err := k.WriteFiles(dir, 0, now)
			if err != nil {
				t.Fatal(err)
			}
			if err := tt.harm(dir, f); err != nil {
				t.Fatal(err)
			}
			_, err = k.WriteFiles(dir, 0, now)
			if p := wantProblem(t, err, tt.code, tt.is); !strings.Contains(p.Do, tt.do) {
				t.Errorf("do %q, want %q", p.Do, tt.do)
			}
		})
	}
	_, err := k.WriteFiles(filepath.Join(t.TempDir(), "tls"), time.Second, now)
	wantProblem(t, err, "cert-lifetime", pki.ErrLifetime)
}
