package bootstrap

import (
	"maps"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"
)

const (
	askWait     = time.Second // for one question
	roundGrace  = 50 * time.Millisecond
	strangeWait = askWait / 2            // for one who never answered, so that who is missing is told within a second
	badAfter    = 1                      // failures in a row, after which an address does not hold up rounds
	roundFast   = 250 * time.Millisecond // between rounds, while things move
	roundSlow   = 3 * time.Second        // which grows to this when nothing does
	roundRun    = 5 * time.Second        // and is this while the member serves
	roundGap    = 50 * time.Millisecond  // between rounds, whatever wakes
	moveFor     = 10 * time.Second       // things move for so long after the last news
	stableFor   = 500 * time.Millisecond
	silentFor   = 60 * time.Second
	silentAsks  = 3 // and at least so many failed questions: a pause of this process is nobody's silence
	nodesMax    = 128
)

// stir says that things move: rounds follow quickly for a while.
func (d *Driver) stir() { d.moved, d.pause = time.Now(), roundFast }

// rest waits until the next round is due: after a pause that grows while nothing
// happens, or soon after something did. It says whether it ended because the
// member is ready, of which nobody needs to be asked.
func (d *Driver) rest() (ready bool) {
	t := time.NewTimer(d.nextPause())
	defer t.Stop()
	var changed <-chan struct{}
	if d.cfg.Gossip != nil {
		changed = d.cfg.Gossip.Changed()
	}
	for {
		select {
		case <-d.ctx.Done():
			return false
		case <-t.C:
			return false
		case <-d.ready:
			d.ready = nil // seen; the view has it from now on
			return true
		case <-changed:
			d.stir()
		case <-d.poke:
			d.stir()
		case r := <-d.results:
			if !d.late(r) {
				continue
			}
			d.stir()
		}
		d.sleep(roundGap)
		return false
	}
}

func (d *Driver) nextPause() time.Duration {
	p := max(d.pause, roundFast)
	switch {
	case d.plan.Kind == Blocked || d.state.Member:
		p = roundRun
	case time.Since(d.moved) > moveFor:
		d.pause = min(p*3/2, roundSlow)
	}
	p += rand.N(p / 4)
	if !d.state.Member {
		if s := d.untilStable(); s > 0 {
			p = min(p, s)
		}
	}
	if d.failed.wait > 0 {
		p = min(p, max(time.Until(d.failed.again), roundGap))
	}
	return p
}

func (d *Driver) sleep(t time.Duration) {
	select {
	case <-d.ctx.Done():
	case <-time.After(t):
	}
}

// hints are the nodes that asked us, which gossip may not show.
type hints struct {
	mu    sync.Mutex
	nodes map[string]Caller
}

func (h *hints) add(c Caller) (news bool) {
	if c.ID == "" {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.nodes == nil {
		h.nodes = map[string]Caller{}
	}
	if h.nodes[c.ID] == c {
		return false
	}
	if len(h.nodes) >= nodesMax {
		clear(h.nodes) // who is still there asks again
	}
	h.nodes[c.ID] = c
	return true
}

// drop forgets who asked from an address at which nobody answers.
func (h *hints) drop(addr netip.AddrPort) {
	h.mu.Lock()
	defer h.mu.Unlock()
	maps.DeleteFunc(h.nodes, func(_ string, c Caller) bool { return c.RPC == addr })
}

func (h *hints) addrs() []netip.AddrPort {
	h.mu.Lock()
	defer h.mu.Unlock()
	var addrs []netip.AddrPort
	for _, c := range h.nodes {
		addrs = append(addrs, c.RPC)
	}
	return addrs
}
