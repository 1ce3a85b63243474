package bootstrap

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"github.com/hashicorp/memberlist"
)

// delegate is what memberlist calls. It is called with memberlist's locks held
// and on its packet loop, so nothing here blocks or calls memberlist back.
type delegate struct{ g *Gossip }

var (
	_ memberlist.Delegate         = delegate{}
	_ memberlist.EventDelegate    = delegate{}
	_ memberlist.AliveDelegate    = delegate{}
	_ memberlist.MergeDelegate    = delegate{}
	_ memberlist.ConflictDelegate = delegate{}
	_ memberlist.PingDelegate     = delegate{}
)

// NodeMeta is what this node tells about itself.
func (d delegate) NodeMeta(limit int) []byte {
	b := *d.g.meta.Load()
	if len(b) > limit { // memberlist would panic; its limit is a constant we keep
		return nil
	}
	return b
}

func (delegate) NotifyMsg([]byte)                {} // nobody sends any
func (delegate) GetBroadcasts(int, int) [][]byte { return nil }

// exchange is what goes beside the member list in a full exchange: enough to
// know whose list it is.
type exchange struct {
	Format  int    `json:"f"`
	Cluster string `json:"c"`
	ID      string `json:"i"`
}

func (d delegate) LocalState(bool) []byte {
	b, _ := json.Marshal(exchange{MetaFormat, clusterHash(d.g.cfg.Cluster), d.g.cfg.Self.ID}) // cannot fail: strings
	return b
}

// MergeRemoteState comes after the member list of the other side was taken in.
// It cannot refuse any more (the alive delegate did that, one by one); it tells.
func (d delegate) MergeRemoteState(b []byte, _ bool) {
	if err := checkExchange(d.g.cfg.Cluster, b); err != nil {
		d.g.log.Debug("gossip with a stranger", "err", err)
		d.g.strangers.Add(1)
	}
}

func checkExchange(cluster string, b []byte) error {
	if len(b) > memberlist.MetaMaxSize {
		return fmt.Errorf("%w: it has %d bytes", errMeta, len(b))
	}
	var e exchange
	if err := json.Unmarshal(b, &e); err != nil {
		return fmt.Errorf("%w: %w", errMeta, err)
	}
	if e.Format < 1 || !idPattern.MatchString(e.ID) {
		return errMeta
	}
	if e.Cluster != clusterHash(cluster) {
		return errStranger
	}
	return nil
}

// NotifyAlive refuses, by its error, a node that is not of this cluster. A
// member of another cluster that has our name and secret is noted, so that it
// can be asked and told about, and kept out: the two must never become one.
func (d delegate) NotifyAlive(n *memberlist.Node) error {
	p, err := d.read(n)
	if err != nil {
		d.g.strangers.Add(1)
		return err
	}
	if p.ID == d.g.cfg.Self.ID {
		return nil
	}
	if ours := d.g.member(); ours != "" && p.Member != "" && p.Member != ours {
		p.Foreign = true
		d.g.note(p, false)
		return fmt.Errorf("%w: member of roster %s, this node of %s", errStranger, p.Member, ours)
	}
	return nil
}

// NotifyMerge refuses a whole list at a join if a stranger is on it. A member of
// another cluster on it is left to NotifyAlive, since a newcomer may in good
// faith know both.
func (d delegate) NotifyMerge(nodes []*memberlist.Node) error {
	for _, n := range nodes {
		if n.State != memberlist.StateAlive {
			continue // the dead are not taken in as they are told
		}
		if _, err := d.read(n); err != nil {
			d.g.strangers.Add(1)
			return fmt.Errorf("node %q on the list: %w", tidy(n.Name, nameMax), err)
		}
	}
	return nil
}

func (d delegate) NotifyJoin(n *memberlist.Node)   { d.heard(n, true) }
func (d delegate) NotifyUpdate(n *memberlist.Node) { d.heard(n, true) }
func (d delegate) NotifyLeave(n *memberlist.Node)  { d.heard(n, false) }

func (d delegate) heard(n *memberlist.Node, alive bool) {
	p, err := d.read(n)
	if err != nil || p.ID == d.g.cfg.Self.ID {
		return
	}
	d.g.note(p, alive)
}

// NotifyConflict is told when one node ID is alive at two addresses.
func (d delegate) NotifyConflict(have, other *memberlist.Node) {
	d.g.conflict(Conflict{ID: tidy(have.Name, nameMax), Have: nodeAddr(have), Other: nodeAddr(other), Seen: time.Now()})
}

func (delegate) AckPayload() []byte { return nil }

// NotifyPingComplete is told of answers by UDP only, so their absence in a node
// that is alive shows that UDP is blocked.
func (d delegate) NotifyPingComplete(n *memberlist.Node, _ time.Duration, _ []byte) {
	d.g.ping(n.Name)
}

func (d delegate) read(n *memberlist.Node) (Peer, error) {
	return decodeMeta(d.g.cfg.Cluster, n.Name, nodeAddr(n), n.Meta)
}

func nodeAddr(n *memberlist.Node) netip.AddrPort {
	a, _ := netip.AddrFromSlice(n.Addr) // the zero Addr if it is none, which decodeMeta refuses
	return netip.AddrPortFrom(a.Unmap(), n.Port)
}
