package pki

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/quorate/quorate/internal/problem"
)

// ReadSecretFile reads a secret from a file that holds its one line. The file
// must be regular (or a link to one) and closed to others: no bits for group
// and others, except that root's file may be readable by the group of a process
// that is not root, as systemd's LoadCredential makes it. Errors wrap
// [ErrMode], [ErrSecret] or the cause, fs.ErrNotExist for instance.
func ReadSecretFile(path string) (Secret, error) {
	b, err := readPrivate(path)
	if errors.Is(err, ErrMode) {
		return Secret{}, err
	}
	if err != nil {
		do := "check the path, the owner and the mode of the file"
		if errors.Is(err, fs.ErrNotExist) {
			do = fmt.Sprintf("on the first machine run `(umask 077; peer secret new > %s)`; on the others put the same line there", path)
		}
		return Secret{}, fileError("secret-file", "cannot read the secret file "+path, do, err)
	}
	s, err := ParseSecret(string(b))
	var p *problem.Error
	if errors.As(err, &p) {
		p.What += " (file " + path + ")"
	}
	return s, err
}

// WriteSecretFile writes a secret to a new file of mode 0600 and makes it
// durable, whole or not at all. It never overwrites: where there is a file, the
// error wraps fs.ErrExist. The directory must be there.
func WriteSecretFile(path string, s Secret) error {
	if s.IsZero() {
		return secretError("secret-empty", "there is no secret to write", "none was given", doNew)
	}
	err := createFile(path, []byte(s.Text()+"\n"))
	if err == nil {
		return nil
	}
	do := "check that the directory is there, can be written to and has space"
	if errors.Is(err, fs.ErrExist) {
		do = "keep using the secret in it, or move it away first: a cluster is lost without its secret"
	}
	return fileError("secret-file", "cannot write the secret file "+path, do, err)
}

// fileError is the problem of a file that the system refuses. The cause's path
// is left out: What names it.
func fileError(code, what, do string, err error) error {
	why := err.Error()
	var p *fs.PathError
	if errors.As(err, &p) {
		why = p.Err.Error()
	}
	return &problem.Error{Problem: problem.Problem{Code: code, What: what, Why: why, Do: do}, Err: err}
}
