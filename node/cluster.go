package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/quorate/quorate/bootstrap"
	"github.com/quorate/quorate/embed"
)

// fellows is what a node of a cluster has beside its member: gossip, the cluster
// RPC, and the driver that brings it into the cluster.
type fellows struct {
	own     bootstrap.Founder
	sockets *bootstrap.Sockets
	gossip  *bootstrap.Gossip
	asker   *bootstrap.Asker
	rpc     *bootstrap.RPC
	driver  *bootstrap.Driver
}

// startCluster opens the node's ports and starts what brings it into a cluster.
// A node with data starts its member before anybody is asked, and that start is
// waited for: what is wrong with it must be mended here.
func (n *Node) startCluster(ctx context.Context) error {
	seeds, err := bootstrap.ParseJoin(n.cfg.Join, n.cfg.ports().Gossip)
	if err != nil {
		return err
	}
	f := &fellows{}
	n.fellows = f
	listen := listenAddr(n.cfg.Listen, seeds)
	if f.sockets, err = bootstrap.Bind(listen, n.cfg.ports(), n.state.Ports); err != nil {
		return err
	}
	own, err := n.ownAddresses(listen, seeds, f.sockets.Ports)
	if err != nil {
		return err
	}
	f.own = own.Advertise
	if err := n.keepPorts(f.sockets.Ports); err != nil {
		return err
	}
	server, client, err := n.identity.load().tlsConfigs()
	if err != nil {
		return err
	}
	raft := netip.AddrPortFrom(listen, uint16(f.sockets.Ports.Raft))
	if n.hook.Raft != nil {
		if raft, err = n.hook.Raft(raft, server, client); err != nil {
			return err
		}
	}
	n.listenURL = raftURL(raft)
	boot := bootstrap.NewBoot()
	f.gossip, err = bootstrap.StartGossip(bootstrap.GossipConfig{
		Cluster: n.cfg.Cluster, Key: n.gossipKey[:], TCP: f.sockets.TCP, UDP: f.sockets.UDP, Seeds: seeds, Logger: n.log, Gate: n.hook.Gate,
		Self: bootstrap.Peer{ID: n.state.ID, Name: n.cfg.Name, Boot: boot, Phase: "waiting", Version: own.Version,
			Gossip: own.Advertise.Gossip, RPC: own.Advertise.RPC, Raft: netip.AddrPortFrom(own.Advertise.Gossip.Addr(), uint16(f.sockets.Ports.Raft))},
	})
	if err != nil {
		return err
	}
	f.asker = bootstrap.NewAsker(bootstrap.AskConfig{TLS: client, Cluster: n.cfg.Cluster, Gate: n.hook.Gate})
	hadData := n.state.Started || n.state.Member
	f.driver, err = bootstrap.StartDriver(bootstrap.DriverConfig{
		State: n.state, Boot: boot, Save: func(s bootstrap.State) error { return bootstrap.SaveState(n.dir, s) },
		Own: own, Seeds: seeds, Member: n.host, Ask: f.asker.Ask, Gossip: f.gossip, Logger: n.log,
		Notify: n.tellStep,
	})
	if err != nil {
		return err
	}
	f.rpc, err = bootstrap.ServeRPC(bootstrap.RPCConfig{
		Listener: f.sockets.RPC, TLS: server, Cluster: n.cfg.Cluster, Answer: f.driver.Answer, Asked: f.driver.Asked, Logger: n.log, Gate: n.hook.Gate,
	})
	if err != nil {
		return err
	}
	if hadData {
		return n.awaitFirstStart(ctx)
	}
	return nil
}

// tellStep tells of a step into the cluster. "started" is the node's own word,
// for the end of Start.
func (n *Node) tellStep(e bootstrap.DriverEvent) {
	if e.Type == "started" {
		e.Type = "member_started"
	}
	n.events.add(Event{Type: e.Type, Text: e.Text})
}

// awaitFirstStart waits until the driver has tried to start the member, or has
// decided otherwise. A member that dies in its start may do so because its disk
// is an old copy, which the others know; see awaitVerdict.
func (n *Node) awaitFirstStart(ctx context.Context) error {
	tried := n.host.tried
	var failed error
	var verdict <-chan time.Time
	for {
		changed := n.fellows.driver.Changed()
		switch k := n.fellows.driver.Status().Plan; k {
		case "", bootstrap.Restart, bootstrap.Start, bootstrap.Settle:
		default:
			return nil // told by Status
		}
		select {
		case <-tried:
			if failed = n.host.first; !errors.Is(failed, embed.ErrDamaged) {
				return failed
			}
			tried = nil
			t := time.NewTimer(verdictWait)
			defer t.Stop()
			verdict = t.C
		case <-verdict:
			return failed
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("start member: %w", context.Cause(ctx))
		}
	}
}

