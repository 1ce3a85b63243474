package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/embed"
)

const (
	loopPeriod = time.Second
	loopLimit  = 15 * time.Second // a state loop that has not turned for longer is stuck
)

// run is the state loop: it turns what the member does into events, keeps
// certificates fresh, and ends the node when the member ends. It owns all that
// it compares with; the process's watchdog may be fed by its beat.
func (n *Node) run(ctx context.Context) {
	t := time.NewTicker(loopPeriod)
	defer t.Stop()
	var was Status // of a node that has not begun, so the first look tells all
	var served *embed.Member
	for {
		n.beat.Store(int64(time.Since(processStart)))
		m, exchanged := n.host.current()
		var led, ready, dead, rounds <-chan struct{}
		if m != nil {
			led, dead = m.LeaderChanged(), m.Done() // taken before looking, so that no change is missed
		}
		if n.fellows != nil {
			rounds = n.fellows.driver.Changed()
		}
		n.watchLeader(m)
		now := n.Status()
		n.tell(was, now)
		was = now
		if m != nil && m != served {
			ready = m.Ready()
			if closed(ready) {
				ready = nil // if the driver has yet to note it, its round wakes us
				if n.noted() {
					served = m
					n.events.add(Event{Type: "ready", Text: "the node serves"})
					n.loop.Go(func() { n.settle(ctx, m) })
				}
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-dead:
			if again, _ := n.host.current(); again != m || m.Err() == nil {
				continue // it was stopped, not lost
			}
			if n.fellows != nil && errors.Is(m.Err(), embed.ErrDamaged) && n.awaitVerdict(ctx, exchanged) {
				continue
			}
			n.end(m.Err())
			n.tell(was, n.Status())
			n.events.add(Event{Type: "stopped", Text: fmt.Sprintf("the member ended: %v", n.err)})
			return
		case <-ready:
		case <-led:
		case <-exchanged:
		case <-rounds:
		case <-t.C:
			n.renewIdentity()
		}
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// noted says whether it is on disk that the member is part of a quorum. A node
// is not said to be ready before, so that its events come in order.
func (n *Node) noted() bool {
	return n.fellows == nil || n.fellows.driver.Status().State.Member
}

// verdictWait is how long the end of a damaged member waits for what the others
// know of it: a few rounds of the driver after a start.
const verdictWait = 3 * time.Second

// awaitVerdict waits whether the driver blocks this node. A member on an old
// copy of its disk dies as soon as its leader speaks to it, perhaps before the
// others could be asked; that the disk is old is then what a person must know,
// and the node stays to say so.
func (n *Node) awaitVerdict(ctx context.Context, exchanged <-chan struct{}) (blocked bool) {
	t := time.NewTimer(verdictWait)
	defer t.Stop()
	select {
	case <-exchanged:
		return true
	case <-ctx.Done():
	case <-t.C:
	}
	return false
}

// watchLeader notes since when no leader is known.
func (n *Node) watchLeader(m *embed.Member) {
	if m == nil || m.Status().Leader != 0 {
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

// Healthy returns nil while this node's own machinery works: its state loop
// turns, and the member, if one runs, answers a read from its own disk. It says
// nothing of quorum or of others, so a process's watchdog may be fed by it:
// a partition makes nobody unhealthy. ctx bounds the read.
func (n *Node) Healthy(ctx context.Context) error {
	if age := n.loopAge(); age > loopLimit {
		return fmt.Errorf("check health: the state loop has not turned for %v", age.Round(time.Second))
	}
	if err := n.Err(); err != nil {
		return err
	}
	if m, _ := n.host.current(); m != nil {
		if _, err := m.Client().Get(ctx, readyKey, clientv3.WithCountOnly(), clientv3.WithSerializable()); err != nil {
			if again, _ := n.host.current(); again != m {
				return nil // it was stopped meanwhile
			}
			return fmt.Errorf("check health: read from this member: %w", err)
		}
	}
	return nil
}
