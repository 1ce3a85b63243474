package node

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// peerURLs are where the raft of others is or will be reached: by etcd's list,
// by what they attest, by the roster, and by the join list and the rule of
// ports.
func (f facts) peerURLs() []string {
	if f.driver == nil {
		return nil
	}
	var urls []string
	for _, m := range f.list {
		if m.ID != f.member.ID {
			urls = append(urls, m.PeerURLs...)
		}
	}
	self := f.driver.State.ID
	if r := f.driver.State.Pledge; r != nil {
		for _, p := range r.Founders {
			if p.ID != self {
				urls = append(urls, p.PeerURL)
			}
		}
	}
	for _, n := range f.driver.Nodes {
		urls = append(urls, n.Founder.PeerURL)
	}
	for _, s := range f.driver.Seeds {
		if s.Addr != f.own && s.Addr.Port() < 65534 {
			urls = append(urls, raftURL(netip.AddrPortFrom(s.Addr.Addr(), s.Addr.Port()+2)))
		}
	}
	return urls
}

// proxied is the problem of those peer URLs for which a proxy is set in the
// environment: etcd's transport between members obeys it and cannot be told not
// to. proxyFor is [http.ProxyFromEnvironment], which etcd asks too: it exempts
// loopback addresses, and knows the environment as it was at its first call.
func proxied(urls []string, proxyFor func(*http.Request) (*url.URL, error)) (Problem, bool) {
	var hosts []string
	var proxy string
	for _, raw := range urls {
		u, err := url.Parse(raw)
		if err != nil || u.Hostname() == "" || slices.Contains(hosts, u.Hostname()) {
			continue
		}
		p, err := proxyFor(&http.Request{URL: u})
		switch {
		case err != nil:
			return Problem{Code: "proxy", What: "raft cannot reach any other member because of a proxy setting",
				Why: "HTTPS_PROXY cannot be used, and traffic between members obeys it", Do: "correct or unset HTTPS_PROXY in this process's environment, or add " + u.Hostname() + " to NO_PROXY, and restart"}, true
		case p != nil:
			hosts, proxy = append(hosts, u.Hostname()), p.Host // never p itself, which may have a password
		}
	}
	if len(hosts) == 0 {
		return Problem{}, false
	}
	slices.SortFunc(hosts, compareHosts)
	return Problem{Code: "proxy", What: "raft to " + strings.Join(hosts, ", ") + " would go through the proxy " + proxy,
		Why: "HTTPS_PROXY is set for this process, and traffic between members obeys it", Do: "add " + strings.Join(hosts, ",") + " to NO_PROXY in its environment and restart it"}, true
}

// compareHosts orders addresses as addresses.
func compareHosts(a, b string) int {
	x, errX := netip.ParseAddr(a)
	y, errY := netip.ParseAddr(b)
	if errX != nil || errY != nil {
		return strings.Compare(a, b)
	}
	return x.Compare(y)
}

func raftURL(a netip.AddrPort) string {
	return "https://" + net.JoinHostPort(a.Addr().String(), strconv.Itoa(int(a.Port())))
}
