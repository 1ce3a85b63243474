package bootstrap

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/quorate/quorate/internal/problem"
)

func TestOwnAddr(t *testing.T) {
	ap, ad := netip.MustParseAddrPort, netip.MustParseAddr
	three := []netip.AddrPort{ap("10.0.0.1:4780"), ap("10.0.0.2:4780"), ap("10.0.0.3:4780")}
	local := []netip.AddrPort{ap("127.0.0.1:1"), ap("127.0.0.1:2"), ap("127.0.0.1:3")}
	lo := ad("127.0.0.1")
	for _, tt := range []struct {
		name     string
		explicit string
		listen   netip.Addr
		seeds    []netip.AddrPort
		port     int
		ifs      []netip.Addr
		route    map[netip.AddrPort]netip.Addr
		own      string // "" = refused
		self     string
		why      string
	}{
		{name: "the seed that is this machine", seeds: three, port: 4780, ifs: []netip.Addr{lo, ad("192.168.7.7"), ad("10.0.0.2")}, route: map[netip.AddrPort]netip.Addr{three[0]: ad("192.168.7.7")}, own: "10.0.0.2", self: "10.0.0.2:4780"},
		{name: "none is: the route", seeds: three, port: 4780, ifs: []netip.Addr{lo, ad("10.0.0.9")}, route: map[netip.AddrPort]netip.Addr{three[0]: ad("10.0.0.9")}, own: "10.0.0.9"},
		{name: "our address on another port is not us", seeds: three, port: 4790, ifs: []netip.Addr{ad("10.0.0.2")}, route: map[netip.AddrPort]netip.Addr{three[0]: ad("10.0.0.2")}, own: "10.0.0.2"},
		{name: "the route to a later seed", seeds: three, port: 4780, route: map[netip.AddrPort]netip.Addr{three[2]: ad("10.0.0.9")}, own: "10.0.0.9"},
		{name: "explicit", explicit: "203.0.113.5", seeds: three, port: 4780, ifs: []netip.Addr{ad("10.0.0.9")}, own: "203.0.113.5"},
		{name: "explicit and a seed, behind NAT", explicit: "10.0.0.3", seeds: three, port: 4780, ifs: []netip.Addr{ad("192.168.7.7")}, own: "10.0.0.3", self: "10.0.0.3:4780"},
		{name: "listened on", listen: ad("10.0.0.3"), seeds: three, port: 4780, own: "10.0.0.3", self: "10.0.0.3:4780"},
		{name: "listening on all", listen: ad("::"), seeds: three, port: 4780, ifs: []netip.Addr{ad("10.0.0.1")}, own: "10.0.0.1", self: "10.0.0.1:4780"},
		{name: "all on loopback", seeds: local, port: 2, ifs: []netip.Addr{lo}, own: "127.0.0.1", self: "127.0.0.1:2"},
		{name: "loopback, not a seed", seeds: local, port: 9, ifs: []netip.Addr{lo}, route: map[netip.AddrPort]netip.Addr{local[0]: lo}, own: "127.0.0.1"},
		{name: "IPv6", seeds: []netip.AddrPort{ap("[fd00::1]:4780")}, port: 4780, route: map[netip.AddrPort]netip.Addr{ap("[fd00::1]:4780"): ad("fd00::9")}, own: "fd00::9"},

		{name: "no network", seeds: three, port: 4780, ifs: []netip.Addr{lo}, why: "no way to 10.0.0.3:4780"},
		{name: "only a link-local way", seeds: three, port: 4780, route: map[netip.AddrPort]netip.Addr{three[0]: ad("169.254.3.3"), three[1]: ad("169.254.3.3"), three[2]: ad("169.254.3.3")}, why: "link-local"},
		{name: "loopback among others", explicit: "127.0.0.1", seeds: three, port: 4780, why: "cannot reach this one's loopback"},
		{name: "listening on loopback among others", listen: lo, seeds: three, port: 4780, why: "cannot reach this one's loopback"},
		{name: "explicit unspecified", explicit: "0.0.0.0", seeds: three, port: 4780, why: "every machine and none"},
		{name: "explicit name", explicit: "gw-a", seeds: three, port: 4780, why: "a name may be answered by another machine"},
		{name: "explicit zone", explicit: "fe80::1%eth0", seeds: three, port: 4780, why: "link-local"},
		{name: "explicit with a port", explicit: "10.0.0.1:4780", seeds: three, port: 4780, why: "it has a port"},
		{name: "two seeds are this machine", seeds: three, port: 4780, ifs: []netip.Addr{ad("10.0.0.1"), ad("10.0.0.2")}, why: "each entry must be another machine"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := OwnAddr{Explicit: tt.explicit, Listen: tt.listen, Seeds: tt.seeds, Port: tt.port, host: hostNet{
				addrs: func() ([]netip.Addr, error) { return tt.ifs, nil },
				route: func(to netip.AddrPort) (netip.Addr, error) {
					if a, ok := tt.route[to]; ok {
						return a, nil
					}
					return netip.Addr{}, errors.New("network is unreachable")
				},
			}}
			own, self, err := o.Find()
			if tt.own == "" {
				var p *problem.Error
				if !errors.Is(err, ErrAdvertise) || !errors.As(err, &p) || p.Code != "advertise" || !strings.Contains(p.Why, tt.why) || p.Do == "" {
					t.Errorf("err = %v, want a problem that says %q", err, tt.why)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if own.String() != tt.own || self.IsValid() != (tt.self != "") || self.IsValid() && self.String() != tt.self {
				t.Errorf("own %v, self %v; want %s, %s", own, self, tt.own, tt.self)
			}
		})
	}
}

// TestOwnAddrHere asks this machine, whose loopback is up.
func TestOwnAddrHere(t *testing.T) {
	own, self, err := OwnAddr{Seeds: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1")}, Port: 1}.Find()
	if err != nil || own != netip.MustParseAddr("127.0.0.1") || self.Port() != 1 {
		t.Errorf("own %v, self %v, err %v", own, self, err)
	}
	a, err := routeTo(netip.MustParseAddrPort("127.0.0.1:9"))
	if err != nil || !a.IsLoopback() {
		t.Errorf("route to loopback leaves from %v, %v", a, err)
	}
}
