package node_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/node"
)

// away is a node of three whose other machines are nowhere: addresses that
// documentation keeps for itself, at which nobody answers.
func away(t *testing.T, env ...string) processConfig {
	t.Helper()
	c, _ := written(t, machines(t, 1)[0])
	c.Join = nil
	for i := range 3 {
		c.Join = append(c.Join, fmt.Sprintf("192.0.2.%d:%d", i+1, c.BasePort))
	}
	c.Advertise, c.Env = "192.0.2.1", env
	return c
}

// The first node of three is switched on alone. It starts at once and says whom
// it waits for.
func TestStartWithTwoBoxesOff(t *testing.T) {
	t.Parallel()
	c := away(t)
	began := time.Now()
	r, stop := startProcess(t, c)
	if took := time.Since(began); took > time.Second {
		t.Errorf("Start took %v", took)
	}
	remotely(t, "both are named", r, func(s node.Status) bool {
		var text string
		for _, p := range s.Problems {
			text += p.String()
		}
		return s.Phase == node.Waiting && strings.Contains(text, c.Join[1]) && strings.Contains(text, c.Join[2])
	})
	t.Logf("Status named both after %v", time.Since(began))
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// A proxy in the environment would catch the traffic between members.
func TestProxyInTheEnvironment(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		no   string
		want []string
	}{
		{"", []string{"add 192.0.2.2,192.0.2.3 to NO_PROXY", "proxy.corp:3128"}},
		{"192.0.2.2", []string{"raft to 192.0.2.3 would go", "add 192.0.2.3 to NO_PROXY"}},
		{"192.0.2.0/24", nil},
	} {
		t.Run(tt.no, func(t *testing.T) {
			t.Parallel()
			r, _ := startProcess(t, away(t, "HTTPS_PROXY=http://user:hunter2@proxy.corp:3128", "NO_PROXY="+tt.no))
			remotely(t, "it says what it thinks of the proxy", r, func(s node.Status) bool {
				i := slices.IndexFunc(s.Problems, func(p node.Problem) bool { return p.Code == "proxy" })
				if i < 0 {
					return tt.want == nil && len(s.Problems) > 0
				}
				for _, w := range tt.want {
					if !strings.Contains(s.Problems[i].String()+s.Problems[i].Do, w) {
						return false
					}
				}
				return tt.want != nil && !strings.Contains(s.Problems[i].String(), "hunter2")
			})
		})
	}
}