// ownAddresses is this node's record for rosters and answers.
func (n *Node) ownAddresses(listen netip.Addr, seeds []netip.AddrPort, p bootstrap.Ports) (bootstrap.Own, error) {
	addr, _, err := bootstrap.OwnAddr{Explicit: n.cfg.Advertise, Listen: listen, Seeds: seeds, Port: p.Gossip}.Find()
	if err != nil {
		return bootstrap.Own{}, err
	}
	return bootstrap.Own{
		Cluster: n.cfg.Cluster, Voters: n.cfg.Voters, Join: bootstrap.SeedTexts(seeds), Name: n.cfg.Name, Version: buildVersion(),
		Advertise: bootstrap.Founder{
			ID: n.state.ID, Gossip: netip.AddrPortFrom(addr, uint16(p.Gossip)), RPC: netip.AddrPortFrom(addr, uint16(p.RPC)),
			PeerURL: raftURL(netip.AddrPortFrom(addr, uint16(p.Raft))),
		},
	}, nil
}

func (n *Node) keepPorts(p bootstrap.Ports) error {
	if n.state.Ports == p {
		return nil
	}
	n.state.Ports = p
	return n.saveState()
}

// quit leaves the others in order: gossip says goodbye, so that nobody need
// find out. It changes no membership.
func (f *fellows) quit() error {
	var err error
	if f.gossip != nil {
		err = f.gossip.Close()
	} else if f.sockets != nil {
		f.sockets.TCP.Close()
		f.sockets.UDP.Close()
	}
	if f.rpc != nil {
		f.rpc.Close()
	} else if f.sockets != nil {
		f.sockets.RPC.Close()
	}
	if f.asker != nil {
		f.asker.Close()
	}
	return err
}

// listenAddr is where the ports are opened: as configured, else on all
// addresses, or on loopback where all of the cluster is.
func listenAddr(configured string, seeds []netip.AddrPort) netip.Addr {
	if a, err := netip.ParseAddr(configured); err == nil {
		return a.Unmap()
	}
	if a := seeds[0].Addr(); a.IsLoopback() {
		return a
	}
	if l, err := net.Listen("tcp6", "[::]:0"); err == nil {
		l.Close()
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified() // a machine without IPv6
}

// buildVersion is the version of the program that this is linked into.
var buildVersion = sync.OnceValue(func() string {
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" {
		return b.Main.Version
	}
	return "devel"
})

// tlsConfigs are the two sides of the cluster RPC. The leaf files are read at
// each handshake, so that a renewal needs no restart.
func (c *certificates) tlsConfigs() (server, client *tls.Config, err error) {
	pem, err := os.ReadFile(c.files.CAFile)
	if err != nil {
		return nil, nil, fmt.Errorf("read CA: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, nil, fmt.Errorf("read CA: %s has no certificate", c.files.CAFile)
	}
	load := func(cert, key string) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(cert, key)
		return &pair, err
	}
	allowed := func(cs tls.ConnectionState) error {
		if len(c.files.AllowedCNs) == 0 {
			return nil
		}
		for _, cn := range c.files.AllowedCNs {
			if cs.PeerCertificates[0].Subject.CommonName == cn {
				return nil
			}
		}
		return &tls.CertificateVerificationError{UnverifiedCertificates: cs.PeerCertificates,
			Err: fmt.Errorf("its common name %q, which is its role, is not among the allowed %q", cs.PeerCertificates[0].Subject.CommonName, c.files.AllowedCNs)}
	}
	server = &tls.Config{
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, VerifyConnection: allowed,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return load(c.files.CertFile, c.files.KeyFile) },
	}
	clientCert, clientKey := c.files.ClientCertFile, c.files.ClientKeyFile
	if clientCert == "" {
		clientCert, clientKey = c.files.CertFile, c.files.KeyFile
	}
	client = &tls.Config{
		RootCAs: pool, ServerName: c.files.ServerName, VerifyConnection: allowed,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return load(clientCert, clientKey) },
	}
	return server, client, nil
}
