package embed

import (
	"context"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/storage/mvcc"
)

// A cause is why a watch ends other than by its context or a compaction.
type cause uint32

const (
	causeClosed cause = iota + 1
	causeStopped
	causeNoLeader
)

// The store drops a request for progress while it has events for the watch, or
// while the watch's 128 slots are full; it is repeated after these pauses.
const (
	progressRetryMin = 5 * time.Millisecond
	progressRetryMax = time.Second
)

// watch is one open watch: a stream of the store, and the goroutine (run) that
// copies from it to out. It holds at most one response beside the one in out;
// all others stay in the store.
type watch struct {
	w        *watcher
	ctx      context.Context
	scope    string // see scopeOf
	requires bool   // a leader
	prevKV   bool
	notify   bool // progress is wanted from time to time

	stream mvcc.WatchStream
	id     mvcc.WatchID
	out    chan clientv3.WatchResponse

	poke     chan struct{} // cause or requested was set
	cause    atomic.Uint32
	requests atomic.Bool // somebody called RequestProgress

	asked int64 // revision that a progress response is owed for; 0 = none
	retry *time.Timer
	pause time.Duration
}

func newWatch(ctx context.Context, w *watcher, op clientv3.Op, scope string, requires bool) *watch {
	return &watch{
		w:        w,
		ctx:      ctx,
		scope:    scope,
		requires: requires,
		prevKV:   op.IsPrevKV(),
		notify:   op.IsProgressNotify(),
		out:      make(chan clientv3.WatchResponse, 1),
		poke:     make(chan struct{}, 1),
	}
}

// open registers the watch with the store. The store is open: add was called.
func (h *watch) open(op clientv3.Op) (err error) {
	key, end := watchRange(op)
	h.stream = h.w.stream()
	// Not with the user's context: the store ends the trace span it finds there
	// when the watch is cancelled, and that one is the user's.
	h.id, err = h.stream.Watch(context.Background(), clientv3.AutoWatchID, key, end, op.Rev(), filters(op)...)
	if err == nil && op.IsCreatedNotify() {
		// The revision is read after the watch was registered, so whatever comes
		// after it will be seen.
		h.out <- clientv3.WatchResponse{Header: h.w.header(h.stream.Rev()), Created: true}
	}
	return err
}

// abandon undoes add and open.
func (h *watch) abandon() {
	h.w.giveBack(h.stream)
	h.w.forget(h)
	h.w.pumps.Done()
	h.w.all.Done()
}

// end makes the watch end for c, unless it is ending already.
func (h *watch) end(c cause) {
	if h.cause.CompareAndSwap(0, uint32(c)) {
		h.wake()
	}
}

func (h *watch) requestProgress() {
	h.requests.Store(true)
	h.wake()
}

func (h *watch) wake() {
	select {
	case h.poke <- struct{}{}:
	default: // it will look at everything when it takes that one
	}
}

// run is the watch's goroutine. When out is closed nothing is left in the store,
// unless the server stops or has died: then the consumer is told first, because
// the store of a dead server may never let go of its lock.
func (h *watch) run() {
	defer h.w.all.Done()
	defer h.w.pumps.Done()
	final := h.pump()
	told := cause(h.cause.Load()) == causeStopped && h.tell(final)
	h.stream.Cancel(h.id)
	h.w.giveBack(h.stream)
	h.w.forget(h)
	if !told && !h.tell(final) {
		// Server.Stop waits for pumps and must not wait for a consumer.
		h.w.all.Add(1)
		go h.tellLate(final)
	}
}

// tell sends the last response, if there is one, and closes out; false means
// that the consumer has not even taken the response before.
func (h *watch) tell(final *clientv3.WatchResponse) bool {
	if final != nil {
		select {
		case h.out <- *final:
		default:
			return false
		}
	}
	close(h.out)
	return true
}

// tellLate tells a slow consumer.
func (h *watch) tellLate(final *clientv3.WatchResponse) {
	defer h.w.all.Done()
	defer close(h.out)
	select {
	case h.out <- *final:
	case <-h.ctx.Done():
	case <-h.w.closing:
	}
}

// pump copies responses until the watch ends and returns the last one, if the
// consumer is to get one.
func (h *watch) pump() *clientv3.WatchResponse {
	var periodic <-chan time.Time
	if h.notify {
		t := time.NewTicker(h.w.progressInterval())
		defer t.Stop()
		periodic = t.C
	}
	defer h.progressSeen()
	quiet := true // no events since the last tick of periodic
	for {
		var retry <-chan time.Time
		if h.asked != 0 && h.retry != nil {
			retry = h.retry.C
		}
		select {
		case r := <-h.stream.Chan():
			mvcc.ReportEventReceived(len(r.Events))
			if r.WatchID != h.id {
				continue // of the stream's user before us; giveBack leaves none
			}
			if r.CompactRevision != 0 {
				return h.compacted(r)
			}
			if len(r.Events) > 0 {
				quiet = false
			} else if r.Revision >= h.asked {
				h.progressSeen()
			}
			if !h.send(h.response(r)) {
				return h.final()
			}
		case <-h.ctx.Done():
			return nil
		case <-h.poke:
		case <-periodic:
			if quiet {
				h.ask()
			}
			quiet = true
		case <-retry:
			h.pause = min(2*h.pause, progressRetryMax)
			h.retry.Reset(h.pause)
			h.askStore()
		}
		if h.cause.Load() != 0 {
			return h.final()
		}
		if h.requests.CompareAndSwap(true, false) {
			h.ask()
		}
	}
}

// send hands r to the consumer; false means the watch ends.
func (h *watch) send(r clientv3.WatchResponse) bool {
	select {
	case h.out <- r:
		return true
	default:
	}
	for {
		select {
		case h.out <- r:
			return true
		case <-h.ctx.Done():
			return false
		case <-h.poke: // pump looks at requests itself
			if h.cause.Load() != 0 {
				return false
			}
		}
	}
}

// final is the last response for the reason the watch ends.
func (h *watch) final() *clientv3.WatchResponse {
	return h.w.final(cause(h.cause.Load()))
}

// compacted is the last response of a watch whose next revision is gone.
func (h *watch) compacted(r mvcc.WatchResponse) *clientv3.WatchResponse {
	return &clientv3.WatchResponse{
		Header:          h.w.header(h.stream.Rev()),
		CompactRevision: r.CompactRevision,
		Canceled:        true,
	}
}

// ask asks the store for a progress response of at least the present revision,
// again and again until it comes.
func (h *watch) ask() {
	h.asked = h.stream.Rev()
	h.pause = progressRetryMin
	if h.retry == nil {
		h.retry = time.NewTimer(h.pause)
	} else {
		h.retry.Reset(h.pause)
	}
	h.askStore()
}

func (h *watch) askStore() { h.stream.RequestProgress(h.id) }

func (h *watch) progressSeen() {
	h.asked = 0
	if h.retry != nil {
		h.retry.Stop()
	}
}
