package node

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestProxied(t *testing.T) {
	peers := []string{"https://10.0.0.10:4782", "https://10.0.0.2:4782", "https://[fd00::3]:4782", "https://10.0.0.2:4782"}
	through := func(hosts ...string) func(*http.Request) (*url.URL, error) {
		return func(r *http.Request) (*url.URL, error) {
			for _, h := range hosts {
				if r.URL.Hostname() == h {
					return url.Parse("http://user:hunter2@proxy.corp:3128")
				}
			}
			return nil, nil
		}
	}
	for _, tt := range []struct {
		name      string
		urls      []string
		proxy     func(*http.Request) (*url.URL, error)
		what, do  string
		noProblem bool
	}{
		{name: "no proxy", urls: peers, proxy: through(), noProblem: true},
		{name: "no peers", proxy: through("10.0.0.2"), noProblem: true},
		{name: "all", urls: peers, proxy: through("10.0.0.2", "10.0.0.10", "fd00::3"), what: "10.0.0.2, 10.0.0.10, fd00::3 would go through the proxy proxy.corp:3128", do: "add 10.0.0.2,10.0.0.10,fd00::3 to NO_PROXY"},
		{name: "one", urls: peers, proxy: through("fd00::3"), what: "raft to fd00::3 would", do: "add fd00::3 to NO_PROXY"},
		{name: "a setting that cannot be read", urls: peers, proxy: func(*http.Request) (*url.URL, error) { return nil, errors.New("parse http://user:hunter2@") }, what: "because of a proxy setting", do: "NO_PROXY"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, found := proxied(tt.urls, tt.proxy)
			if found == tt.noProblem || found && (p.Code != "proxy" || !strings.Contains(p.What, tt.what) || !strings.Contains(p.Do, tt.do)) {
				t.Errorf("problem %v: %+v", found, p)
			}
			if strings.Contains(p.String(), "hunter2") {
				t.Errorf("a password is shown: %v", p)
			}
		})
	}
}
