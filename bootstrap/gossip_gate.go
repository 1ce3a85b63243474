package bootstrap

import (
	"net"
	"sync"
)

// A Gate cuts a node off from the network and lets it back, as a pulled cable
// does, for tests of what happens then. While it is shut, packets vanish in both
// directions, connections made through it are closed, and new ones fail. The
// zero Gate is open; a nil *Gate always is.
type Gate struct {
	mu    sync.Mutex
	shut  bool
	noUDP bool
	conns map[net.Conn]struct{}
}

// Shut cuts the node off. It closes what is connected.
func (g *Gate) Shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = true
	for c := range g.conns {
		c.Close()
	}
}

// ShutUDP drops packets and lets connections live, as a firewall does that knows
// TCP only.
func (g *Gate) ShutUDP() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.noUDP = true
}

// Open lets the node back.
func (g *Gate) Open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut, g.noUDP = false, false
}

// drops says whether packets vanish.
func (g *Gate) drops() bool {
	if g == nil {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shut || g.noUDP
}

// IsShut says whether the node is cut off.
func (g *Gate) IsShut() bool {
	if g == nil {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shut
}

// add puts a connection under the gate and says whether it may live; forget
// takes it out again.
func (g *Gate) add(c net.Conn) bool {
	if g == nil {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		return false
	}
	if g.conns == nil {
		g.conns = map[net.Conn]struct{}{}
	}
	g.conns[c] = struct{}{}
	return true
}

func (g *Gate) forget(c net.Conn) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, c)
}
