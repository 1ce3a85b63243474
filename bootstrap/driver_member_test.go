package bootstrap_test

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/quorate/quorate/bootstrap"
)

// Look and what follows make a vnode its own member.
func (n *vnode) Look() (bootstrap.MemberData, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return bootstrap.MemberData{Data: n.dir}, nil
}

func (n *vnode) Start(_ context.Context, r *bootstrap.Roster, fresh bool) error {
	n.mu.Lock()
	n.starts++
	if err := n.refuse; err != nil || n.crashed {
		n.mu.Unlock()
		return errors.Join(err, errCrashed)
	}
	if fresh {
		n.dir, n.began = bootstrap.DataWhole, r
	}
	ready, began := make(chan struct{}), n.began
	n.ready = ready
	n.mu.Unlock()
	n.w.started(n, began)
	return nil
}

// started counts who runs a member of one roster now, and who ever did.
func (w *fleet) started(n *vnode, r *bootstrap.Roster) {
	h := r.Hash()
	w.mu.Lock()
	if w.live[h] == nil {
		w.live[h] = map[string]bool{}
	}
	w.live[h][n.own.Advertise.ID] = true
	all := slices.Clone(w.all)
	w.mu.Unlock()
	var ready []chan struct{}
	for _, m := range all {
		m.mu.Lock()
		if m.ready != nil && m.began != nil && m.began.Hash() == h {
			ready = append(ready, m.ready)
		}
		m.mu.Unlock()
	}
	if len(ready) >= bootstrap.Quorum(r.Voters) {
		time.AfterFunc(20*time.Millisecond, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, c := range ready {
				select {
				case <-c:
				default:
					close(c)
				}
			}
		})
	}
}

func (n *vnode) Ready() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ready
}

func (n *vnode) IDs() (uint64, uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := n.began.Hash()
	return uint64(h[0]) + 1, uint64(n.own.Advertise.ID[0]) + 1
}

func (n *vnode) Stop(context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ready = nil
	return nil
}

func (n *vnode) Discard(context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ready, n.dir, n.began = nil, bootstrap.DataNone, nil
	return nil
}

func (n *vnode) runs() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ready != nil
}
