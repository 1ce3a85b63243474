package bootstrap

import (
	"net"
	"net/netip"
	"sync"
)

// capListener accepts only so many connections at a time, and only so many of
// them from one address. What is too much is closed at once, so that those who
// were there first are served.
type capListener struct {
	net.Listener
	gate *Gate

	mu    sync.Mutex
	total int
	hosts map[netip.Addr]int
}

func newCapListener(l net.Listener, gate *Gate) *capListener {
	return &capListener{Listener: l, gate: gate, hosts: map[netip.Addr]int{}}
}

func (l *capListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if host := hostOf(c); l.enter(host) {
			if l.gate.add(c) {
				return &capConn{Conn: c, l: l, host: host}, nil
			}
			l.leave(host)
		}
		c.Close()
	}
}

func (l *capListener) enter(host netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.total >= rpcConns || l.hosts[host] >= rpcPerHost {
		return false
	}
	l.total++
	l.hosts[host]++
	return true
}

func (l *capListener) leave(host netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total--
	if l.hosts[host]--; l.hosts[host] == 0 {
		delete(l.hosts, host)
	}
}

type capConn struct {
	net.Conn
	l    *capListener
	host netip.Addr
	once sync.Once
}

func (c *capConn) Close() error {
	c.once.Do(func() {
		c.l.gate.forget(c.Conn)
		c.l.leave(c.host)
	})
	return c.Conn.Close()
}

func hostOf(c net.Conn) netip.Addr {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
