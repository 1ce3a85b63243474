package node_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/quorate/quorate/bootstrap"
	"github.com/quorate/quorate/node"
)

// What Start refuses of a node that is to be one of several.
func TestStartRefusesInACluster(t *testing.T) {
	whole := func(t *testing.T) node.Config { return machines(t, 3)[0] }
	but := func(change func(c *node.Config)) func(*testing.T, string) node.Config {
		return func(t *testing.T, _ string) node.Config {
			c := whole(t)
			change(&c)
			return c
		}
	}
	single := func(c node.Config) func(*testing.T, string) node.Config {
		return func(*testing.T, string) node.Config { return c }
	}
	for _, tt := range []refusal{
		{name: "Cluster without Join", cfg: single(node.Config{Cluster: "acme"}), want: node.ErrConfig, say: "Cluster is set without Join", do: "set Join"},
		{name: "Secret without Join", cfg: single(node.Config{Secret: node.SecretText("x")}), want: node.ErrConfig, say: "three islands", do: "drop Secret"},
		{name: "Voters without Join", cfg: single(node.Config{Voters: 3}), want: node.ErrConfig, say: "Voters is set without Join", do: "drop Voters"},
		{name: "Listen without Join", cfg: single(node.Config{Listen: "10.0.0.1"}), want: node.ErrConfig, say: "Listen is set without", do: "set Join"},
		{name: "Advertise without Join", cfg: single(node.Config{Advertise: "10.0.0.1"}), want: node.ErrConfig, say: "Advertise is set without", do: "set Join"},
		{name: "BasePort without Join", cfg: single(node.Config{BasePort: 4780}), want: node.ErrConfig, say: "BasePort is set without", do: "set Join"},
		{name: "Ports without Join", cfg: single(node.Config{Ports: &node.Ports{}}), want: node.ErrConfig, say: "Ports is set without", do: "set Join"},
		{name: "Join without Cluster", cfg: but(func(c *node.Config) { c.Cluster = "" }), want: node.ErrConfig, say: "Join is set without Cluster", do: "same name on all nodes"},
		{name: "Join without Secret", cfg: but(func(c *node.Config) { c.Secret = node.Secret{} }), want: node.ErrConfig, say: "trust each other", do: "peer secret new"},
		{name: "Join without DataDir", cfg: but(func(c *node.Config) { c.DataDir = "" }), want: node.ErrConfig, say: "remember what it pledged", do: "set DataDir"},
		{name: "eight voters", cfg: but(func(c *node.Config) { c.Voters = 8 }), want: node.ErrConfig, say: "Voters is 8", do: "3, or 5"},
		{name: "minus one voters", cfg: but(func(c *node.Config) { c.Voters = -1 }), want: node.ErrConfig, say: "1 to 7", do: "3, or 5"},
		{name: "a cluster name with a dot", cfg: but(func(c *node.Config) { c.Cluster = "acme.example" }), say: "acme.example", do: "on every machine"},
		{name: "a cluster name in capitals", cfg: but(func(c *node.Config) { c.Cluster = "ACME" }), say: "ACME", do: "on every machine"},
		{name: "BasePort and Ports", cfg: but(func(c *node.Config) { c.Ports = &node.Ports{} }), want: node.ErrConfig, say: "same thing twice", do: "drop one"},
		{name: "BasePort too high", cfg: but(func(c *node.Config) { c.BasePort = 65534 }), want: node.ErrConfig, say: "two ports after it", do: "65532"},
		{name: "ports that collide", cfg: but(func(c *node.Config) {
			c.Ports, c.BasePort = &node.Ports{Gossip: c.BasePort, RPC: c.BasePort}, 0
		}), want: bootstrap.ErrPort, say: "port are both", do: "ports"},
		{name: "Listen is a name", cfg: but(func(c *node.Config) { c.Listen = "eth0" }), want: node.ErrConfig, say: `Listen is "eth0"`, do: "an IP address"},
		{name: "Listen is another machine's", cfg: but(func(c *node.Config) { c.Listen = "192.0.2.1" }), want: bootstrap.ErrPort, say: "cannot be opened", do: "address of this machine"},
		{name: "Advertise is link-local", cfg: but(func(c *node.Config) { c.Advertise = "fe80::1%eth0" }), want: bootstrap.ErrAdvertise, say: "link-local", do: "static, DHCP or unique local"},
		{name: "Advertise has a port", cfg: but(func(c *node.Config) { c.Advertise = "10.0.0.1:1" }), want: bootstrap.ErrAdvertise, say: "it has a port", do: "an IP address of this machine"},
		{name: "Join has a name", cfg: but(func(c *node.Config) { c.Join[2] = "box3.example" }), want: bootstrap.ErrJoin, say: "another machine tomorrow", do: "write an IP address"},
		{name: "Join is link-local", cfg: but(func(c *node.Config) { c.Join = []string{"fe80::1", "fe80::2", "fe80::3"} }), want: bootstrap.ErrJoin, say: "one link only", do: "unique local"},
		{name: "Join has loopback beside others", cfg: but(func(c *node.Config) { c.Join[0] = "10.0.0.1" }), want: bootstrap.ErrJoin, say: "beside 10.0.0.1", do: "ip -brief address"},
		{name: "Join has one machine twice", cfg: but(func(c *node.Config) { c.Join[1] = c.Join[0] }), want: bootstrap.ErrJoin, say: "twice", do: "remove one"},
		{name: "a typed secret", cfg: but(func(c *node.Config) { c.Secret = node.SecretText("hunter2") }), say: "secret", do: "peer secret new"},
		{name: "a secret file open to others", cfg: func(t *testing.T, dir string) node.Config {
			c := whole(t)
			file := filepath.Join(dir, "secret")
			if err := os.WriteFile(file, []byte(node.NewSecret()), 0o644); err != nil {
				t.Fatal(err)
			}
			c.Secret = node.SecretFile(file)
			return c
		}, say: "0644", do: "chmod 0600"},
		{name: "no secret file", cfg: but(func(c *node.Config) { c.Secret = node.SecretFile("/nowhere/secret") }), say: "/nowhere/secret", do: ""},
		{name: "gossip port in use", cfg: inUse("tcp", 0), want: bootstrap.ErrPort, say: "gossip port", do: "ss -lntup"},
		{name: "gossip's UDP port in use", cfg: inUse("udp", 0), want: bootstrap.ErrPort, say: "gossip port", do: "ss -lntup"},
		{name: "cluster RPC port in use", cfg: inUse("tcp", 1), want: bootstrap.ErrPort, say: "cluster RPC port", do: "ss -lntup"},
		{name: "raft port in use", cfg: inUse("tcp", 2), want: bootstrap.ErrPort, say: "raft port", do: "ss -lntup"},
		{name: "data of another cluster", cfg: func(t *testing.T, _ string) node.Config {
			c := formed(t)
			c.Cluster = "other"
			return c
		}, want: node.ErrDataDir, say: "is of cluster test", do: "set Cluster to test"},
		{name: "data of a cluster without Join", cfg: func(t *testing.T, _ string) node.Config {
			return node.Config{DataDir: formed(t).DataDir}
		}, want: node.ErrDataDir, say: "of a node of cluster test", do: "as they were"},
		{name: "data of a single node with Join", cfg: func(t *testing.T, _ string) node.Config {
			c := whole(t)
			n := start(t, node.Config{DataDir: c.DataDir})
			if err := n.Close(); err != nil {
				t.Fatal(err)
			}
			return c
		}, want: node.ErrDataDir, say: "of a single node", do: "drop Cluster, Join and Secret"},
	} {
		t.Run(tt.name, tt.run)
	}
}

// inUse occupies one of a node's ports.
func inUse(network string, offset int) func(*testing.T, string) node.Config {
	return func(t *testing.T, _ string) node.Config {
		t.Helper()
		c := machines(t, 3)[0]
		addr := fmt.Sprintf("127.0.0.1:%d", c.BasePort+offset)
		var taken interface{ Close() error }
		var err error
		if network == "udp" {
			taken, err = net.ListenPacket(network, addr)
		} else {
			taken, err = net.Listen(network, addr)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { taken.Close() })
		return c
	}
}

// formed is the configuration of a node, closed again, that has formed the
// cluster "test".
func formed(t *testing.T) node.Config {
	t.Helper()
	c := machines(t, 1)[0]
	n := start(t, c)
	if err := n.Ready(within(t, 20*time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	return c
}
