package bootstrap

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
)

const (
	peersMax     = 512 // remembered at a time, dead ones included
	conflictsMax = 16
	leaveWait    = 500 * time.Millisecond // for the goodbye to go out
	announceWait = time.Second            // for a change of our meta to go out, before the next may
)

// GossipConfig is what [StartGossip] needs. All but Seeds, Logger and Gate is
// demanded.
type GossipConfig struct {
	Cluster string
	Key     []byte // 32 bytes: AES-256
	Self    Peer   // ID, Name, Boot, Phase, Version and the addresses of this node
	TCP     net.Listener
	UDP     *net.UDPConn // of [Bind]; both are closed with the Gossip, also when it does not start
	Seeds   []netip.AddrPort
	Logger  *slog.Logger // discards if nil
	Gate    *Gate        // for tests

	tune   func(*memberlist.Config) // by tests that have no minutes
	period time.Duration            // of re-joining; joinPeriod if it is 0
}

// A Conflict is one node ID seen alive at two addresses: a copied disk, or a
// node whose address changed a moment ago.
type Conflict struct {
	ID          string
	Have, Other netip.AddrPort
	Seen        time.Time
}

// Gossip is this node among the others that hold the cluster's gossip key. It
// shows who is there and under which address they can be asked, keeps trying to
// reach the seeds and those it lost, and decides nothing. Its methods may be
// called from any goroutine.
type Gossip struct {
	cfg       GossipConfig
	log       *slog.Logger
	transport *transport
	list      *memberlist.Memberlist
	meta      atomic.Pointer[[]byte]
	strangers atomic.Int64
	joiner    joiner

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	dirty  chan struct{} // our meta has changed
	close  func() error

	mu        sync.Mutex
	self      Peer
	peers     map[string]Peer
	conflicts []Conflict
	changed   chan struct{}
}

// StartGossip starts to gossip on the sockets it is handed, and to join the
// seeds; it waits for nobody.
func StartGossip(cfg GossipConfig) (_ *Gossip, err error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.period == 0 {
		cfg.period = joinPeriod
	}
	if err := cfg.check(); err != nil {
		cfg.TCP.Close()
		cfg.UDP.Close()
		return nil, fmt.Errorf("start gossip: %w", err)
	}
	g := &Gossip{cfg: cfg, log: cfg.Logger, self: cfg.Self, peers: map[string]Peer{}, changed: make(chan struct{}), dirty: make(chan struct{}, 1)}
	g.close = sync.OnceValue(g.shutdown)
	g.ctx, g.cancel = context.WithCancel(context.Background())
	b := encodeMeta(cfg.Cluster, cfg.Self)
	g.meta.Store(&b)
	g.transport = newTransport(cfg.TCP, cfg.UDP, cfg.Self.Gossip, cfg.Gate)
	g.list, err = memberlist.Create(g.memberlistConfig())
	if err != nil {
		g.cancel()
		g.transport.Shutdown()
		return nil, fmt.Errorf("start gossip: %w", err)
	}
	g.wg.Go(g.announce)
	g.wg.Go(g.join)
	return g, nil
}

func (c *GossipConfig) check() error {
	if len(c.Key) != 32 {
		return fmt.Errorf("the key has %d bytes, not 32", len(c.Key))
	}
	if c.Cluster == "" || len(c.Cluster) > memberlist.LabelMaxSize {
		return fmt.Errorf("the cluster name %q cannot be a label", c.Cluster)
	}
	// What others would refuse, they must never hear.
	_, err := decodeMeta(c.Cluster, c.Self.ID, c.Self.Gossip, encodeMeta(c.Cluster, c.Self))
	return err
}

