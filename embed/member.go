package embed

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	clientv3 "go.etcd.io/etcd/client/v3"
	etcdembed "go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver"
)

// A Member is one etcd member running in this process. All its methods may be
// called from any goroutine, at any time.
type Member struct {
	cfg   Config
	log   *slog.Logger
	srv   *etcdserver.EtcdServer
	etcd  *etcdembed.Etcd // nil for a virtual member
	locks locks           // none for a virtual member
	last  *lastWord
	guard *spaceGuard

	fresh   bool        // it has no past: this start made its log
	removed atomic.Bool // etcd said that this member was removed
	abrupt  atomic.Bool // it is stopped without handing leadership on
	clocks  *sampler

	life   context.Context // ends when the member stops or dies; its cause is Err, or ErrStopped
	end    context.CancelCauseFunc
	view   *server
	calls  remotes // of client, for the seat
	client *clientv3.Client

	tasks sync.WaitGroup // our own goroutines

	// How it ends, in this order. What is closed by closing etcd stays open for
	// ever if a goroutine of etcd's is held.
	stopping chan struct{} // Stop was called
	closed   chan struct{} // etcd is closed
	ended    chan struct{} // everything is closed
	done     chan struct{} // it has stopped or died
	err      error         // set before done is closed

	stopOne, closeOne, closeEtcdOne, doneOne, tellOne sync.Once
}

// Client is the member's own in-process client. It is closed by Stop, not by
// those who use it.
//
// Reads are repeated over changes of leader until their context ends. Writes
// are sent once: an error that is not a refusal leaves open whether the write
// happened.
func (m *Member) Client() *clientv3.Client { return m.client }

// NewClient makes a further in-process client, with a seam if one is wanted.
// The caller closes it; Stop ends it in any case.
func (m *Member) NewClient(s Seam) *clientv3.Client { return m.view.newClient(s) }

// Ready is closed once the member has taken part in a quorum for the first
// time. It stays open if it never does.
func (m *Member) Ready() <-chan struct{} { return m.srv.ReadyNotify() }

// Done is closed when the member has stopped or died.
func (m *Member) Done() <-chan struct{} { return m.done }

// Err is nil until Done is closed, and after Stop; otherwise it says why the
// member died, as a *problem.Error.
func (m *Member) Err() error {
	select {
	case <-m.done:
		return m.err
	default:
		return nil
	}
}
