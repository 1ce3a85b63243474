package bootstrap_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/quorate/quorate/bootstrap"
	"github.com/quorate/quorate/internal/problem"
)

func TestParseJoin(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   []string
		want []string
	}{
		{"none", nil, []string{}},
		{"default port, order", []string{"10.0.0.3", " 10.0.0.1 ", "10.0.0.2:4790"}, []string{"10.0.0.1:4780", "10.0.0.2:4790", "10.0.0.3:4780"}},
		{"IPv6", []string{"[fd00::2]:99", "fd00::1", "[fd00::3]"}, []string{"[fd00::1]:4780", "[fd00::2]:99", "[fd00::3]:4780"}},
		{"IPv4 in IPv6", []string{"::ffff:10.0.0.1", "[::ffff:10.0.0.2]:7"}, []string{"10.0.0.1:4780", "10.0.0.2:7"}},
		{"one text for one address", []string{"fd00:0:0::01"}, []string{"[fd00::1]:4780"}},
		{"all on loopback", []string{"127.0.0.1:1", "127.0.0.1:2", "[::1]:2"}, []string{"127.0.0.1:1", "127.0.0.1:2", "[::1]:2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			seeds, err := bootstrap.ParseJoin(tt.in, bootstrap.BasePort)
			if err != nil {
				t.Fatal(err)
			}
			if got := bootstrap.SeedTexts(seeds); !slices.Equal(got, tt.want) {
				t.Errorf("seeds = %q, want %q", got, tt.want)
			}
		})
	}
}

// TestParseJoinRefuses asks of each refusal what a person needs.
func TestParseJoinRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   []string
		why  string // part of Why
		do   string // part of Do
	}{
		{"empty", []string{""}, "it is empty", "write an IP address"},
		{"name", []string{"node-a"}, "a seed must be one machine", "write an IP address"},
		{"name with port", []string{"db.example.com:4780"}, "a seed must be one machine", "write an IP address"},
		{"hexadecimal name", []string{"cafe"}, "not an IP address", "write an IP address"},
		{"number", []string{"10.0.0"}, "not an IP address", "write an IP address"},
		{"port 0", []string{"10.0.0.1:0"}, "1 to 65535", "gossip port of that machine"},
		{"port too high", []string{"10.0.0.1:65536"}, "not a number from 1 to 65535", "write an IP address"},
		{"port of letters", []string{"10.0.0.1:x"}, "not a number", "write an IP address"},
		{"brackets", []string{"[fd00::1"}, "brackets", "[fd00::1]:4780"},
		{"IPv6 with a port but no brackets", []string{"fd00::1:4780"}, "needs brackets", "[fd00::1]:4780"},
		{"zone", []string{"fe80::1%eth0"}, "its zone nothing on another host", "static, DHCP or unique local"},
		{"zone and port", []string{"[fe80::1%eth0]:4780"}, "its zone nothing on another host", "static, DHCP or unique local"},
		{"link-local", []string{"169.254.1.1"}, "one link only", "static, DHCP or unique local"},
		{"unspecified", []string{"0.0.0.0"}, "every machine and none", "ip -brief address"},
		{"unspecified IPv6", []string{"[::]:4780"}, "every machine and none", "ip -brief address"},
		{"multicast", []string{"224.0.0.1"}, "many machines", "ip -brief address"},
		{"broadcast", []string{"255.255.255.255"}, "many machines", "ip -brief address"},
		{"twice", []string{"10.0.0.1", "10.0.0.2", "10.0.0.1:4780"}, "counted wrong", "remove one of the two"},
		{"twice in two notations", []string{"10.0.0.1", "::ffff:10.0.0.1"}, "counted wrong", "remove one of the two"},
		{"loopback beside others", []string{"127.0.0.1", "10.0.0.2"}, "another machine for each", "ip -brief address"},
		{"loopback IPv6 beside others", []string{"10.0.0.2", "[::1]:4780"}, "another machine for each", "ip -brief address"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			seeds, err := bootstrap.ParseJoin(tt.in, bootstrap.BasePort)
			wantProblem(t, err, bootstrap.ErrJoin, "join", tt.why, tt.do)
			if seeds != nil {
				t.Errorf("seeds = %v beside the error", seeds)
			}
		})
	}
}

// wantProblem checks what a refusal says.
func wantProblem(t *testing.T, err, sentinel error, code, why, do string) {
	t.Helper()
	var p *problem.Error
	if !errors.Is(err, sentinel) || !errors.As(err, &p) {
		t.Fatalf("err = %v, want a problem that is %v", err, sentinel)
	}
	if p.Code != code || !strings.Contains(p.Why, why) || !strings.Contains(p.Do, do) {
		t.Errorf("problem = %+v, want code %q, why with %q, do with %q", p.Problem, code, why, do)
	}
}

func FuzzParseJoin(f *testing.F) {
	for _, s := range []string{"10.0.0.1", "[fd00::1]:4780", "fd00::1:4780", "fe80::1%eth0", "a:b", "[", "]:", "::", ":1", "1.2.3.4:5:6"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		seeds, err := bootstrap.ParseJoin([]string{s}, bootstrap.BasePort)
		if err != nil {
			if !errors.Is(err, bootstrap.ErrJoin) {
				t.Errorf("untyped error %v", err)
			}
			return
		}
		again, err := bootstrap.ParseJoin(bootstrap.SeedTexts(seeds), 1)
		if err != nil || !slices.Equal(again, seeds) {
			t.Errorf("%q is %v, which reads back as %v, %v", s, seeds, again, err)
		}
	})
}
