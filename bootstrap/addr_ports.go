package bootstrap

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"github.com/quorate/quorate/internal/problem"
)

// ErrPort is wrapped by the errors about a port that cannot be opened.
var ErrPort = errors.New("bootstrap: port not available")

// Free ports are chosen below the range from which the kernel takes the ports of
// outgoing connections (32768 on Linux), so that none of those takes a node's
// port while the node is down.
const (
	freeFirst = 20000
	freeCount = 12000
	freeTries = 64
)

// PortsFrom is the ports that follow from a base: gossip on it, then the cluster
// RPC, raft and the client port.
func PortsFrom(base int) Ports {
	return Ports{Gossip: base, RPC: base + 1, Raft: base + 2, Client: base + 3}
}

// Sockets is what a node listens on before any member exists. They are bound
// exclusively.
type Sockets struct {
	Ports Ports // the real ones; Raft was free a moment ago, Client is as it was wanted
	TCP   net.Listener
	UDP   *net.UDPConn // gossip, on the same port as TCP
	RPC   net.Listener
}

// Close closes all sockets. Those that were handed on to a [Gossip] or an [RPC]
// are closed by it; closing twice does no harm.
func (s *Sockets) Close() {
	for _, c := range []interface{ Close() error }{s.TCP, s.UDP, s.RPC} {
		c.Close()
	}
}

// Bind opens the ports of a node. A port that is 0 in want is a free one, chosen
// once: the one in kept if that is not 0, which the caller keeps in the state
// file. listen is the address of one interface, or an unspecified one for all.
// The errors are a [problem.Error] that wraps [ErrPort] and names the port and
// what it is for.
func Bind(listen netip.Addr, want, kept Ports) (_ *Sockets, err error) {
	for _, p := range []struct{ want, kept *int }{{&want.Gossip, &kept.Gossip}, {&want.RPC, &kept.RPC}, {&want.Raft, &kept.Raft}} {
		if *p.want == 0 {
			*p.want = *p.kept
		}
	}
	if err := checkPorts(want); err != nil {
		return nil, err
	}
	s := &Sockets{Ports: want}
	var open []interface{ Close() error }
	defer func() {
		if err != nil {
			for _, c := range open {
				c.Close()
			}
		}
	}()
	s.Ports.Gossip, err = choosePort("gossip", want.Gossip, func(port int) error {
		l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(listen, uint16(port))))
		if err != nil {
			return err
		}
		u, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(listen, uint16(port))))
		if err != nil {
			l.Close()
			return err
		}
		s.TCP, s.UDP = l, u
		open = append(open, l, u)
		return nil
	})
	if err != nil {
		return nil, err
	}
	tcp := func(port int) (net.Listener, error) {
		return net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(listen, uint16(port))))
	}
	s.Ports.RPC, err = choosePort("cluster RPC", want.RPC, func(port int) (err error) {
		if s.RPC, err = tcp(port); err == nil {
			open = append(open, s.RPC)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	s.Ports.Raft, err = choosePort("raft", want.Raft, func(port int) error {
		l, err := tcp(port)
		if err == nil {
			l.Close() // the member opens it; here it is only tried
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// choosePort opens port, or a free one if it is 0.
func choosePort(what string, port int, open func(port int) error) (int, error) {
	if port != 0 {
		if err := open(port); err != nil {
			return 0, portProblem(what, port, err)
		}
		return port, nil
	}
	var last error
	for range freeTries {
		p := freeFirst + rand.N(freeCount)
		if last = open(p); last == nil {
			return p, nil
		}
		if !errors.Is(last, syscall.EADDRINUSE) {
			break
		}
	}
	return 0, portProblem(what, 0, last)
}

func checkPorts(p Ports) error {
	seen := map[int]string{}
	for _, e := range []struct {
		what string
		port int
	}{{"gossip", p.Gossip}, {"cluster RPC", p.RPC}, {"raft", p.Raft}, {"client", p.Client}} {
		if e.port < 0 || e.port > 65535 {
			return &problem.Error{Problem: problem.Problem{Code: "port", What: fmt.Sprintf("the %s port cannot be %d", e.what, e.port), Why: "ports are 1 to 65535; 0 is a free one, chosen once", Do: "correct base_port or ports"}, Err: ErrPort}
		}
		if other, ok := seen[e.port]; ok && e.port != 0 {
			return &problem.Error{Problem: problem.Problem{Code: "port", What: fmt.Sprintf("the %s port and the %s port are both %d", other, e.what, e.port), Why: "each needs one of its own", Do: "correct base_port or ports"}, Err: ErrPort}
		}
		seen[e.port] = e.what
	}
	return nil
}

func portProblem(what string, port int, err error) error {
	p := problem.Problem{Code: "port", What: fmt.Sprintf("the %s port %d cannot be opened", what, port), Why: err.Error(), Do: "see what may keep this user from it, or set base_port or ports to others"}
	if port == 0 {
		p.What = fmt.Sprintf("no free port can be opened for %s", what)
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		p.Code = "port-in-use"
		p.What = fmt.Sprintf("the %s port %d is in use", what, port)
		p.Do = "see who has it (ss -lntup 'sport = :" + strconv.Itoa(port) + "') and stop it, or set base_port or ports to others"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		p.Code = "listen"
		p.Do = "set listen to an address of this machine (ip -brief address), or leave it empty for all"
	case errors.Is(err, syscall.EACCES):
		p.Do = "use ports from 1024 on, or give this user the right to open lower ones"
	}
	return &problem.Error{Problem: p, Err: errors.Join(ErrPort, err)}
}
