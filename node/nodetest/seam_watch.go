package nodetest

import (
	"context"
	"math"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/metadata"
)

// leaderPatience is how long a watch that requires a leader lives without one:
// three election timeouts.
const leaderPatience = 3 * time.Second

// faultyWatcher is the watch seam: one goroutine stands between each watch of
// the process and its consumer.
type faultyWatcher struct {
	next clientv3.Watcher
	l    *link

	ctx     context.Context // ends with Close
	end     context.CancelFunc
	running sync.WaitGroup
	mu      sync.Mutex
	closed  bool
}

func (l *link) watcher(next clientv3.Watcher) clientv3.Watcher {
	ctx, end := context.WithCancel(context.Background())
	return &faultyWatcher{next: next, l: l, ctx: ctx, end: end}
}

func (w *faultyWatcher) Watch(ctx context.Context, key string, opts ...clientv3.OpOption) clientv3.WatchChan {
	out := make(chan clientv3.WatchResponse, 1)
	if w.l.pass() != nil || !w.begin() {
		close(out)
		return out
	}
	requires := requiresLeader(ctx)
	if requires && !w.l.hasLeader() {
		w.l.v.bite(NoLeader)
		out <- failed(rpctypes.ErrNoLeader)
		close(out)
		w.running.Done()
		return out
	}
	f := &faultyWatch{l: w.l, out: out, requires: requires}
	if d := w.l.decide("watch", atOpen); d.fault == LostWatch {
		f.doom = &d
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(w.ctx, cancel)
	f.ctx = ctx
	f.in = w.next.Watch(ctx, key, opts...) // registered now, not when the goroutine gets to it
	go func() {
		defer w.running.Done()
		defer close(out)
		defer cancel()
		defer stop()
		f.run()
	}()
	return out
}

// begin admits a watch unless the watcher is closed.
func (w *faultyWatcher) begin() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	w.running.Add(1)
	return true
}

func (w *faultyWatcher) RequestProgress(ctx context.Context) error {
	if err := w.l.pass(); err != nil {
		return err
	}
	return w.next.RequestProgress(ctx)
}

func (w *faultyWatcher) Close() error {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.end()
	err := w.next.Close()
	w.running.Wait()
	return err
}

// requiresLeader reports whether ctx comes from clientv3.WithRequireLeader.
func requiresLeader(ctx context.Context) bool {
	md, _ := metadata.FromOutgoingContext(ctx)
	v := md.Get(rpctypes.MetadataRequireLeaderKey)
	return len(v) > 0 && v[0] == rpctypes.MetadataHasLeader
}

func failed(err error) clientv3.WatchResponse {
	return clientv3.WatchResponse{Canceled: true, CancelReason: err.Error()}
}

type faultyWatch struct {
	l        *link
	ctx      context.Context // ends when the consumer is gone or the client closed
	in       clientv3.WatchChan
	out      chan clientv3.WatchResponse
	requires bool
	doom     *verdict // it is lost after a while, even if nothing happens
}

func (f *faultyWatch) run() {
	var doomed <-chan time.Time
	if f.doom != nil {
		t := time.NewTimer(f.doom.wait)
		defer t.Stop()
		doomed = t.C
	}
	for {
		var moves <-chan struct{}
		if f.requires {
			moves = f.l.v.leaderMoves() // before looking, so that none is missed
			if !f.leaderIsThere() {
				return
			}
		}
		select {
		case r, ok := <-f.in:
			if !ok || !f.carry(r) {
				return
			}
		case <-moves:
		case <-doomed:
			f.lost(*f.doom)
			return
		case <-f.l.gone:
			return
		case <-f.ctx.Done():
			return
		}
	}
}

// carry takes one response to the consumer and says whether the watch goes on.
func (f *faultyWatch) carry(r clientv3.WatchResponse) bool {
	if !f.leaderIsThere() || f.l.pass() != nil {
		return false
	}
	d := f.l.decide("watch-response", atEvents)
	switch d.fault {
	case Delay:
		if !f.wait(d.wait) {
			return false
		}
		f.l.v.bite(Delay)
	case LostWatch:
		if f.wait(d.wait) {
			f.lost(d)
		}
		return false
	case Compaction:
		f.overtaken()
		return false
	}
	if f.l.pass() != nil {
		return false
	}
	if r.CompactRevision != 0 {
		f.l.v.bite(Compaction)
	}
	return f.deliver(r)
}

// leaderIsThere holds what a watch would say while there is no leader, and ends
// a watch that requires one when that takes too long.
func (f *faultyWatch) leaderIsThere() bool {
	patience := time.Duration(math.MaxInt64)
	if f.requires {
		patience = leaderPatience
	}
	found, err := f.l.awaitLeader(f.ctx, patience)
	if err == nil && !found && f.deliver(failed(rpctypes.ErrNoLeader)) {
		f.l.v.bite(NoLeader)
	}
	return found
}

// lost ends the watch, every second time with a word.
func (f *faultyWatch) lost(d verdict) {
	if f.l.pass() != nil {
		return
	}
	if d.after && !f.deliver(failed(rpctypes.ErrStopped)) {
		return
	}
	if f.ctx.Err() == nil {
		f.l.v.bite(LostWatch)
	}
}

// overtaken compacts the server past what the watch was about to deliver.
func (f *faultyWatch) overtaken() {
	rev, err := f.l.v.compact()
	if err != nil {
		return // the server is stopping
	}
	r := failed(rpctypes.ErrCompacted)
	r.CompactRevision = rev
	if f.deliver(r) {
		f.l.v.bite(Compaction)
	}
}

// wait lets d pass, unless the consumer has gone or the process ends.
func (f *faultyWatch) wait(d time.Duration) bool { return f.l.sleep(f.ctx, d) == nil }

func (f *faultyWatch) deliver(r clientv3.WatchResponse) bool {
	select {
	case f.out <- r:
		return true
	case <-f.ctx.Done():
	case <-f.l.gone:
	}
	return false
}
