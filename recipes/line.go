package recipes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// lineIdle is how long a line's watch stays open after its last claim.
const lineIdle = time.Minute

// A line is this process's copy of the keys under one (kind, name), in the order
// of their create revisions, kept by one long-lived watch for all claims of the
// process. There is never a watch per operation: one that starts at or below the
// store's revision waits for etcd's resync loop, 100 ms.
type line struct {
	c      *Client
	prefix string
	cancel context.CancelFunc

	refs int         // claims not yet resolved; guarded by c.mu
	idle *time.Timer // guarded by c.mu

	mu     sync.Mutex
	rev    int64         // everything up to here is in order
	synced bool          // a watch follows
	moved  chan struct{} // closed and replaced when synced changes
	order  []entry
	claims map[string]*claim // ours, by key
}

type entry struct {
	key string
	rev int64 // create revision
}

func byRevision(a, b entry) int {
	return cmp.Or(cmp.Compare(a.rev, b.rev), cmp.Compare(a.key, b.key))
}

// openLine counts one more claim on a line and starts its watch if it is the first.
func (c *Client) openLine(kind, name string) *line {
	prefix := linePrefix(kind, name)
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.lines[prefix]
	if l == nil {
		ctx, cancel := context.WithCancel(c.ctx)
		l = &line{c: c, prefix: prefix, cancel: cancel, moved: make(chan struct{}), claims: map[string]*claim{}}
		c.lines[prefix] = l
		c.backgroundLocked(func() { l.run(ctx) })
	}
	l.refs++
	if l.idle != nil {
		l.idle.Stop()
	}
	return l
}

func (c *Client) closeLine(l *line) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.refs--; l.refs > 0 || c.hasEnded {
		return
	}
	l.idle = time.AfterFunc(lineIdle, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if l.refs == 0 && c.lines[l.prefix] == l {
			delete(c.lines, l.prefix)
			l.cancel()
		}
	})
}

// run follows the line until ctx ends; a lost watch is opened again.
func (l *line) run(ctx context.Context) {
	for try := 1; ; try++ {
		began := l.c.clk.now()
		err := l.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		l.setSynced(false)
		l.c.log.Debug("watch lost", "prefix", l.prefix, "error", err)
		if l.c.clk.now()-began > instant(10*time.Second) {
			try = 1
		}
		if !pause(ctx, try) {
			return
		}
	}
}

var errWatchEnded = errors.New("the watch ended")

// follow opens the watch first, at the current revision, then reads the line at
// or above that revision: what happens in between comes twice and the watch's
// copy is dropped; the other way round it would never come.
func (l *line) follow(ctx context.Context) error {
	wctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	ch := l.c.etcd.Watch(wctx, l.prefix, clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	created, err := awaitCreated(wctx, ch)
	if err != nil {
		return err
	}
	snap, err := l.snapshot(ctx, created)
	if err != nil {
		return err
	}
	for r := range ch {
		if err := r.Err(); err != nil {
			return err
		}
		l.apply(r.Events, snap)
	}
	return errWatchEnded
}

func awaitCreated(ctx context.Context, ch clientv3.WatchChan) (int64, error) {
	t := time.NewTimer(tryTimeout)
	defer t.Stop()
	select {
	case r, ok := <-ch:
		switch {
		case !ok:
			return 0, errWatchEnded
		case r.Err() != nil:
			return 0, r.Err()
		case !r.Created:
			return 0, errors.New("the watch sent events before it was created")
		}
		return r.Header.GetRevision(), nil
	case <-t.C:
		return 0, fmt.Errorf("open the watch: no answer in %v", tryTimeout)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// snapshot reads the whole line at a revision of at least the watch's, and at
// least that of what is known already.
func (l *line) snapshot(ctx context.Context, created int64) (int64, error) {
	tctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	r, err := l.c.etcd.Get(tctx, l.prefix, clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		return 0, fmt.Errorf("read the line: %w", err)
	}
	rev := r.Header.GetRevision()
	order := make([]entry, len(r.Kvs))
	for i, kv := range r.Kvs {
		order[i] = entry{string(kv.Key), kv.CreateRevision}
	}
	slices.SortFunc(order, byRevision)
	l.mu.Lock()
	if rev < created || rev < l.rev {
		defer l.mu.Unlock()
		return 0, fmt.Errorf("read the line: at revision %d, below %d", rev, max(created, l.rev))
	}
	l.order, l.rev = order, rev
	l.setSyncedLocked(true)
	var gone []*Held
	for key, cl := range l.claims {
		i := slices.IndexFunc(order, func(e entry) bool { return e.key == key })
		switch {
		case i >= 0:
			cl.rev = order[i].rev
		case cl.rev != 0 && cl.rev <= rev: // absence proves nothing of a claim not yet known to be put
			gone = cl.goneLocked(gone)
		}
	}
	l.headLocked()
	l.mu.Unlock()
	loseAll(gone)
	return rev, nil
}

// apply takes events of the watch, but for those the snapshot has in it.
func (l *line) apply(events []*clientv3.Event, snap int64) {
	var gone []*Held // told after l.mu is free
	l.mu.Lock()
	for _, e := range events {
		rev := e.Kv.ModRevision
		if rev <= snap {
			continue
		}
		l.rev = max(l.rev, rev)
		key := string(e.Kv.Key)
		cl := l.claims[key]
		if e.Type == mvccpb.Event_DELETE {
			if i := slices.IndexFunc(l.order, func(e entry) bool { return e.key == key }); i >= 0 {
				l.order = slices.Delete(l.order, i, i+1) // most often the first
			}
			if cl != nil {
				gone = cl.goneLocked(gone)
			}
			continue
		}
		en := entry{key, e.Kv.CreateRevision}
		if i, ok := slices.BinarySearchFunc(l.order, en, byRevision); !ok {
			l.order = slices.Insert(l.order, i, en)
		}
		if cl != nil {
			cl.rev = en.rev
		}
	}
	l.headLocked()
	l.mu.Unlock()
	loseAll(gone)
}

// headLocked tells the claim at the head, if it is ours; nobody else is woken.
func (l *line) headLocked() {
	if len(l.order) == 0 {
		return
	}
	if cl := l.claims[l.order[0].key]; cl != nil && !cl.head {
		cl.head = true
		cl.nudge()
	}
}

func (l *line) setSynced(to bool) {
	l.mu.Lock()
	l.setSyncedLocked(to)
	l.mu.Unlock()
}

func (l *line) setSyncedLocked(to bool) {
	if l.synced != to {
		l.synced = to
		close(l.moved)
		l.moved = make(chan struct{})
	}
}

// look says whether the line follows, whether somebody stands in it, and gives a
// channel that closes when the former changes.
func (l *line) look() (synced, empty bool, moved <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.synced, len(l.order) == 0, l.moved
}
