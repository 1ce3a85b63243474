package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/quorate/quorate/embed"
	"github.com/quorate/quorate/recipes"
)

const (
	loopPeriod = time.Second
	loopLimit  = 15 * time.Second // a state loop that has not turned for longer is stuck
)

// run is the state loop: it turns what the member does into events, keeps
// certificates fresh, and ends the node when the member ends. It owns all that
// it compares with; the process's watchdog may be fed by its beat.
func (n *Node) run(ctx context.Context) {
	m := n.member.Load()
	t := time.NewTicker(loopPeriod)
	defer t.Stop()
	var was Status // of a node that has not begun, so the first look tells all
	ready := m.Ready()
	for {
		n.beat.Store(int64(time.Since(processStart)))
		changed := m.LeaderChanged() // taken before looking, so that no change is missed
		n.watchLeader(m)
		now := n.Status()
		n.tell(was, now)
		was = now
		select {
		case <-ctx.Done():
			return
		case <-m.Done():
			n.end(m.Err())
			n.tell(was, n.Status())
			n.events.add(Event{Type: "stopped", Text: fmt.Sprintf("the member ended: %v", n.err)})
			return
		case <-ready:
			ready = nil
			n.events.add(Event{Type: "ready", Text: "the node serves"})
			n.loop.Go(func() { n.settle(ctx) })
		case <-changed:
		case <-t.C:
			n.renewIdentity()
		}
	}
}

// watchLeader notes since when no leader is known.
func (n *Node) watchLeader(m *embed.Member) {
	if m.Status().Leader != 0 {
		n.leaderless.Store(nil)
	} else if n.leaderless.Load() == nil {
		now := time.Now()
		n.leaderless.Store(&now)
	}
}

var processStart = time.Now()

// loopAge is how long ago the state loop turned.
func (n *Node) loopAge() time.Duration {
	return time.Since(processStart) - time.Duration(n.beat.Load())
}

// tell adds the events that lie between two statuses.
func (n *Node) tell(was, now Status) {
	if was.Quorum && !now.Quorum && now.Phase == Running {
		n.events.add(Event{Type: "quorum_lost", Text: "no raft leader is known to this member"})
	}
	if !was.Quorum && now.Quorum && was.Phase == Running && n.hadQuorum {
		n.events.add(Event{Type: "quorum_restored", Text: "a raft leader is known"})
	}
	n.hadQuorum = n.hadQuorum || now.Quorum
	if now.Leader != "" && now.Leader != was.Leader {
		n.events.add(Event{Type: "leader_changed", Name: now.Leader, Text: "raft is led by " + now.Leader})
	}
	before := byCode(was.Problems)
	for _, p := range now.Problems {
		if _, ok := before[p.Code]; !ok {
			n.log.Warn(p.What, "problem", p.Code, "why", p.Why, "do", p.Do)
			n.events.add(Event{Type: "problem", Name: p.Code, Text: p.String()})
		}
	}
	after := byCode(now.Problems)
	for _, p := range was.Problems {
		if _, ok := after[p.Code]; !ok {
			n.log.Info("problem solved", "problem", p.Code)
			n.events.add(Event{Type: "problem_solved", Name: p.Code, Text: "no longer: " + p.What})
		}
	}
}

func byCode(ps []Problem) map[string]Problem {
	m := make(map[string]Problem, len(ps))
	for _, p := range ps {
		m[p.Code] = p
	}
	return m
}

// settle does what needs quorum once there is quorum: it revokes the leases
// that a killed process of this node left, compares the data with other
// members, and corrects this member's peer URL.
func (n *Node) settle(ctx context.Context) {
	if err := n.Ready(ctx); err != nil {
		return
	}
	m := n.member.Load()
	if old := n.leases.inherited(); len(old) > 0 {
		if err := recipes.RevokeLeases(ctx, n.Etcd(), old); err != nil {
			n.log.Warn("revoke leases of the previous run: they end by themselves within their TTL", "err", err)
		} else {
			n.leases.forgetInherited()
			n.log.Info("revoked leases of the previous run", "leases", len(old))
		}
	}
	if err := m.CheckCorruption(); err != nil && ctx.Err() == nil {
		n.found.Store(&err)
	}
	self := m.Status().ID
	url := peerURL(n.state.Ports.Raft)
	for _, mi := range m.Members() {
		if mi.ID == self && (len(mi.PeerURLs) != 1 || mi.PeerURLs[0] != url) {
			if err := m.SetPeerURL(ctx, url); err != nil && ctx.Err() == nil {
				n.log.Warn("publish the new raft port", "err", err)
			}
		}
	}
}

// close is the body of Close; see there for the order.
func (n *Node) close() error {
	n.endLife(ErrClosed)
	n.events.add(Event{Type: "stopping", Text: "the node is closing"})
	var errs []error
	ctx, cancel := context.WithTimeout(context.Background(), n.cfg.CloseTimeout)
	if n.Err() != nil {
		cancel() // nothing can be given back any more
	}
	if err := n.client.Close(ctx); err != nil && n.Err() == nil {
		errs = append(errs, fmt.Errorf("give back what the node holds: %w", err))
	}
	cancel()
	n.cancel()
	ctx, cancel = context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := n.member.Load().Stop(ctx); err != nil && n.Err() == nil {
		errs = append(errs, fmt.Errorf("stop member: %w", err))
	}
	n.loop.Wait()
	n.end(nil)
	n.events.add(Event{Type: "stopped", Text: "the node has stopped"})
	n.events.close()
	n.release(len(errs) == 0 && n.err == nil)
	return errors.Join(errs...)
}

// stopTimeout bounds the stop of the member: leadership transfer and the end of
// its listeners take milliseconds, a stuck disk may take for ever.
const stopTimeout = 10 * time.Second
