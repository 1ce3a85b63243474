package bootstrap_test

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/quorate/quorate/bootstrap"
)

var loopback = netip.MustParseAddr("127.0.0.1")

func bind(t *testing.T) *bootstrap.Sockets {
	t.Helper()
	s, err := bootstrap.Bind(loopback, bootstrap.Ports{}, bootstrap.Ports{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestBindChoosesOnce(t *testing.T) {
	s := bind(t)
	p := s.Ports
	if p.Gossip == 0 || p.RPC == 0 || p.Raft == 0 || p.Gossip == p.RPC || p.RPC == p.Raft {
		t.Fatalf("ports = %+v", p)
	}
	if p.Gossip >= 32768 {
		t.Errorf("the gossip port %d is one that outgoing connections take", p.Gossip)
	}
	if tcp, udp := s.TCP.Addr().(*net.TCPAddr).Port, s.UDP.LocalAddr().(*net.UDPAddr).Port; tcp != p.Gossip || udp != p.Gossip {
		t.Errorf("gossip listens on tcp %d and udp %d, said %d", tcp, udp, p.Gossip)
	}
	s.Close()
	again, err := bootstrap.Bind(loopback, bootstrap.Ports{}, p)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if again.Ports != p {
		t.Errorf("ports = %+v, kept were %+v", again.Ports, p)
	}
}

func TestBindRefuses(t *testing.T) {
	s := bind(t)
	free := bind(t).Ports
	for _, tt := range []struct {
		name          string
		listen        netip.Addr
		want          bootstrap.Ports
		code, why, do string
	}{
		{"gossip in use", loopback, bootstrap.Ports{Gossip: s.Ports.Gossip}, "port-in-use", "address already in use", "ss -lntup"},
		{"RPC in use", loopback, bootstrap.Ports{RPC: s.Ports.RPC}, "port-in-use", "address already in use", "ss -lntup"},
		{"raft in use", loopback, bootstrap.Ports{Raft: s.Ports.RPC}, "port-in-use", "address already in use", "ss -lntup"},
		{"UDP in use", loopback, bootstrap.Ports{Gossip: udpOnly(t)}, "port-in-use", "address already in use", "ss -lntup"},
		{"somebody on all addresses", netip.Addr{}, bootstrap.Ports{Gossip: s.Ports.Gossip}, "port-in-use", "address already in use", "ss -lntup"},
		{"two the same", loopback, bootstrap.Ports{Gossip: free.Gossip, RPC: free.Gossip}, "port", "one of its own", "base_port"},
		{"negative", loopback, bootstrap.Ports{Gossip: -1}, "port", "1 to 65535", "base_port"},
		{"a base too high", loopback, bootstrap.PortsFrom(65534), "port", "1 to 65535", "base_port"},
		{"another machine's address", netip.MustParseAddr("192.0.2.1"), bootstrap.Ports{}, "listen", "cannot assign", "ip -brief address"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := bootstrap.Bind(tt.listen, tt.want, bootstrap.Ports{})
			if err == nil {
				got.Close()
			}
			wantProblem(t, err, bootstrap.ErrPort, tt.code, tt.why, tt.do)
		})
	}
}

// TestBindLeavesNothing shows that a refusal at the last port closes the first.
func TestBindLeavesNothing(t *testing.T) {
	s, free := bind(t), bind(t)
	want := bootstrap.Ports{Gossip: free.Ports.Gossip, RPC: free.Ports.RPC, Raft: s.Ports.RPC}
	free.Close()
	if _, err := bootstrap.Bind(loopback, want, bootstrap.Ports{}); !errors.Is(err, bootstrap.ErrPort) {
		t.Fatalf("err = %v", err)
	}
	want.Raft = 0
	got, err := bootstrap.Bind(loopback, want, bootstrap.Ports{})
	if err != nil {
		t.Fatalf("the refused Bind left a port open: %v", err)
	}
	got.Close()
}

func udpOnly(t *testing.T) int {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.LocalAddr().(*net.UDPAddr).Port
}
