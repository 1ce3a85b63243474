package bootstrap

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

var (
	// ErrUnreachable is why a question went unanswered: nobody answered. It is
	// never evidence that there is nobody.
	ErrUnreachable = errors.New("bootstrap: not reachable")
	// ErrOtherSecret says that who answered has a certificate of another
	// authority, or does not accept ours: another secret, or another cluster
	// name, which makes another authority of the same secret.
	ErrOtherSecret = errors.New("bootstrap: other secret or cluster name")
	// ErrCertDates says that a certificate is expired or not yet valid, by the
	// clock of one of the two.
	ErrCertDates = errors.New("bootstrap: certificate outside its dates")
	// ErrStranger says that who answered is of another cluster, or no node.
	ErrStranger = errors.New("bootstrap: not a node of this cluster")
	// ErrVersion says that one of the two does not understand the other's
	// version of the cluster RPC.
	ErrVersion = errors.New("bootstrap: incompatible version")
)

// AskConfig is what [NewAsker] needs.
type AskConfig struct {
	TLS     *tls.Config // the client's side: own leaf, authority, server name
	Cluster string
	Gate    *Gate // for tests
}

// Asker asks other nodes over the cluster RPC. Its methods may be called from
// any goroutine.
type Asker struct {
	cfg AskConfig
	t   *http.Transport

	mu    sync.Mutex
	conns map[*askConn]struct{}
	done  bool
}

// NewAsker makes an Asker. It obeys no proxy: peers are spoken to directly.
func NewAsker(cfg AskConfig) *Asker {
	a := &Asker{cfg: cfg, conns: map[*askConn]struct{}{}}
	c := cfg.TLS.Clone()
	c.MinVersion = tls.VersionTLS13
	c.NextProtos = []string{"http/1.1"}
	a.t = &http.Transport{
		Proxy: nil, DialContext: a.dial, TLSClientConfig: c, TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{},
		TLSHandshakeTimeout: rpcWait, ResponseHeaderTimeout: rpcWait, MaxResponseHeaderBytes: rpcHeader,
		MaxIdleConnsPerHost: 1, MaxConnsPerHost: 4, IdleConnTimeout: rpcIdle / 2, // before the server's
	}
	return a
}

// Close ends every connection, and with it every question under way.
func (a *Asker) Close() {
	a.mu.Lock()
	a.done = true
	conns := a.conns
	a.conns = nil
	a.mu.Unlock()
	for c := range conns {
		c.Conn.Close()
	}
	a.t.CloseIdleConnections()
}

// Ask asks the node at addr what it attests, and says who asks. The answer was made after the
// question was sent, for it carries the question's nonce. ctx bounds it; the
// errors are [ErrUnreachable], [ErrOtherSecret], [ErrCertDates], [ErrStranger]
// and [ErrVersion], with what is known beside it.
func (a *Asker) Ask(ctx context.Context, addr netip.AddrPort, from Caller) (Answer, error) {
	nonce := rand.Text()
	body, err := json.Marshal(request{Format: RPCFormat, Since: RPCFormat, Cluster: a.cfg.Cluster, Nonce: nonce, From: from})
	if err != nil {
		return Answer{}, fmt.Errorf("ask %s: %w", addr, err)
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+addr.String()+rpcPath, bytes.NewReader(body))
	if err != nil {
		return Answer{}, fmt.Errorf("ask %s: %w", addr, err)
	}
	q.Header.Set("Content-Type", "application/json")
	resp, err := a.t.RoundTrip(q)
	if err != nil {
		return Answer{}, fmt.Errorf("ask %s: %w", addr, classify(err))
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, rpcBody+1))
	if err != nil {
		return Answer{}, fmt.Errorf("ask %s: %w", addr, classify(err))
	}
	ans, err := readResponse(resp.StatusCode, b, a.cfg.Cluster, nonce)
	if err != nil {
		return Answer{}, fmt.Errorf("ask %s: %w", addr, err)
	}
	return ans, nil
}

// readResponse is Ask without the network: what these bytes answer.
func readResponse(status int, b []byte, cluster, nonce string) (Answer, error) {
	if len(b) > rpcBody {
		return Answer{}, fmt.Errorf("%w: its answer has more than %d bytes", ErrStranger, rpcBody)
	}
	var r response
	if err := json.Unmarshal(b, &r); err != nil || r.Format < 1 || r.Since < 1 || r.Since > r.Format {
		return Answer{}, fmt.Errorf("%w: it answers with status %d and no format of ours", ErrStranger, status)
	}
	switch {
	case r.Since > RPCFormat:
		return Answer{}, fmt.Errorf("%w: it speaks version %d, which readers of version %d understand; this program has %d", ErrVersion, r.Format, r.Since, RPCFormat)
	case status == http.StatusUpgradeRequired:
		return Answer{}, fmt.Errorf("%w: it speaks version %d and does not understand version %d", ErrVersion, r.Format, RPCFormat)
	case r.Cluster != cluster:
		return Answer{}, fmt.Errorf("%w: it is of cluster %q", ErrStranger, tidy(r.Cluster, nameMax))
	case status != http.StatusOK:
		return Answer{}, fmt.Errorf("%w: it answers with status %d", ErrStranger, status)
	case r.Nonce != nonce:
		return Answer{}, fmt.Errorf("%w: its answer is not to this question", ErrStranger)
	}
	ans, err := ParseAnswer(r.Answer)
	if err != nil {
		return Answer{}, fmt.Errorf("%w: %w", ErrStranger, err)
	}
	return ans, nil
}

// classify tells who does not trust us from who is not there. crypto/tls has no
// type for an alert that came over TCP, only its operation and text.
func classify(err error) error {
	var (
		verify  *tls.CertificateVerificationError
		invalid x509.CertificateInvalidError
		record  tls.RecordHeaderError
		op      *net.OpError
	)
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Errorf("%w: its certificate: %w", ErrCertDates, err)
	case errors.As(err, &verify):
		return fmt.Errorf("%w: its certificate is not one of ours: %w", ErrOtherSecret, err)
	case errors.As(err, &record):
		return fmt.Errorf("%w: it does not speak TLS", ErrStranger)
	case errors.As(err, &op) && op.Op == "remote error":
		switch text := op.Err.Error(); {
		case strings.Contains(text, "expired certificate"):
			return fmt.Errorf("%w: it refuses our certificate: %w", ErrCertDates, err)
		case strings.Contains(text, "certificate"), strings.Contains(text, "access denied"):
			return fmt.Errorf("%w: it refuses our certificate: %w", ErrOtherSecret, err)
		}
		return fmt.Errorf("%w: it ends TLS: %w", ErrStranger, err)
	}
	return fmt.Errorf("%w: %w", ErrUnreachable, err)
}

func (a *Asker) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if a.cfg.Gate.IsShut() {
		return nil, errCut
	}
	d := net.Dialer{Timeout: rpcWait, KeepAlive: 15 * time.Second}
	c, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	ac := &askConn{Conn: c, a: a}
	a.mu.Lock()
	ok := !a.done
	if ok {
		a.conns[ac] = struct{}{}
	}
	a.mu.Unlock()
	if !ok || !a.cfg.Gate.add(c) {
		ac.Close()
		return nil, net.ErrClosed
	}
	return ac, nil
}

type askConn struct {
	net.Conn
	a *Asker
}

func (c *askConn) Close() error {
	c.a.cfg.Gate.forget(c.Conn)
	c.a.mu.Lock()
	delete(c.a.conns, c)
	c.a.mu.Unlock()
	return c.Conn.Close()
}
