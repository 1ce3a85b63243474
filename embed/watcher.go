package embed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3rpc"
	"go.etcd.io/etcd/server/v3/storage/mvcc"
	"google.golang.org/grpc/metadata"
)

var errWatcherClosed = errors.New("watcher is closed")

// watcher is the in-process clientv3.Watcher: each Watch has a stream of the
// store and one goroutine to itself, so no watch can wait for another. DESIGN.md
// of this package says why it replaces clientv3's own.
//
// It differs from the watcher of a remote client in this: a watch ends with
// ErrStopped when the server stops (a remote one waits for the server to come
// back); revisions are never fragmented (WithFragment has no effect); events
// wait in the store and not in memory when the consumer is slow, so a consumer
// too far behind a compaction gets ErrCompacted; a learner serves watches.
type watcher struct {
	server   *etcdserver.EtcdServer
	election time.Duration
	life     <-chan struct{} // closed when the member stops or dies; nil = never
	leader   func() uint64   // 0 = none
	progress time.Duration   // of WithProgressNotify; 0 = etcd's own interval

	closing    chan struct{} // closed by Close
	supervised chan struct{} // closed when supervise has returned
	require    chan struct{} // wakes supervise: a watch that requires a leader was added

	idle chan mvcc.WatchStream // to be used again

	pumps sync.WaitGroup // goroutines that may touch the store
	all   sync.WaitGroup // all goroutines of watches

	mu       sync.Mutex
	closed   bool
	ended    cause // why there are no new watches, if not 0
	watches  map[*watch]struct{}
	required int  // how many of watches require a leader
	seen     bool // one of them was opened, so there was a leader, since the last look
}

// newWatcher returns a watcher on s, which must have been started. life closes
// when the member stops or dies: an etcd server that died does not say so.
// election is the server's election timeout. The caller closes the watcher.
func newWatcher(s *etcdserver.EtcdServer, life <-chan struct{}, election time.Duration) *watcher {
	return startWatcher(s, life, election, func() uint64 { return uint64(s.Leader()) })
}

func startWatcher(s *etcdserver.EtcdServer, life <-chan struct{}, election time.Duration, leader func() uint64) *watcher {
	w := &watcher{
		server:     s,
		life:       life,
		election:   election,
		leader:     leader,
		closing:    make(chan struct{}),
		supervised: make(chan struct{}),
		require:    make(chan struct{}, 1),
		idle:       make(chan mvcc.WatchStream, idleStreams),
		watches:    make(map[*watch]struct{}),
	}
	if w.election <= 0 {
		w.election = time.Second
	}
	// The server waits for what is attached to it before it closes its store,
	// and supervise waits for every pump: no pump reads a closed store.
	supervise := sync.OnceFunc(w.supervise)
	s.GoAttach(supervise)
	select {
	case <-s.StoppingNotify():
		supervise() // GoAttach refuses once the server stops; it ends at once
	default:
	}
	return w
}

// Watch is clientv3.Watcher's. The watch is registered when Watch returns.
func (w *watcher) Watch(ctx context.Context, key string, opts ...clientv3.OpOption) clientv3.WatchChan {
	op := clientv3.OpWatch(key, opts...)
	if ctx.Err() != nil {
		return refused(nil)
	}
	scope, requires := scopeOf(ctx)
	if requires && w.leader() == 0 {
		return refused(w.failure(rpctypes.ErrNoLeader.Error()))
	}
	if op.Rev() < 0 {
		return refused(w.failure(rpctypes.ErrCompacted.Error())) // what a remote client gets
	}
	h := newWatch(ctx, w, op, scope, requires)
	if ended := w.add(h); ended != 0 {
		return refused(w.final(ended))
	}
	if err := h.open(op); err != nil {
		h.abandon()
		return refused(w.failure(err.Error()))
	}
	go h.run()
	return h.out
}

