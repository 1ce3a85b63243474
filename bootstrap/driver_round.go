package bootstrap

import (
	"context"
	"net/netip"
	"slices"
	"time"
)

// hintBad is after how many failures an address is forgotten that is known only
// because somebody asked us and said to be there.
const hintBad = 20

// result is what one question brought.
type result struct {
	round  uint64
	addr   netip.AddrPort
	answer *Answer
	err    error
}

// addrMemory is what is remembered of an address that is asked.
type addrMemory struct {
	busy  bool      // a question is under way
	heard bool      // it has answered once
	bad   int       // failures in a row
	since time.Time // when the first of them was
	err   error     // of the last one
	got   *result   // of this round
}

// ask is one round: it asks every address once, all at the same time, and takes
// the answers to memory. It ends when all have answered that did of late.
// Addresses that are known to be dead do not hold it up, and those that never
// answered only for a moment, nor does a question to one that swallows packets:
// its end is waited for in the background, and an answer that comes then is a
// reason for another round, not part of one.
func (d *Driver) ask() {
	d.round++
	targets := d.targets()
	from := Caller{ID: d.state.ID, Boot: d.state.Boot, RPC: d.cfg.Own.Advertise.RPC, News: d.news.Load()}
	waiting, strange, all := 0, 0, 0 // strange are those of waiting that never answered
	for _, a := range targets {
		m := d.addrs[a]
		if m == nil {
			m = &addrMemory{}
			d.addrs[a] = m
		}
		m.got = nil
		if m.busy {
			continue
		}
		m.busy = true
		all++
		if m.bad < badAfter {
			waiting++
			if !m.heard {
				strange++
			}
		}
		round := d.round
		d.wg.Go(func() { d.question(round, a, from) })
	}
	d.forget(targets)
	grace := time.NewTimer(roundGrace)
	defer grace.Stop()
	late := grace.C
	patience := time.NewTimer(strangeWait)
	defer patience.Stop()
	strangers := patience.C
	for all > 0 && (waiting > strange || strange > 0 && strangers != nil || late != nil) {
		select {
		case <-d.ctx.Done():
			return
		case <-late:
			late = nil
		case <-strangers:
			strangers = nil
		case r := <-d.results:
			if r.round != d.round {
				d.late(r)
				continue
			}
			m := d.addrs[r.addr]
			if m.bad < badAfter {
				waiting--
				if !m.heard {
					strange--
				}
			}
			all--
			m.note(r)
			m.got = &r
			if m.bad == hintBad {
				d.hints.drop(r.addr)
			}
		}
	}
	d.remember(targets)
}

// question runs on a goroutine of its own and touches nothing of the round's.
func (d *Driver) question(round uint64, addr netip.AddrPort, from Caller) {
	ctx, cancel := context.WithTimeout(d.ctx, askWait)
	defer cancel()
	a, err := d.cfg.Ask(ctx, addr, from)
	r := result{round: round, addr: addr, err: err}
	if err == nil {
		r.answer = &a
	}
	select {
	case d.results <- r:
	case <-d.ctx.Done():
	}
}

func (m *addrMemory) note(r result) {
	m.busy = false
	m.err = r.err
	if r.err == nil {
		m.bad, m.heard = 0, true
		return
	}
	if m.bad == 0 {
		m.since = time.Now()
	}
	m.bad++
}

// late takes the end of a question of an earlier round, and says whether it was
// answered.
func (d *Driver) late(r result) bool {
	if m := d.addrs[r.addr]; m != nil {
		m.note(r)
	}
	return r.err == nil
}

// targets is whom to ask: the seeds, those that gossip shows, those known from
// before, those on our roster, and those that asked us.
func (d *Driver) targets() []netip.AddrPort {
	var t []netip.AddrPort
	for _, s := range d.cfg.Seeds {
		t = append(t, d.seedAddrs(s)...)
	}
	for _, p := range d.peers() {
		if p.Alive || p.Foreign {
			t = append(t, p.RPC)
		}
	}
	for _, p := range d.state.Peers { // the dead are among them if they ever answered
		t = append(t, p.RPC)
	}
	if d.state.Pledge != nil {
		for _, f := range d.state.Pledge.Founders {
			t = append(t, f.RPC)
		}
	}
	t = append(t, d.hints.addrs()...)
	t = append(t, d.twins()...)
	own := d.cfg.Own.Advertise
	t = slices.DeleteFunc(t, func(a netip.AddrPort) bool {
		// We ask ourselves only where somebody else might answer in our name.
		return !reachable(a) || a == own.RPC && !slices.Contains(d.cfg.Seeds, own.Gossip)
	})
	slices.SortFunc(t, netip.AddrPort.Compare)
	t = slices.Compact(t)
	return t[:min(len(t), nodesMax)]
}

// twins is where somebody else may have our node ID: gossip keeps only one of the
// two addresses, so the other's ports are guessed.
func (d *Driver) twins() []netip.AddrPort {
	if d.cfg.Gossip == nil {
		return nil
	}
	var t []netip.AddrPort
	for _, c := range d.cfg.Gossip.Conflicts() {
		for _, a := range []netip.AddrPort{c.Have, c.Other} {
			if c.ID == d.state.ID && a != d.cfg.Own.Advertise.Gossip && a.Port() < 65535 {
				t = append(t, netip.AddrPortFrom(a.Addr(), a.Port()+1))
			}
		}
	}
	return t
}

func (d *Driver) peers() []Peer {
	if d.cfg.Gossip == nil {
		return nil
	}
	return d.cfg.Gossip.Peers()
}

// seedAddrs is where the node at a seed, which is a gossip address, answers the
// cluster RPC: as gossip says, as it was known, and by the rule of ports.
func (d *Driver) seedAddrs(s netip.AddrPort) []netip.AddrPort {
	if s == d.cfg.Own.Advertise.Gossip {
		return []netip.AddrPort{d.cfg.Own.Advertise.RPC}
	}
	var t []netip.AddrPort
	for _, p := range d.peers() {
		if p.Gossip == s && p.Alive {
			t = append(t, p.RPC)
		}
	}
	for _, p := range d.state.Peers {
		if p.Gossip == s {
			t = append(t, p.RPC)
		}
	}
	if len(t) == 0 && s.Port() < 65535 {
		t = append(t, netip.AddrPortFrom(s.Addr(), s.Port()+1))
	}
	return t
}

// forget drops the memory of addresses that are not asked any more.
func (d *Driver) forget(targets []netip.AddrPort) {
	for a, m := range d.addrs {
		if !m.busy && !slices.Contains(targets, a) {
			delete(d.addrs, a)
		}
	}
}
