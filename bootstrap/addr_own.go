package bootstrap

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/quorate/quorate/internal/problem"
)

// An OwnAddr says how a node finds the address under which others reach it.
type OwnAddr struct {
	Explicit string           // an IP address; it is taken if it is not empty
	Listen   netip.Addr       // the address listened on; it is taken if it is one machine's
	Seeds    []netip.AddrPort // of [ParseJoin]
	Port     int              // this node's gossip port, by which it knows itself among the seeds

	host hostNet // this machine; tests have others
}

// hostNet is what a machine knows of its network.
type hostNet struct {
	addrs func() ([]netip.Addr, error)                // of its interfaces
	route func(to netip.AddrPort) (netip.Addr, error) // the source address of packets to there
}

// Find returns the address to advertise and the seed that is this node itself,
// or the zero AddrPort if none is. In this order: the explicit address; the one
// listened on; the seed that is an address of this machine, because a seed
// counts only if the node that answers there says it is its own; the source
// address of packets to the first seed, which asks the routing table and sends
// nothing. Its errors wrap [ErrAdvertise] and say what to set; with a network
// that is not yet up they pass, so the caller may try again, unless they wrap
// [ErrJoin] too.
func (o OwnAddr) Find() (own netip.Addr, self netip.AddrPort, err error) {
	if o.host.addrs == nil {
		o.host = hostNet{interfaceAddrs, routeTo}
	}
	mine, err := o.mine()
	if err != nil {
		return netip.Addr{}, netip.AddrPort{}, err
	}
	own, err = o.choose(mine)
	if err != nil {
		return netip.Addr{}, netip.AddrPort{}, err
	}
	for _, s := range o.Seeds {
		if own.IsLoopback() && !s.Addr().IsLoopback() {
			return netip.Addr{}, netip.AddrPort{}, advertiseError(fmt.Sprintf("the own address %s cannot be used", own), fmt.Sprintf("the join list has %s, and another machine cannot reach this one's loopback", s), "set advertise to the address under which the other machines reach this one (ip -brief address)")
		}
	}
	if me := netip.AddrPortFrom(own, uint16(o.Port)); slices.Contains(o.Seeds, me) {
		self = me
	}
	return own, self, nil
}

// mine is the seeds that are this machine under our port. Two are a mistake
// that would wait for ever: one node cannot be two voters.
func (o OwnAddr) mine() ([]netip.AddrPort, error) {
	addrs, err := o.host.addrs()
	if err != nil {
		return nil, advertiseError("the addresses of this machine cannot be read", err.Error(), "set advertise to the address under which the other machines reach this one")
	}
	var mine []netip.AddrPort
	for _, s := range o.Seeds {
		if int(s.Port()) == o.Port && slices.Contains(addrs, s.Addr()) {
			mine = append(mine, s)
		}
	}
	if len(mine) > 1 {
		twice := problem.Problem{Code: "advertise", What: fmt.Sprintf("the join addresses %s and %s are both this machine", mine[0], mine[1]), Why: "each entry must be another machine", Do: "remove one of the two on all machines"}
		return nil, &problem.Error{Problem: twice, Err: errors.Join(ErrAdvertise, ErrJoin)} // it does not pass by itself
	}
	return mine, nil
}

func (o OwnAddr) choose(mine []netip.AddrPort) (netip.Addr, error) {
	if o.Explicit != "" {
		a, port, err := splitAddr(o.Explicit)
		if err == nil && port >= 0 {
			err = fmt.Errorf("it has a port, which is set by base_port and ports")
		}
		if err != nil {
			return netip.Addr{}, advertiseError(fmt.Sprintf("the own address %q cannot be used", o.Explicit), err.Error(), "set advertise to an IP address of this machine (ip -brief address)")
		}
		if why, do := unusable(a); why != "" {
			return netip.Addr{}, advertiseError(fmt.Sprintf("the own address %q cannot be used", o.Explicit), why, do)
		}
		return a, nil
	}
	if o.Listen.IsValid() && !o.Listen.IsUnspecified() {
		a := o.Listen.Unmap()
		if why, do := unusable(a); why != "" {
			return netip.Addr{}, advertiseError(fmt.Sprintf("the listen address %s cannot be told to others", a), why, do)
		}
		return a, nil
	}
	if len(mine) == 1 {
		return mine[0].Addr(), nil
	}
	why := "there is no join address to find it by"
	for _, s := range o.Seeds {
		a, err := o.host.route(s)
		if err != nil {
			why = fmt.Sprintf("no way to %s: %v", s, err)
			continue
		}
		if bad, _ := unusable(a); bad != "" {
			why = fmt.Sprintf("packets to %s would leave from %s, but %s", s, a, bad)
			continue
		}
		return a, nil
	}
	return netip.Addr{}, advertiseError("this machine's own address cannot be found", why, "see that the network is up (ip -brief address), or set advertise to the address under which the other machines reach this one")
}

// interfaceAddrs is this machine's addresses.
func interfaceAddrs() ([]netip.Addr, error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var addrs []netip.Addr
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				addrs = append(addrs, ip.Unmap())
			}
		}
	}
	return addrs, nil
}

// routeTo connects a UDP socket, which sends nothing but binds the socket to the
// address that the routing table chooses.
func routeTo(to netip.AddrPort) (netip.Addr, error) {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return netip.Addr{}, err
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
}

func advertiseError(what, why, do string) error {
	return &problem.Error{Problem: problem.Problem{Code: "advertise", What: what, Why: why, Do: do}, Err: ErrAdvertise}
}
