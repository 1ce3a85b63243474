package node

import (
	"fmt"
	"net/netip"

	"github.com/quorate/quorate/bootstrap"
	"github.com/quorate/quorate/internal/pki"
)

// checkKind refuses what does not go together in a single node, and in one of
// several.
func (c *Config) checkKind() error {
	if len(c.Join) == 0 {
		return c.checkSingle()
	}
	if c.Voters == 0 {
		c.Voters = len(c.Join)
	}
	switch {
	case c.Cluster == "":
		return refuse("Join is set without Cluster", "the name keeps clusters on one network apart", "set Cluster, to the same name on all nodes")
	case c.Secret.read == nil:
		return refuse("Join is set without Secret", "nodes trust each other by it", "make one with peer secret new, and set Secret on all nodes")
	case c.DataDir == "":
		return refuse("Join is set without DataDir", "a node of a cluster must remember what it pledged", "set DataDir, such as /var/lib/peer")
	case c.Voters < 1 || c.Voters > bootstrap.MaxVoters:
		return refuse(fmt.Sprintf("Voters is %d", c.Voters), fmt.Sprintf("every write waits for a majority of them, so there are 1 to %d", bootstrap.MaxVoters), "set Voters to 3, or 5 to survive two failures")
	case c.BasePort != 0 && c.Ports != nil:
		return refuse("BasePort is set together with Ports", "they say the same thing twice", "drop one of the two")
	case c.BasePort < 0 || c.BasePort > 65532:
		return refuse(fmt.Sprintf("BasePort is %d", c.BasePort), "the two ports after it must exist too", "set it to 1 to 65532, or leave it zero for 4780")
	}
	if err := pki.CheckCluster(c.Cluster); err != nil {
		return err
	}
	if c.Listen != "" {
		if _, err := netip.ParseAddr(c.Listen); err != nil {
			return refuse(fmt.Sprintf("Listen is %q", c.Listen), err.Error(), "set Listen to an IP address of this machine, or leave it empty")
		}
	}
	_, err := bootstrap.ParseJoin(c.Join, c.ports().Gossip)
	return err
}

func (c *Config) checkSingle() error {
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"Cluster", c.Cluster != ""}, {"Secret", c.Secret.read != nil}, {"Voters", c.Voters != 0},
		{"Listen", c.Listen != ""}, {"Advertise", c.Advertise != ""}, {"BasePort", c.BasePort != 0}, {"Ports", c.Ports != nil},
	} {
		if f.set {
			return refuse(f.name+" is set without Join", "a node without Join is alone, and three of them would be three islands", "set Join to the addresses of all nodes, or drop "+f.name)
		}
	}
	return nil
}

// ports are the ports that are asked for; 0 is a free one.
func (c *Config) ports() bootstrap.Ports {
	if c.Ports != nil {
		return bootstrap.Ports{Gossip: c.Ports.Gossip, RPC: c.Ports.RPC, Raft: c.Ports.Raft}
	}
	base := c.BasePort
	if base == 0 {
		base = bootstrap.BasePort
	}
	return bootstrap.PortsFrom(base)
}
