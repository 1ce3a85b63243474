package bootstrap

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	joinFirst  = 100 * time.Millisecond // between the first tries, while a cluster comes up
	joinSlow   = 2 * time.Second        // which grows to this
	joinEarly  = time.Minute            // for so long after the start, or after new targets
	joinPeriod = 15 * time.Second       // then once in this to twice this: memberlist itself never returns to the dead
	targetsMax = 64
)

// A JoinTry is how the tries to reach one address by gossip go.
type JoinTry struct {
	Addr  netip.AddrPort
	Err   error     // of the last try; nil if it succeeded
	Since time.Time // of the first of the tries that ended like the last one
}

// joiner is the state of the re-join loop.
type joiner struct {
	mu      sync.Mutex
	extra   []netip.AddrPort
	busy    map[netip.AddrPort]bool
	tries   map[netip.AddrPort]JoinTry
	more    chan struct{}
	stopped bool
	wg      sync.WaitGroup
}

// AddTargets hands in addresses at which peers were known before, by gossip
// port: the cached ones, and those of etcd's members. They are tried as the
// seeds are, while nobody alive has them.
func (g *Gossip) AddTargets(addrs ...netip.AddrPort) {
	j := &g.joiner
	j.mu.Lock()
	defer j.mu.Unlock()
	added := false
	for _, a := range addrs {
		a = unmap(a)
		if reachable(a) && !slices.Contains(j.extra, a) && len(j.extra) < targetsMax {
			j.extra = append(j.extra, a)
			added = true
		}
	}
	if added {
		select {
		case j.wakeup() <- struct{}{}:
		default:
		}
	}
}

// wakeup makes the channel at the first use; the lock is held.
func (j *joiner) wakeup() chan struct{} {
	if j.more == nil {
		j.more = make(chan struct{}, 1)
	}
	return j.more
}

// Tries is how gossip fares with each address it was told to join, sorted.
func (g *Gossip) Tries() []JoinTry {
	j := &g.joiner
	j.mu.Lock()
	defer j.mu.Unlock()
	tries := make([]JoinTry, 0, len(j.tries))
	for _, t := range j.tries {
		tries = append(tries, t)
	}
	slices.SortFunc(tries, func(a, b JoinTry) int { return a.Addr.Compare(b.Addr) })
	return tries
}

// join is the loop. Healed partitions need it: memberlist probes and exchanges
// lists with the living only, and forgets the dead.
func (g *Gossip) join() {
	j := &g.joiner
	j.mu.Lock()
	more := j.wakeup()
	j.mu.Unlock()
	start, wait := time.Now(), joinFirst
	for {
		missing := g.missing()
		for _, a := range missing {
			g.try(a)
		}
		pause := wait + rand.N(wait)
		if len(missing) == 0 || time.Since(start) > joinEarly {
			pause = g.cfg.period + rand.N(g.cfg.period)
		}
		wait = min(2*wait, joinSlow)
		changed := g.Changed()
		if len(missing) > 0 {
			changed = nil // it is being done
		}
		select {
		case <-g.ctx.Done():
			return
		case <-more:
			start, wait = time.Now(), joinFirst
		case <-changed:
		case <-time.After(pause):
		}
	}
}

// missing is the targets at which nobody alive is known: the seeds, those handed
// in, and where the dead were.
func (g *Gossip) missing() []netip.AddrPort {
	g.joiner.mu.Lock()
	targets := slices.Concat(g.cfg.Seeds, g.joiner.extra)
	g.joiner.mu.Unlock()
	alive := map[netip.AddrPort]bool{g.cfg.Self.Gossip: true}
	for _, p := range g.Peers() {
		if p.Alive {
			alive[p.Gossip] = true
		} else if !p.Foreign {
			targets = append(targets, p.Gossip)
		}
	}
	slices.SortFunc(targets, netip.AddrPort.Compare)
	return slices.DeleteFunc(slices.Compact(targets), func(a netip.AddrPort) bool { return alive[a] })
}

// try joins one address on a goroutine of its own, unless one is at it: an
// address that swallows packets must not hold up the others.
func (g *Gossip) try(a netip.AddrPort) {
	j := &g.joiner
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.stopped || j.busy[a] || len(j.busy) >= targetsMax {
		return
	}
	if j.busy == nil {
		j.busy, j.tries = map[netip.AddrPort]bool{}, map[netip.AddrPort]JoinTry{}
	}
	j.busy[a] = true
	j.wg.Go(func() {
		_, err := g.list.Join([]string{a.String()})
		j.mu.Lock()
		defer j.mu.Unlock()
		delete(j.busy, a)
		if old, ok := j.tries[a]; !ok || (old.Err == nil) != (err == nil) {
			j.tries[a] = JoinTry{Addr: a, Err: err, Since: time.Now()}
		} else {
			j.tries[a] = JoinTry{Addr: a, Err: err, Since: old.Since}
		}
	})
}

// stop refuses further tries. Those under way are ended by the transport, and
// waited for after it.
func (j *joiner) stop() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stopped = true
}
