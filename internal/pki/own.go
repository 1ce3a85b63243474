package pki

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/quorate/quorate/internal/problem"
)

// ErrOwn is wrapped by every error of [CheckOwn] about what the files hold.
var ErrOwn = errors.New("unusable certificate")

// Own names the files of those who bring their own CA and certificates, all in
// PEM. It does not hold the CA's key.
type Own struct {
	CAFile string // one or more CA certificates; whom they signed is trusted

	CertFile, KeyFile string // for listening; intermediates follow the certificate

	// For dialling. If both are empty, CertFile and KeyFile serve for it too,
	// and the certificate must allow both uses.
	ClientCertFile, ClientKeyFile string

	// ServerName is asked for when dialling, whatever the address: a DNS name
	// that is in the server certificate of every member.
	ServerName string

	// AllowedCNs are the common names that may speak raft. If empty, whoever
	// holds a client certificate of the CA may: give it to nobody else then.
	AllowedCNs []string
}

// CheckOwn checks that members with such files will accept each other, before
// etcd finds out, handshake by handshake. The error is the first fault found: a
// file that cannot be read, or a key open to others ([ErrMode]), or what
// [ErrOwn] covers: no certificate or key in it, a key with a passphrase, a pair
// that does not match, a certificate that the CA did not sign or that is not
// for this use, a ServerName or common name that is missing.
//
// A certificate that is not valid at now, or soon will not be, is returned as
// problems and never as an error: the clock may be what is wrong. Call it again
// from time to time; etcd reads new certificates by itself, except the CA's.
func CheckOwn(o Own, now time.Time) (Files, []problem.Problem, error) {
	if (o.ClientCertFile == "") != (o.ClientKeyFile == "") {
		return Files{}, nil, ownError("cert-config", "only one of the client's certificate and key is set",
			"they go in pairs", "set both, or neither to use the server's for dialling too")
	}
	roots, err := readCerts(o.CAFile)
	if err != nil {
		return Files{}, nil, err
	}
	if i := slices.IndexFunc(roots, func(c *x509.Certificate) bool { return !c.IsCA }); i >= 0 {
		return Files{}, nil, ownError("cert-ca", o.CAFile+" does not hold a CA certificate",
			fmt.Sprintf("%q in it may not sign others", roots[i].Subject), "put the certificate there that signed the members' certificates")
	}
	server := ownLeaf{certFile: o.CertFile, keyFile: o.KeyFile, uses: []use{serverUse}}
	leaves := []*ownLeaf{&server}
	if o.ClientCertFile == "" {
		server.uses = []use{serverUse, clientUse}
	} else {
		leaves = append(leaves, &ownLeaf{certFile: o.ClientCertFile, keyFile: o.ClientKeyFile, uses: []use{clientUse}})
	}
	files := Files{CAFile: o.CAFile, CertFile: o.CertFile, KeyFile: o.KeyFile, ClientCertFile: o.ClientCertFile,
		ClientKeyFile: o.ClientKeyFile, ServerName: o.ServerName, AllowedCNs: o.AllowedCNs}
	if o.ClientCertFile == "" {
		files.ClientCertFile, files.ClientKeyFile = o.CertFile, o.KeyFile
	}
	var problems []problem.Problem
	for _, l := range leaves {
		if err := l.check(o, roots, now); err != nil {
			return Files{}, nil, err
		}
		if files.NotAfter.IsZero() || l.chain.end().Before(files.NotAfter) {
			files.NotAfter = l.chain.end()
		}
		if p, ok := l.chain.dates(l.certFile, now); ok {
			problems = append(problems, p)
		}
	}
	return files, problems, nil
}

// An ownLeaf is one pair of files and the uses it must be good for.
type ownLeaf struct {
	certFile, keyFile string
	uses              []use
	chain             chain // filled by check
}

