package pki

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/quorate/quorate/internal/problem"
)

// ErrMode is wrapped by the error about a secret file or key that others can
// read, or a directory of keys that others can enter.
var ErrMode = errors.New("open to others")

// maxFile bounds what is read of any one file, in bytes: a bundle of some
// hundred certificates, and nothing like a disk image named by mistake.
const maxFile = 1 << 20

// readPrivate reads a file that nobody else may read. Symbolic links are
// followed. It looks at the file it opened, not at the path again, so nobody
// can change the one for the other in between.
func readPrivate(path string) ([]byte, error) { return readFile(path, true) }

// readPublic is readPrivate for what everybody may see.
func readPublic(path string) ([]byte, error) { return readFile(path, false) }

func readFile(path string, private bool) ([]byte, error) {
	// Not blocking: the open of a pipe would wait for a writer for ever.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("not a regular file")}
	}
	if private {
		if err := checkMode(path, info); err != nil {
			return nil, err
		}
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("larger than %d bytes", maxFile)}
	}
	return b, err
}

// checkMode refuses what others than its owner can reach. A file that belongs
// to root may be readable by its group, for a process that is not root: so
// root hands keys to a service (0640 root:ssl-cert), and so systemd's
// LoadCredential looks, whose access control list shows as group bits.
func checkMode(path string, info fs.FileInfo) error {
	owner := os.Geteuid()
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		owner = int(s.Uid)
	}
	if private(info.Mode(), owner, os.Geteuid()) {
		return nil
	}
	want := "0600"
	if info.IsDir() {
		want = "0700"
	}
	do := fmt.Sprintf("run `chmod %s %s`", want, path)
	if owner != os.Geteuid() {
		do = fmt.Sprintf("run `chown %d %s && chmod %s %s`", os.Geteuid(), path, want, path)
	}
	return &problem.Error{Problem: problem.Problem{
		Code: "file-mode",
		What: fmt.Sprintf("%s is open to other users of this machine", path),
		Why:  fmt.Sprintf("its mode is %#o, and who reads what is in it can join the cluster", info.Mode().Perm()),
		Do:   do + "; if they should not have read it, replace what it holds",
	}, Err: ErrMode}
}

func private(mode fs.FileMode, owner, self int) bool {
	open := mode.Perm() & 0o077
	return open == 0 || open == 0o040 && mode.IsRegular() && owner == 0 && self != 0
}
