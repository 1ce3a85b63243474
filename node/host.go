package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/quorate/quorate/bootstrap"
	"github.com/quorate/quorate/embed"
)

// host runs the member of this node: it is the one place that starts and stops
// it. It is a [bootstrap.Member]; the driver of a node of a cluster calls it, or
// Start does for a single node. mu owns what can change.
type host struct {
	n    *Node
	seat *embed.Seat

	mu      sync.Mutex
	member  *embed.Member
	leaving *embed.Member // one that was asked to stop and has not ended yet
	changed chan struct{} // closed when the member comes or goes
	tried   chan struct{} // closed when a start was first tried
	first   error         // what came of it
}

func newHost(n *Node) *host {
	return &host{n: n, seat: embed.NewSeat(), changed: make(chan struct{}), tried: make(chan struct{})}
}

// current returns the member, nil if none runs, and a channel that closes when
// that changes.
func (h *host) current() (*embed.Member, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.member, h.changed
}

func (h *host) set(m *embed.Member) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.member = m
	if m != nil {
		h.seat.Put(m)
	} else {
		h.seat.Clear()
	}
	close(h.changed)
	h.changed = make(chan struct{})
}

// Look says what the member directory holds.
func (h *host) Look() (bootstrap.MemberData, error) {
	d, err := embed.Look(embed.Config{Dir: h.dir(), WALDir: h.n.cfg.WALDir})
	if err != nil {
		return bootstrap.MemberData{}, err
	}
	data := bootstrap.MemberData{EtcdCluster: d.ClusterID, EtcdMember: d.MemberID}
	switch {
	case d.Unborn:
		data.Data = bootstrap.DataEmpty
	case d.Log:
		data.Data = bootstrap.DataWhole
	}
	return data, nil
}

// Start runs the member on the roster r, or alone if it is nil.
func (h *host) Start(ctx context.Context, r *bootstrap.Roster, fresh bool) error {
	err := h.start(ctx, r, fresh)
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.tried:
	default:
		h.first = err
		close(h.tried)
	}
	return err
}

func (h *host) start(ctx context.Context, r *bootstrap.Roster, fresh bool) error {
	if fresh {
		if err := h.setAside(); err != nil {
			return err
		}
	}
	m, err := embed.Start(ctx, h.n.memberConfig(r))
	if err != nil {
		return err
	}
	if err := h.n.sockets.protect(h.n.etcdSocket); err != nil {
		m.Stop(ctx)
		return err
	}
	h.set(m)
	return nil
}

// Ready is closed once the member has taken part in a quorum.
func (h *host) Ready() <-chan struct{} {
	if m, _ := h.current(); m != nil {
		return m.Ready()
	}
	return nil
}

// IDs are etcd's cluster and member ID.
func (h *host) IDs() (cluster, member uint64) {
	if m, _ := h.current(); m != nil {
		s := m.Status()
		return s.ClusterID, s.ID
	}
	return 0, 0
}

// Stop stops the member and keeps its directory. One that died is as much
// stopped as it will ever be.
func (h *host) Stop(ctx context.Context) error {
	died, err := h.stop(ctx)
	if died {
		h.n.log.Warn("the member that is to be stopped has died", "err", err)
		return nil
	}
	return err
}

// stop stops the member. One that has not ended in time is waited for again by
// the next call: nothing may be done with its directory before.
func (h *host) stop(ctx context.Context) (died bool, err error) {
	m := h.take()
	if m == nil {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	if err := m.Stop(ctx); err != nil {
		return m.Err() != nil, fmt.Errorf("stop member: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leaving = nil
	return false, nil
}

// take takes the member out of its seat, so that calls wait for another one, and
// returns who has to end.
func (h *host) take() *embed.Member {
	h.mu.Lock()
	m := h.member
	if m == nil {
		m = h.leaving
	}
	h.leaving = m
	was := h.member
	h.mu.Unlock()
	if was != nil {
		h.set(nil)
	}
	return m
}

// end ends what runs, with the node. Status goes on to show it.
func (h *host) end(how func(*embed.Member, context.Context) error) error {
	h.mu.Lock()
	member, leaving := h.member, h.leaving
	h.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	var errs []error
	for _, m := range []*embed.Member{member, leaving} {
		if m == nil {
			continue
		}
		if err := how(m, ctx); err != nil && !(m == leaving && m.Err() != nil) { // that one's end was told when it was stopped
			errs = append(errs, fmt.Errorf("stop member: %w", err))
		}
	}
	return errors.Join(errs...)
}

// Discard stops the member and moves its directory aside.
func (h *host) Discard(ctx context.Context) error {
	if _, err := h.stop(ctx); err != nil {
		return err // what is left of it may still write there
	}
	return h.setAside()
}

// setAside moves the member directory away, in place of the one that was moved
// away before. The caller knows that neither was ever part of a quorum, so
// nothing in them was acknowledged to anybody; the last is kept for people who
// wonder.
func (h *host) setAside() error {
	dirs := []string{h.dir()}
	if h.n.cfg.WALDir != "" {
		dirs = append(dirs, filepath.Join(h.n.cfg.WALDir, "wal")) // which may itself be a mount point
	}
	for _, dir := range dirs {
		aside := dir + ".discarded"
		if err := os.RemoveAll(aside); err != nil {
			return fmt.Errorf("remove %s: %w", aside, err)
		}
		if err := os.Rename(dir, aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("move the member directory aside: %w", err)
		}
	}
	return nil
}

func (h *host) dir() string { return filepath.Join(h.n.dir, memberDir) }