func (l *ownLeaf) check(o Own, roots []*x509.Certificate, now time.Time) error {
	certs, err := readCerts(l.certFile)
	if err != nil {
		return err
	}
	if err := l.checkPair(); err != nil {
		return err
	}
	leaf := certs[0]
	if l.chain = findChain(certs, roots, x509.ExtKeyUsageAny, now); l.chain == nil {
		return ownError("cert-chain", l.certFile+" is not signed by the CA in "+o.CAFile,
			fmt.Sprintf("it was issued by %q", leaf.Issuer), "use a certificate of that CA, and append its intermediate certificates if it has any")
	}
	for _, u := range l.uses {
		if findChain(certs, roots, u.key, now) == nil {
			return ownError("cert-usage", l.certFile+" may not be used by a "+u.file,
				fmt.Sprintf("its extended key usage lacks %sAuth, or a CA's above it does", u.file),
				"have it issued with extendedKeyUsage = serverAuth, clientAuth, or set separate files for dialling")
		}
		if u.named {
			if err := checkName(l.certFile, leaf, o.ServerName); err != nil {
				return err
			}
		}
	}
	if cn := leaf.Subject.CommonName; len(o.AllowedCNs) > 0 && !slices.Contains(o.AllowedCNs, cn) {
		return ownError("cert-cn", "the others would refuse "+l.certFile,
			fmt.Sprintf("its common name %q is not among the allowed %q, which both sides of a connection must have", cn, o.AllowedCNs),
			"allow the name on every machine, or have the certificate issued with an allowed one")
	}
	return nil
}

func (l *ownLeaf) checkPair() error {
	key, err := readPrivate(l.keyFile)
	if errors.Is(err, ErrMode) {
		return err
	}
	if err != nil {
		return certFileError(l.keyFile, err)
	}
	if passphrase(key) {
		return ownError("cert-passphrase", "the key in "+l.keyFile+" is protected by a passphrase",
			"a service that starts by itself has nobody to ask for it",
			"write it without: `openssl pkey -in "+l.keyFile+" -out NEW`, mode 0600")
	}
	cert, err := readPublic(l.certFile)
	if err != nil {
		return certFileError(l.certFile, err)
	}
	if _, err := tls.X509KeyPair(cert, key); err != nil {
		return ownError("cert-pair", l.certFile+" and "+l.keyFile+" are not a pair", err.Error(),
			"use the key for which the certificate was issued, both in PEM")
	}
	return nil
}

func passphrase(b []byte) bool {
	block, _ := pem.Decode(b)
	return block != nil && (block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED"))
}

func checkName(file string, leaf *x509.Certificate, name string) error {
	names := "it has no DNS name"
	do := "have it issued with a DNS name that is the same on all members, for instance peer.acme, and set server_name to it"
	if len(leaf.DNSNames) > 0 {
		names = "it has " + strings.Join(leaf.DNSNames, ", ")
		do = "set server_name to a DNS name that every member's certificate has"
	}
	if name == "" {
		return ownError("cert-name", "there is no server name to ask for",
			"members dial addresses that change, so the name in "+file+" must be set; "+names, do)
	}
	if err := leaf.VerifyHostname(name); err != nil {
		return ownError("cert-name", fmt.Sprintf("%s is not for the server name %q", file, name), names, do)
	}
	return nil
}

// readCerts reads all certificates of a PEM file, at least one.
func readCerts(path string) ([]*x509.Certificate, error) {
	rest, err := readPublic(path)
	if err != nil {
		return nil, certFileError(path, err)
	}
	var certs []*x509.Certificate
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, ownError("cert-format", "there is a damaged certificate in "+path, err.Error(), "replace the file")
		}
		certs = append(certs, c)
	}
	if len(certs) == 0 {
		return nil, ownError("cert-format", "there is no certificate in "+path, "it has no CERTIFICATE block of PEM",
			"if it is in DER, convert it: `openssl x509 -inform der -in "+path+" -out NEW`")
	}
	return certs, nil
}

func certFileError(path string, err error) error {
	if path == "" {
		return ownError("cert-config", "a file of the own certificates is not set",
			"a CA, a certificate and its key are needed", "set ca_file, cert_file and key_file, or none of them to use the cluster's secret")
	}
	do := "check the owner and the mode of the file"
	if errors.Is(err, fs.ErrNotExist) {
		do = "check the path"
	}
	return fileError("cert-file", "cannot read "+path, do, err)
}

func ownError(code, what, why, do string) error {
	return &problem.Error{Problem: problem.Problem{Code: code, What: what, Why: why, Do: do}, Err: ErrOwn}
}
