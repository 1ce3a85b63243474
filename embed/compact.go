package embed

import (
	"context"
	"errors"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/storage/mvcc"
)

// etcd keeps every revision until it is told to forget; its own compactor acts
// every five minutes at the earliest, and a busy queue fills the default quota
// in two. This one acts every ten seconds and keeps at least thirty seconds of
// history, for watches that resume; while more than a quarter of the quota is
// in use it acts every second and keeps at least five.
const (
	lookEvery      = time.Second
	compactEvery   = 10 * time.Second
	keepHistory    = 30 * time.Second
	pressedEvery   = time.Second
	pressedHistory = 5 * time.Second
)

// compactor decides what to compact. It has no clock and does nothing itself.
// It is fed on every member, so that a new leader knows the past at once.
type compactor struct {
	seen  []revisionAt // by time; the first may be older than keepHistory, no other is
	last  time.Time    // of the latest decision to compact
	asked int64        // the latest revision compacted at
}

type revisionAt struct {
	at  time.Time
	rev int64
}

// look is what the compactor is told about the member.
type look struct {
	at           time.Time
	rev          int64 // the store's current revision
	inUse, quota int64 // bytes
	leader       bool  // this member leads
}

// decide returns the revision to compact at, or 0.
//
// Whatever was written less than the promised history before l.at stays: the
// target is a revision that the store already had when that history began.
func (c *compactor) decide(l look) int64 {
	c.note(l)
	every, keep := compactEvery, keepHistory
	if l.inUse > l.quota/4 {
		every, keep = pressedEvery, pressedHistory
	}
	if !l.leader || l.at.Sub(c.last) < every {
		return 0
	}
	target := c.before(l.at.Add(-keep))
	if target <= c.asked { // no revision moved since
		return 0
	}
	c.last, c.asked = l.at, target
	return target
}

// note remembers when a revision was first seen to have been reached.
func (c *compactor) note(l look) {
	if n := len(c.seen); n == 0 || c.seen[n-1].rev != l.rev {
		c.seen = append(c.seen, revisionAt{l.at, l.rev})
	}
	old := 0
	for old+1 < len(c.seen) && !c.seen[old+1].at.After(l.at.Add(-keepHistory)) {
		old++
	}
	c.seen = append(c.seen[:0], c.seen[old:]...)
}

// before is the newest revision seen at t or earlier, or 0.
func (c *compactor) before(t time.Time) int64 {
	for i := len(c.seen) - 1; i >= 0; i-- {
		if !c.seen[i].at.After(t) {
			return c.seen[i].rev
		}
	}
	return 0
}

// compact carries the decisions out until the member ends.
func (m *Member) compact() {
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	var c compactor
	for {
		select {
		case <-m.life.Done():
			return
		case <-t.C:
		}
		at := c.decide(look{
			at: time.Now(), rev: m.srv.KV().Rev(),
			inUse: m.srv.Backend().SizeInUse(), quota: m.cfg.QuotaBytes,
			leader: m.srv.Leader() == m.srv.MemberID(),
		})
		if at == 0 {
			continue
		}
		ctx, cancel := context.WithTimeout(m.life, compactEvery)
		_, err := m.srv.Compact(ctx, &pb.CompactionRequest{Revision: at})
		cancel()
		if err != nil && !errors.Is(err, mvcc.ErrCompacted) && m.life.Err() == nil {
			// The next look has a newer revision and will ask again.
			m.log.Warn("compact history", "member", m.cfg.Name, "revision", at, "error", err)
		}
	}
}
