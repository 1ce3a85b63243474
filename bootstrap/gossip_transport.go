package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

const (
	streamsMax = 64      // incoming gossip streams at a time; a stranger can hold them for a time-out each
	streamSize = 4 << 20 // bytes read from one stream: memberlist takes 20 MiB from anybody before it looks whether he has the key
	packetSize = 64 << 10
	acceptWait = 50 * time.Millisecond // after a failure to accept, such as too many open files
)

var errCut = errors.New("this node is cut off")

// transport carries memberlist's packets and streams. Unlike memberlist's own it
// ends all it has begun when it is shut down, bounds what strangers can make it
// hold, and uses sockets that were bound before, so that a port in use is known
// before anything starts.
type transport struct {
	tcp       net.Listener
	udp       *net.UDPConn
	advertise netip.AddrPort
	gate      *Gate

	packets chan *memberlist.Packet
	streams chan net.Conn
	ctx     context.Context // ends with Shutdown
	cancel  context.CancelFunc
	wg      sync.WaitGroup

	mu       sync.Mutex
	conns    map[*stream]struct{}
	incoming int
	closed   bool
}

var _ memberlist.NodeAwareTransport = (*transport)(nil)

func newTransport(tcp net.Listener, udp *net.UDPConn, advertise netip.AddrPort, gate *Gate) *transport {
	t := &transport{tcp: tcp, udp: udp, advertise: advertise, gate: gate, packets: make(chan *memberlist.Packet), streams: make(chan net.Conn), conns: map[*stream]struct{}{}}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.wg.Go(t.accept)
	t.wg.Go(t.receive)
	return t
}

func (t *transport) accept() {
	for {
		c, err := t.tcp.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			select {
			case <-time.After(acceptWait):
			case <-t.ctx.Done():
			}
			continue
		}
		s, err := t.track(c, true)
		if err != nil {
			continue
		}
		select {
		case t.streams <- s:
		case <-t.ctx.Done():
			s.Close()
		}
	}
}

func (t *transport) receive() {
	buf := make([]byte, packetSize)
	for {
		n, from, err := t.udp.ReadFromUDPAddrPort(buf)
		at := time.Now()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue // such as a refusal of an earlier packet
		}
		if n == 0 || t.gate.drops() {
			continue
		}
		p := &memberlist.Packet{Buf: append([]byte(nil), buf[:n]...), From: net.UDPAddrFromAddrPort(unmap(from)), Timestamp: at}
		select {
		case t.packets <- p:
		case <-t.ctx.Done():
			return
		}
	}
}

// FinalAdvertiseAddr is asked for our own address each time it is told.
func (t *transport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return t.advertise.Addr().AsSlice(), int(t.advertise.Port()), nil
}

func (t *transport) PacketCh() <-chan *memberlist.Packet { return t.packets }
func (t *transport) StreamCh() <-chan net.Conn           { return t.streams }

func (t *transport) WriteTo(b []byte, addr string) (time.Time, error) {
	return t.WriteToAddress(b, memberlist.Address{Addr: addr})
}

func (t *transport) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	to, err := netip.ParseAddrPort(a.Addr)
	if err != nil {
		return time.Time{}, fmt.Errorf("read address: %w", err)
	}
	if !t.gate.drops() {
		_, err = t.udp.WriteToUDPAddrPort(b, unmap(to))
	}
	return time.Now(), err
}

func (t *transport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return t.DialAddressTimeout(memberlist.Address{Addr: addr}, timeout)
}

func (t *transport) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	if t.gate.IsShut() {
		return nil, errCut
	}
	d := net.Dialer{Timeout: timeout}
	c, err := d.DialContext(t.ctx, "tcp", a.Addr)
	if err != nil {
		return nil, err
	}
	return t.track(c, false)
}

// Shutdown closes the sockets and every stream and waits for the goroutines.
func (t *transport) Shutdown() error {
	t.cancel()
	t.mu.Lock()
	t.closed = true
	conns := make([]*stream, 0, len(t.conns))
	for s := range t.conns {
		conns = append(conns, s)
	}
	t.mu.Unlock()
	err := errors.Join(t.tcp.Close(), t.udp.Close())
	for _, s := range conns {
		s.Close()
	}
	t.wg.Wait()
	return err
}

func (t *transport) track(c net.Conn, incoming bool) (*stream, error) {
	s := &stream{Conn: c, t: t, incoming: incoming, left: streamSize}
	t.mu.Lock()
	ok := !t.closed && (!incoming || t.incoming < streamsMax)
	if ok {
		t.conns[s] = struct{}{}
		if incoming {
			t.incoming++
		}
	}
	t.mu.Unlock()
	if !ok {
		c.Close()
		return nil, net.ErrClosed
	}
	if !t.gate.add(c) {
		s.Close()
		return nil, errCut
	}
	return s, nil
}

// stream is one tracked connection.
type stream struct {
	net.Conn
	t        *transport
	incoming bool
	left     int // bytes that may still be read
	once     sync.Once
}

func (s *stream) Read(b []byte) (int, error) {
	if s.left <= 0 {
		return 0, fmt.Errorf("read gossip stream: more than %d bytes: %w", streamSize, io.ErrShortBuffer)
	}
	n, err := s.Conn.Read(b[:min(len(b), s.left)])
	s.left -= n
	return n, err
}

func (s *stream) Close() error {
	s.once.Do(func() {
		s.t.gate.forget(s.Conn)
		s.t.mu.Lock()
		defer s.t.mu.Unlock()
		if _, ok := s.t.conns[s]; ok {
			delete(s.t.conns, s)
			if s.incoming {
				s.t.incoming--
			}
		}
	})
	return s.Conn.Close()
}
