package node

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/bootstrap"
	"github.com/quorate/quorate/internal/dirlock"
	"github.com/quorate/quorate/node/internal/testhook"
	"github.com/quorate/quorate/recipes"
)

// A Node is one member of a coordination cluster inside this process. It is
// made by [Start] and safe for concurrent use.
type Node struct {
	cfg        Config
	log        *slog.Logger
	dir        string // the data directory
	temporary  bool   // Close removes dir
	lock       *dirlock.Dir
	sockets    sockets
	etcdSocket string
	events     *eventLog
	control    *control
	leases     *leaseFile

	state    bootstrap.State // written by Start only
	identity identity        // certificates; replaced by the state loop only
	host     *host           // the member, which comes and goes
	fellows  *fellows        // nil for a single node
	client   *recipes.Client

	gossipKey [32]byte       // of a cluster
	listenURL string         // where the member listens, if not at its peer URL
	hook      *testhook.Hook // never nil

	cancel     context.CancelFunc        // ends the state loop
	loop       sync.WaitGroup            // the state loop and what it started
	hadQuorum  bool                      // owned by the state loop
	beat       atomic.Int64              // when the state loop last turned, as boot-monotonic nanoseconds
	phase      atomic.Value              // Phase
	found      atomic.Pointer[error]     // what the corruption check found
	leaderless atomic.Pointer[time.Time] // since when no raft leader is known; nil if one is

	life      context.Context // ends with the cause when Close begins or the node ends by itself
	endLife   context.CancelCauseFunc
	closeOnce sync.Once
	done      chan struct{} // the node has ended
	doneOnce  sync.Once
	err       error // why; written before done closes
}

// Recipes returns this process's access to the recipes; it makes a *Node a
// [recipes.Source].
func (n *Node) Recipes() *recipes.Client { return n.client }

// Etcd returns the etcd client of the member in this process: calls are direct,
// without a socket. It belongs to the node and must not be closed.
//
// Reads wait out a change of leader; writes are never retried, so an error may
// hide a success. Watches whose reader is slow end with a compaction error in
// the end, rather than take memory without bound.
func (n *Node) Etcd() *clientv3.Client { return n.client.Etcd() }

// Mutex returns the lock of that name, [recipes.Client.Mutex] of this node.
func (n *Node) Mutex(name string, opts ...recipes.LockOptions) *recipes.Mutex {
	return n.client.Mutex(name, opts...)
}

// Socket returns the path of the control socket, for [Dial], [Remote] and the
// PEER_SOCKET of child processes.
func (n *Node) Socket() string { return n.sockets.control }

// DataDir returns the directory that holds what this node keeps.
func (n *Node) DataDir() string { return n.dir }

// Ready waits until one linearizable read has succeeded: the node then has
// quorum and can do all it is made for. It returns an error that wraps
// [ErrNoQuorum] and ctx's when ctx ends first, the cause when the node has
// ended, and [ErrClosed] after Close.
func (n *Node) Ready(ctx context.Context) error {
	if n.phase.Load().(Phase) == Starting {
		return fmt.Errorf("wait for quorum: the node is still starting: %w", ErrNoQuorum)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(n.life, cancel)()
	for {
		_, err := n.Etcd().Get(ctx, readyKey, clientv3.WithCountOnly())
		if err == nil {
			return nil
		}
		select {
		case <-n.life.Done():
			return context.Cause(n.life)
		case <-ctx.Done():
			return fmt.Errorf("wait for quorum: %w: %s: %w", ErrNoQuorum, n.missing(), context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// readyKey is read, never written: a read of an absent key takes the same
// round through a majority.
const readyKey = "/quorate/v1/sys/ready"

// Done is closed when the node has ended, by Close or by itself.
func (n *Node) Done() <-chan struct{} { return n.done }

// Err returns nil until Done is closed and after Close, and the cause of a node
// that ended by itself. The cause is an [*Error] where a person can do
// something.
func (n *Node) Err() error {
	select {
	case <-n.done:
		return n.err
	default:
		return nil
	}
}

// end records why the node ended; the first cause stays.
func (n *Node) end(err error) {
	n.doneOnce.Do(func() {
		n.err = err
		n.phase.Store(Stopped)
		if err == nil {
			err = ErrClosed
		}
		n.endLife(err)
		close(n.done)
	})
}

// Close gives back what the node holds and stops it: contexts of held locks end
// first; callbacks have Config.CloseTimeout to return; then leases are revoked,
// the member stops and the sockets go. Data and membership stay; a temporary
// directory is removed. It returns when every goroutine of the node has ended,
// or with an error after its bound. A second Close returns [ErrClosed].
func (n *Node) Close() error {
	err := ErrClosed
	n.closeOnce.Do(func() { err = n.close() })
	return err
}
