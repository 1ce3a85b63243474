package pki

import (
	"crypto/x509"
	"fmt"
	"time"

	"github.com/quorate/quorate/internal/problem"
)

// A chain runs from a leaf to the root that it was verified against.
type chain []*x509.Certificate

// findChain looks for a chain that allows the use; nil if there is none. It
// prefers one valid at now but takes one valid at any time, for whether a
// certificate is signed and whether the clock agrees are two questions. There
// is a time at which all of a chain is valid only if it is so at the beginning
// of one of its certificates, so those are the times to try.
func findChain(certs, roots []*x509.Certificate, u x509.ExtKeyUsage, now time.Time) chain {
	opts := x509.VerifyOptions{
		Roots:         x509.NewCertPool(),
		Intermediates: x509.NewCertPool(),
		KeyUsages:     []x509.ExtKeyUsage{u},
	}
	times := []time.Time{now, certs[0].NotBefore}
	for _, c := range roots {
		opts.Roots.AddCert(c)
		times = append(times, c.NotBefore)
	}
	for _, c := range certs[1:] {
		opts.Intermediates.AddCert(c)
		times = append(times, c.NotBefore)
	}
	for _, t := range times {
		opts.CurrentTime = t
		if chains, err := certs[0].Verify(opts); err == nil {
			return chains[0]
		}
	}
	return nil
}

// end is when the first certificate of the chain ends.
func (c chain) end() time.Time {
	end := c[0].NotAfter
	for _, cert := range c[1:] {
		if cert.NotAfter.Before(end) {
			end = cert.NotAfter
		}
	}
	return end
}

// soon is how long before the end it becomes a problem, unless the chain was
// made for a short life: then a tenth of that.
const soon = 30 * 24 * time.Hour

// dates tells what is wrong at now with the chain of the certificate in file.
func (c chain) dates(file string, now time.Time) (problem.Problem, bool) {
	for i, cert := range c {
		which, where := file, "replace the file; it is read at the next connection"
		if i > 0 {
			which = fmt.Sprintf("%q, which signed %s,", cert.Subject, file)
			where = "replace the CA's certificate on all members and restart them one by one"
		}
		life := cert.NotAfter.Sub(cert.NotBefore)
		clock := fmt.Sprintf("the clock of this machine says %s", now.UTC().Format(time.DateTime))
		switch {
		case now.Before(cert.NotBefore):
			return problem.Problem{Code: "cert-not-yet-valid",
				What: fmt.Sprintf("%s is not valid before %s", which, cert.NotBefore.UTC().Format(time.DateTime)),
				Why:  clock,
				Do:   "if the clock is wrong set it (`timedatectl`), otherwise " + where}, true
		case now.After(cert.NotAfter):
			return problem.Problem{Code: "cert-expired",
				What: fmt.Sprintf("%s ended on %s", which, cert.NotAfter.UTC().Format(time.DateTime)),
				Why:  clock,
				Do:   "if the clock is wrong set it (`timedatectl`), otherwise " + where}, true
		case now.Add(min(soon, life/10)).After(cert.NotAfter):
			return problem.Problem{Code: "cert-expires-soon",
				What: fmt.Sprintf("%s ends on %s", which, cert.NotAfter.UTC().Format(time.DateTime)),
				Why:  clock,
				Do:   where}, true
		}
	}
	return problem.Problem{}, false
}
