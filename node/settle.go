package node

import (
	"context"
	"errors"
	"time"

	"github.com/quorate/quorate/embed"
	"github.com/quorate/quorate/recipes"
)

// settle does what needs quorum once there is quorum: it revokes the leases
// that a killed process of this node left, compares the data with other
// members, and corrects this member's peer URL.
func (n *Node) settle(ctx context.Context, m *embed.Member) {
	if err := n.Ready(ctx); err != nil {
		return
	}
	n.revokeInherited(ctx)
	// On a goroutine of its own, for it has no ctx: a member that does not answer
	// holds it up for seconds, and one that died here for ever.
	checked := make(chan error, 1)
	go func() { checked <- m.CheckCorruption() }()
	select {
	case err := <-checked:
		if errors.Is(err, embed.ErrDamaged) && ctx.Err() == nil {
			n.found.Store(&err)
		}
	case <-ctx.Done():
		return
	}
	n.publishAddress(ctx, m)
}

// publishAddress corrects the member's peer URL in etcd's list if it is another
// one now: the port of a single node was taken, or the machine has a new address.
// Until then the others do not reach this member, but it reaches them, and raft
// needs no more.
func (n *Node) publishAddress(ctx context.Context, m *embed.Member) {
	self, url := m.Status().ID, peerURL(n.state.Ports.Raft)
	if n.fellows != nil {
		url = n.fellows.own.PeerURL
	}
	for _, mi := range m.Members() {
		if mi.ID != self || len(mi.PeerURLs) == 1 && mi.PeerURLs[0] == url {
			continue
		}
		if err := persist(ctx, func(ctx context.Context) error { return m.SetPeerURL(ctx, url) }); err != nil {
			if ctx.Err() == nil {
				n.log.Warn("publish this member's address: the next start tries again", "url", url, "err", err)
			}
			continue
		}
		n.events.add(Event{Type: "address_changed", Text: "the others reach this member at " + url + " now"})
	}
}

// revokeInherited frees what a killed process of this node held.
func (n *Node) revokeInherited(ctx context.Context) {
	old := n.leases.inherited()
	if len(old) == 0 {
		return
	}
	err := persist(ctx, func(ctx context.Context) error { return recipes.RevokeLeases(ctx, n.Etcd(), old) })
	switch {
	case err == nil:
		n.leases.forgetInherited()
		n.log.Info("revoked leases of the previous run", "leases", len(old))
	case ctx.Err() == nil: // else the next start does it
		n.log.Warn("revoke leases of the previous run: they end by themselves within their TTL", "err", err)
	}
}

const (
	persistTries = 5
	persistWait  = 2 * time.Second
)

// persist makes a write that does no harm if it is made twice: one may be lost
// between members, and then nobody answers.
func persist(ctx context.Context, write func(context.Context) error) (err error) {
	for range persistTries {
		try, cancel := context.WithTimeout(ctx, persistWait)
		err = write(try)
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
	return err
}
