package nodetest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// wire is what the members of a cluster speak raft through. In front of each
// there is a tap, at the address that the others know. It ends TLS to learn by
// its certificate which node calls, so that a node can be cut off in both
// directions, and speaks TLS to the member behind. mu owns all fields.
type wire struct {
	mu     sync.Mutex
	cuts   map[int]bool
	taps   map[int]*tap
	keys   map[string]int // whose client certificate has that public key
	relays map[*relay]struct{}
}

// tap listens for one member.
type tap struct {
	l  net.Listener
	wg sync.WaitGroup
}

// relay is one connection from one member to another.
type relay struct {
	from, to int // from is -1 until it is known
	caller   net.Conn
	member   net.Conn // nil until it is dialled
}

const handshakeTimeout = 5 * time.Second

func newWire() *wire {
	return &wire{cuts: map[int]bool{}, taps: map[int]*tap{}, keys: map[string]int{}, relays: map[*relay]struct{}{}}
}

// tap returns the hook that puts a tap before node i, whose member then listens
// on the port inner.
func (w *wire) tap(i, inner int) func(netip.AddrPort, *tls.Config, *tls.Config) (netip.AddrPort, error) {
	return func(public netip.AddrPort, server, client *tls.Config) (netip.AddrPort, error) {
		key, err := clientKey(client)
		if err != nil {
			return netip.AddrPort{}, err
		}
		l, err := net.Listen("tcp", public.String())
		if err != nil {
			return netip.AddrPort{}, fmt.Errorf("listen before raft: %w", err)
		}
		t := &tap{l: l}
		w.mu.Lock()
		defer w.mu.Unlock()
		if other, known := w.keys[key]; known && other != i {
			l.Close()
			return netip.AddrPort{}, errors.New("two nodes have one client certificate, so that nobody can tell who calls: leave Config.TLS empty or give each its own")
		}
		w.keys[key], w.taps[i] = i, t
		at := netip.AddrPortFrom(public.Addr(), uint16(inner))
		t.wg.Go(func() { w.accept(i, t, at, server, client) })
		return at, nil
	}
}

// clientKey is what a node is known by when it calls another.
func clientKey(client *tls.Config) (string, error) {
	c, err := client.GetClientCertificate(&tls.CertificateRequestInfo{})
	if err != nil {
		return "", fmt.Errorf("read client certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		return "", fmt.Errorf("read client certificate: %w", err)
	}
	return string(leaf.RawSubjectPublicKeyInfo), nil
}

func (w *wire) accept(i int, t *tap, at netip.AddrPort, server, client *tls.Config) {
	for {
		c, err := t.l.Accept()
		if err != nil {
			return // closed
		}
		r := &relay{from: -1, to: i, caller: c}
		if !w.add(r) {
			continue
		}
		t.wg.Go(func() {
			defer w.drop(r)
			if err := w.connect(r, at, server, client); err == nil {
				r.copy()
			}
		})
	}
}

// add lets a connection in that comes to a member which is not cut off.
func (w *wire) add(r *relay) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cuts[r.to] || w.taps[r.to] == nil {
		r.caller.Close()
		return false
	}
	w.relays[r] = struct{}{}
	return true
}

func (w *wire) drop(r *relay) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r.close()
	delete(w.relays, r)
}

// connect finds out who calls and dials the member.
func (w *wire) connect(r *relay, at netip.AddrPort, server, client *tls.Config) error {
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
	defer cancel()
	caller := tls.Server(r.caller, server)
	if err := caller.HandshakeContext(ctx); err != nil {
		return err
	}
	d := tls.Dialer{Config: client}
	member, err := d.DialContext(ctx, "tcp", at.String())
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	from, known := w.keys[string(caller.ConnectionState().PeerCertificates[0].RawSubjectPublicKeyInfo)]
	r.from, r.member = from, member
	if !known || w.cuts[from] || w.cuts[r.to] {
		r.close()
		return net.ErrClosed
	}
	r.caller = caller
	return nil
}

// copy carries bytes until one side ends.
func (r *relay) copy() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		io.Copy(r.member, r.caller)
		r.close()
	}()
	io.Copy(r.caller, r.member)
	r.close()
	<-done
}

// close does not say goodbye in TLS's words, which could block.
func (r *relay) close() {
	for _, c := range []net.Conn{r.caller, r.member} {
		switch c := c.(type) {
		case nil:
		case *tls.Conn:
			c.NetConn().Close()
		default:
			c.Close()
		}
	}
}

// cut takes a machine off the wire, or puts it back.
func (w *wire) cut(i int, off bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cuts[i] = off
	if off {
		w.closeRelays(i)
	}
}

func (w *wire) closeRelays(i int) {
	for r := range w.relays {
		if r.from == i || r.to == i {
			r.close()
		}
	}
}

// unplug removes the tap of a member that has ended.
func (w *wire) unplug(i int) {
	w.mu.Lock()
	t := w.taps[i]
	delete(w.taps, i)
	if t != nil {
		w.closeRelays(i)
	}
	w.mu.Unlock()
	if t != nil {
		t.l.Close()
		t.wg.Wait()
	}
}
