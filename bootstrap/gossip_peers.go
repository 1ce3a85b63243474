package bootstrap

import (
	"slices"
	"time"
)

// note takes in what was heard of a peer.
func (g *Gossip) note(p Peer, alive bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	old, known := g.peers[p.ID]
	p.Alive, p.Since = alive, now
	if !p.Foreign {
		p.Foreign = g.self.Member != "" && p.Member != "" && p.Member != g.self.Member
	}
	if known {
		if old.Alive == alive {
			p.Since = old.Since
		}
		if alive && old.Boot == p.Boot {
			p.UDP = old.UDP
		}
		if p == old {
			return
		}
	} else if len(g.peers) >= peersMax && !g.dropOldest() {
		return
	}
	g.peers[p.ID] = p
	g.wake()
}

// dropOldest makes room by forgetting who is dead for longest.
func (g *Gossip) dropOldest() bool {
	var oldest string
	for id, p := range g.peers {
		if !p.Alive && (oldest == "" || p.Since.Before(g.peers[oldest].Since)) {
			oldest = id
		}
	}
	delete(g.peers, oldest)
	return oldest != ""
}

// ping notes an answer by UDP. It wakes nobody: it happens every second.
func (g *Gossip) ping(id string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p, ok := g.peers[id]; ok {
		p.UDP = time.Now()
		g.peers[id] = p
	}
}

func (g *Gossip) conflict(c Conflict) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.IndexFunc(g.conflicts, func(o Conflict) bool { return o.ID == c.ID && o.Other == c.Other }); i >= 0 {
		g.conflicts[i].Seen = c.Seen
		return
	}
	if len(g.conflicts) >= conflictsMax {
		g.conflicts = slices.Delete(g.conflicts, 0, 1)
	}
	g.conflicts = append(g.conflicts, c)
	g.wake()
}

// wake tells those who wait for a change; the lock is held.
func (g *Gossip) wake() {
	close(g.changed)
	g.changed = make(chan struct{})
}