// memberlistConfig starts from memberlist's preset for local networks; what is
// changed is changed for the reason beside it.
func (g *Gossip) memberlistConfig() *memberlist.Config {
	d := delegate{g}
	c := memberlist.DefaultLANConfig()
	c.Name = g.cfg.Self.ID
	c.Label = g.cfg.Cluster // authenticated with each packet and stream
	c.SecretKey = g.cfg.Key
	c.GossipVerifyIncoming, c.GossipVerifyOutgoing = true, true // plaintext is neither heard nor spoken
	c.Transport = g.transport
	c.BindPort = int(g.cfg.Self.Gossip.Port()) // only the default port of joins, which always name one
	c.Logger = newGossipLog(g.log)
	c.Delegate, c.Events, c.Alive, c.Merge, c.Conflict, c.Ping = d, d, d, d, d, d
	c.TCPTimeout = 5 * time.Second            // dead addresses swallow packets; a join waits that long for each
	c.GossipInterval = 100 * time.Millisecond // few talk, so it costs little, and a goodbye is said four times within leaveWait
	c.SuspicionMult = 3                       // of three nodes one can confirm: 3 s when the third agrees, 18 s when it is alone
	c.PushPullInterval = 15 * time.Second     // little is lost for long, and three lists are small
	c.GossipToTheDeadTime = 30 * time.Second  // the chance to refute
	c.DeadNodeReclaimTime = 10 * time.Second  // a node may come back under another address (DHCP); never is the default
	c.UDPBufferSize = 1200                    // fits through tunnels and IPv6's least MTU
	c.EnableCompression = false               // nothing to gain, and a decompressor less to feed
	c.DisableTcpPings = false                 // UDP may be blocked while all else works
	c.AwarenessMaxMultiplier = 4              // bounds the last probe after Shutdown, see the leak test
	c.DelegateProtocolMin = 0                 // formats are told in the meta
	c.DelegateProtocolMax, c.DelegateProtocolVersion = 0, 0
	if g.cfg.tune != nil {
		g.cfg.tune(c)
	}
	return c
}

// Peers is every other node that was seen, the dead included, sorted by ID.
func (g *Gossip) Peers() []Peer {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.SortedFunc(maps.Values(g.peers), func(a, b Peer) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
}

// Conflicts is the node IDs that were seen alive at two addresses, each once
// with its newest sighting.
func (g *Gossip) Conflicts() []Conflict {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.conflicts)
}

// Strangers counts what was refused because it was not of this cluster though it
// had the key.
func (g *Gossip) Strangers() int64 { return g.strangers.Load() }

// Changed is closed at the next change of Peers or Conflicts.
func (g *Gossip) Changed() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.changed
}

// SetPhase changes what this node tells about itself: the phase, and the hash of
// its roster once it is a member.
func (g *Gossip) SetPhase(phase, member string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.self.Phase == phase && g.self.Member == member {
		return
	}
	g.self.Phase, g.self.Member = phase, member
	for id, p := range g.peers {
		if foreign := member != "" && p.Member != "" && p.Member != member; foreign != p.Foreign {
			p.Foreign = foreign
			g.peers[id] = p
		}
	}
	b := encodeMeta(g.cfg.Cluster, g.self)
	g.meta.Store(&b)
	select {
	case g.dirty <- struct{}{}:
	default: // one that stands there takes the newest
	}
}

// announce tells the others when our meta has changed.
func (g *Gossip) announce() {
	for {
		select {
		case <-g.ctx.Done():
			return
		case <-g.dirty:
		}
		// An error is a time-out: those who missed it hear it in a full exchange.
		if err := g.list.UpdateNode(announceWait); err != nil {
			g.log.Debug("announce a change by gossip", "err", err)
		}
	}
}

// Close says goodbye, so that others need not find out, and stops. It joins
// every goroutine of its own; memberlist's end soon after, at the latest with
// the probe that is under way. It may be called again.
func (g *Gossip) Close() error { return g.close() }

func (g *Gossip) shutdown() error {
	g.cancel()
	g.joiner.stop()
	g.wg.Wait()
	// Leave comes first and once: memberlist panics on one after Shutdown. With
	// nobody alive, or nobody reachable, it ends by itself or by its time-out.
	if err := g.list.Leave(leaveWait); err != nil {
		g.log.Debug("say goodbye by gossip", "err", err)
	}
	err := g.list.Shutdown()
	g.joiner.wg.Wait() // the transport has ended their connections
	if err != nil {
		return fmt.Errorf("stop gossip: %w", err)
	}
	return nil
}

func (g *Gossip) member() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.self.Member
}
