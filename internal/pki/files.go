package pki

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Files names what a member needs to speak TLS with its peers: files, because
// etcd reads its certificates from paths, again at each handshake.
type Files struct {
	CAFile                        string
	CertFile, KeyFile             string    // for listening
	ClientCertFile, ClientKeyFile string    // for dialling
	ServerName                    string    // to ask for when dialling, whatever the address
	AllowedCNs                    []string  // common names that may speak raft; empty: all that the CA signed
	NotAfter                      time.Time // when the first of the certificates ends
}

// RenewAt is the time at which certificates of this lifetime are due for
// renewal: when two thirds have passed. Without a lifetime it is the zero time:
// never. Hold the wall clock against it at least every few minutes; a timer set
// to it does not see that the clock was set.
func (f Files) RenewAt(lifetime time.Duration) time.Time {
	if lifetime == 0 {
		return time.Time{}
	}
	return f.NotAfter.Add(-lifetime / 3)
}

// WriteFiles mints a voter's leaves (see [Keys.Mint]) and writes them with the
// CA certificate into dir, which it makes if need be: files 0600 in a directory
// 0700, each replaced at once. A directory or key that is open to others is
// refused ([ErrMode]); what is damaged or missing is made anew, so nothing is
// lost with the directory.
//
// It may be called again while members use the files: a key that stands there
// for the same authority is kept, so that a renewal replaces one file, the
// certificate, and there is no moment at which a handshake finds a certificate
// and a key that do not match. Under another secret or cluster name the keys
// are new ones; nobody may use the files then. One caller at a time.
func (k *Keys) WriteFiles(dir string, lifetime time.Duration, now time.Time) (Files, error) {
	if err := privateDir(dir); err != nil {
		return Files{}, err
	}
	files := Files{
		CAFile:     filepath.Join(dir, "ca.pem"),
		ServerName: k.ServerName(),
		AllowedCNs: []string{string(RoleVoter)},
	}
	var contents []content
	if old, err := readPrivate(files.CAFile); err != nil || !bytes.Equal(old, k.CAPEM()) {
		contents = append(contents, content{files.CAFile, k.CAPEM()})
	}
	for _, u := range []use{serverUse, clientUse} {
		cert, key := filepath.Join(dir, u.file+".pem"), filepath.Join(dir, u.file+"-key.pem")
		kept, err := k.keptKey(cert, key)
		if err != nil {
			return Files{}, err
		}
		leaf, err := k.mint(RoleVoter, u, kept, lifetime, now)
		if err != nil {
			return Files{}, err
		}
		if kept == nil {
			b, err := leaf.KeyPEM()
			if err != nil {
				return Files{}, err
			}
			contents = append(contents, content{key, b})
		}
		contents = append(contents, content{cert, leaf.CertPEM})
		files.NotAfter = leaf.NotAfter
		if u.named {
			files.CertFile, files.KeyFile = cert, key
		} else {
			files.ClientCertFile, files.ClientKeyFile = cert, key
		}
	}
	if err := replaceFiles(contents); err != nil {
		return Files{}, writeError(dir, err)
	}
	return files, nil
}

// keptKey returns the key in keyFile if the certificate beside it is of this
// authority and for this key, nil if a new one must be made: at the first
// start, under another secret, and after a crash between the two files.
func (k *Keys) keptKey(certFile, keyFile string) (*ecdsa.PrivateKey, error) {
	b, err := readPrivate(keyFile)
	if err != nil {
		return nil, unlessMissing(keyFile, err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(*ecdsa.PrivateKey)
	if err != nil || !ok || key.Curve != elliptic.P256() {
		return nil, nil
	}
	b, err = readPublic(certFile)
	if err != nil {
		return nil, unlessMissing(certFile, err)
	}
	if block, _ = pem.Decode(b); block == nil {
		return nil, nil
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil || cert.CheckSignatureFrom(k.ca) != nil || !key.PublicKey.Equal(cert.PublicKey) {
		return nil, nil
	}
	return key, nil
}

// unlessMissing turns only the absence of a file into nil: a new key because
// the old one could not be read just now (too many open files, say) would pull
// it from under the handshakes of a running member.
func unlessMissing(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, ErrMode):
		return err
	}
	return fileError("cert-file", "cannot read "+path, "check the owner and the mode of the file, or remove it: it is made anew", err)
}

// privateDir makes dir, or checks that it is a directory closed to others.
func privateDir(dir string) error {
	err := os.MkdirAll(filepath.Dir(dir), 0o700)
	if err == nil {
		err = os.Mkdir(dir, 0o700)
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		return writeError(dir, err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return writeError(dir, err)
	}
	if !info.IsDir() {
		return writeError(dir, errors.New("it is not a directory"))
	}
	return checkMode(dir, info)
}

func writeError(dir string, err error) error {
	return fileError("cert-write", "cannot write the certificates in "+dir,
		"check that the directory belongs to the user of this process and that its disk has space", err)
}
