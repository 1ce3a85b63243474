package bootstrap

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/quorate/quorate/internal/problem"
)

// BasePort is the gossip port where none is set; the cluster RPC, raft and, if
// it is enabled, the client port follow it.
const BasePort = 4780

var (
	// ErrJoin is wrapped by the errors about a join list that cannot be used.
	ErrJoin = errors.New("bootstrap: unusable join list")
	// ErrAdvertise is wrapped by the errors about this node's own address: it
	// cannot be used, or none can be found.
	ErrAdvertise = errors.New("bootstrap: unusable own address")
)

// ParseJoin reads a join list: the gossip addresses of the machines that may
// form the cluster, as "10.0.0.1", "10.0.0.1:4780", "fd00::1" or
// "[fd00::1]:4780"; port is used where an entry has none. It returns the seeds
// in canonical form, sorted, so that lists which mean the same are the same.
//
// Only addresses count: what a host name or a virtual address stands for may
// change from one look to the next, and the rules that keep two clusters from
// being formed need each seed to be one machine. Refused with [ErrJoin] and the
// remedy are names, unspecified, multicast and link-local addresses, zones, one
// machine named twice, and loopback addresses beside others, since another
// machine's loopback is never this one.
func ParseJoin(list []string, port int) ([]netip.AddrPort, error) {
	seeds := make([]netip.AddrPort, 0, len(list))
	for _, text := range list {
		s, err := parseSeed(strings.TrimSpace(text), port)
		if err != nil {
			return nil, err
		}
		seeds = append(seeds, s)
	}
	slices.SortFunc(seeds, netip.AddrPort.Compare)
	for i, s := range seeds {
		if i > 0 && s == seeds[i-1] {
			return nil, joinError(fmt.Sprintf("the join list names %s twice", s), "each entry must be another machine, or the voters would be counted wrong", "remove one of the two, or correct it to the machine that was meant")
		}
	}
	local := slices.IndexFunc(seeds, func(s netip.AddrPort) bool { return s.Addr().IsLoopback() })
	remote := slices.IndexFunc(seeds, func(s netip.AddrPort) bool { return !s.Addr().IsLoopback() })
	if local >= 0 && remote >= 0 {
		return nil, joinError(fmt.Sprintf("the join list has the loopback address %s beside %s", seeds[local], seeds[remote]), "a loopback address is another machine for each that reads it", "write the address under which the other machines reach that one (ip -brief address)")
	}
	return seeds, nil
}

// SeedTexts is the canonical form of seeds as text, as [HashSeeds] wants it.
func SeedTexts(seeds []netip.AddrPort) []string {
	texts := make([]string, len(seeds))
	for i, s := range seeds {
		texts[i] = s.String()
	}
	return texts
}

func parseSeed(text string, port int) (netip.AddrPort, error) {
	a, p, err := splitAddr(text)
	if err != nil {
		return netip.AddrPort{}, joinError(fmt.Sprintf("the join address %q cannot be used", text), err.Error(), "write an IP address with or without a port, such as 10.0.0.1, 10.0.0.1:4780 or [fd00::1]:4780")
	}
	if p < 0 {
		p = port
	}
	if p < 1 || p > 65535 {
		return netip.AddrPort{}, joinError(fmt.Sprintf("the join address %q has no usable port", text), "a port that others are to reach is 1 to 65535", "write the gossip port of that machine, by default "+strconv.Itoa(BasePort))
	}
	if why, do := unusable(a); why != "" {
		return netip.AddrPort{}, joinError(fmt.Sprintf("the join address %q cannot be used", text), why, do)
	}
	return netip.AddrPortFrom(a, uint16(p)), nil
}

// splitAddr reads an address with or without a port; the port is -1 if there is
// none.
func splitAddr(text string) (netip.Addr, int, error) {
	if text == "" {
		return netip.Addr{}, 0, errors.New("it is empty")
	}
	host, port := text, -1
	switch rest, bracket := strings.CutPrefix(text, "["); {
	case bracket:
		h, after, ok := strings.Cut(rest, "]")
		if !ok || after != "" && after[0] != ':' {
			return netip.Addr{}, 0, errors.New("its brackets do not match")
		}
		host = h
		if after != "" {
			p, err := parsePort(after[1:])
			if err != nil {
				return netip.Addr{}, 0, err
			}
			port = p
		}
	case strings.Count(text, ":") == 1:
		h, after, _ := strings.Cut(text, ":")
		p, err := parsePort(after)
		if err != nil {
			return netip.Addr{}, 0, err
		}
		host, port = h, p
	case strings.HasSuffix(text, ":"+strconv.Itoa(BasePort)):
		// fd00::1:4780 is a whole address of its own, and hardly ever meant.
		return netip.Addr{}, 0, errors.New("it can be read with and without a port; an IPv6 address needs brackets before a port")
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		if strings.ContainsFunc(host, func(r rune) bool { return r >= 'g' && r <= 'z' || r >= 'G' && r <= 'Z' || r == '-' || r == '_' }) && !strings.Contains(host, ":") {
			return netip.Addr{}, 0, errors.New("a name may be answered by another machine tomorrow, and a seed must be one machine")
		}
		return netip.Addr{}, 0, errors.New("it is not an IP address")
	}
	return a.Unmap(), port, nil
}

func parsePort(text string) (int, error) {
	p, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("its port %q is not a number from 1 to 65535", text)
	}
	return int(p), nil
}

// unusable says why others cannot reach a machine by that address, and what to
// do; why is empty if they can.
func unusable(a netip.Addr) (why, do string) {
	const look = "write the address under which the other machines reach this one (ip -brief address)"
	switch {
	case a.Zone() != "" || a.IsLinkLocalUnicast():
		return "a link-local address means something on one link only, and its zone nothing on another host", "give the machine a static, DHCP or unique local (fd00::/8) address and write that"
	case a.IsUnspecified():
		return "the unspecified address is every machine and none", look
	case a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "it is the address of many machines", look
	}
	return "", ""
}

func joinError(what, why, do string) error {
	return &problem.Error{Problem: problem.Problem{Code: "join", What: what, Why: why, Do: do}, Err: ErrJoin}
}