// RequestProgress asks for a progress response in all open watches whose ctx has
// the same outgoing metadata as ctx (clientv3 has one stream, and so one scope of
// progress, for each metadata). It does not block: each watch answers when it
// has delivered everything up to the revision the store had at the request; the
// answers to several requests may be one. A watch of a revision that is still to
// come answers after that revision.
func (w *watcher) RequestProgress(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	scope, _ := scopeOf(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.closed:
		return fmt.Errorf("request watch progress: %w", errWatcherClosed)
	case w.ended != 0:
		return fmt.Errorf("request watch progress: %w", rpctypes.ErrStopped)
	}
	for h := range w.watches {
		if h.scope == scope {
			h.requestProgress()
		}
	}
	return nil
}

// Close ends all watches, closes their channels and returns when every
// goroutine of the watcher has ended. Watches after Close get a closed channel.
//
// A server that died may hold its store's locks for ever. Then Close gives up
// after a second and returns an error, and goroutines stay behind.
func (w *watcher) Close() error {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.closing)
	}
	w.mu.Unlock()
	joined := make(chan struct{})
	go func() {
		<-w.supervised
		w.all.Wait()
		w.dropIdle()
		close(joined)
	}()
	select {
	case <-joined:
		return nil
	case <-w.life:
	}
	patience := time.NewTimer(deadPatience)
	defer patience.Stop()
	select {
	case <-joined:
		return nil
	case <-patience.C:
		return errors.New("close watcher: watches are left behind in a server that died")
	}
}

// add takes h in, or says why it cannot.
func (w *watcher) add(h *watch) cause {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.closed:
		return causeClosed
	case w.ended != 0:
		return w.ended
	}
	// Adding under the lock under which ended is set: nothing is added once
	// somebody waits.
	w.pumps.Add(1)
	w.all.Add(1)
	w.watches[h] = struct{}{}
	if h.requires {
		w.required++
		w.seen = true
		select {
		case w.require <- struct{}{}:
		default:
		}
	}
	return 0
}

func (w *watcher) forget(h *watch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.watches, h)
	if h.requires {
		w.required--
	}
}

// header is the response header; rev 0 leaves the revision out.
func (w *watcher) header(rev int64) *pb.ResponseHeader {
	return &pb.ResponseHeader{
		ClusterId: uint64(w.server.Cluster().ID()),
		MemberId:  uint64(w.server.MemberID()),
		Revision:  rev,
		RaftTerm:  w.server.Term(),
	}
}

// failure is the last response of a watch, whose Err is made from reason: an
// error of package rpctypes if reason is the text of one.
func (w *watcher) failure(reason string) *clientv3.WatchResponse {
	return &clientv3.WatchResponse{Header: w.header(0), Canceled: true, CancelReason: reason}
}

// final is the last response of a watch that ended for c; nil if it ends
// without one, as clientv3's do when they are cancelled or closed.
func (w *watcher) final(c cause) *clientv3.WatchResponse {
	switch c {
	case causeStopped:
		return w.failure(rpctypes.ErrStopped.Error())
	case causeNoLeader:
		return w.failure(rpctypes.ErrNoLeader.Error())
	}
	return nil
}

func (w *watcher) progressInterval() time.Duration {
	if w.progress > 0 {
		return w.progress
	}
	if d := w.server.Cfg.WatchProgressNotifyInterval; d > 0 {
		return max(d, 100*time.Millisecond) // etcd's minimum
	}
	return v3rpc.GetProgressReportInterval() // 10 minutes and up to a tenth more
}

// refused is the channel of a watch that never was.
func refused(final *clientv3.WatchResponse) clientv3.WatchChan {
	out := make(chan clientv3.WatchResponse, 1)
	if final != nil {
		out <- *final
	}
	close(out)
	return out
}

// scopeOf returns what distinguishes ctx's stream in clientv3 (its outgoing
// metadata), and whether ctx comes from clientv3.WithRequireLeader.
func scopeOf(ctx context.Context) (scope string, requiresLeader bool) {
	md, ok := metadata.FromOutgoingContext(ctx)
	if !ok {
		return "", false
	}
	v := md.Get(rpctypes.MetadataRequireLeaderKey)
	return fmt.Sprint(map[string][]string(md)), len(v) > 0 && v[0] == rpctypes.MetadataHasLeader
}
