package embed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	etcdembed "go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.uber.org/zap"

	"github.com/quorate/quorate/internal/dirlock"
)

// A Member is one etcd member running in this process. All its methods may be
// called from any goroutine, at any time.
type Member struct {
	cfg    Config
	log    *slog.Logger
	srv    *etcdserver.EtcdServer
	etcd   *etcdembed.Etcd // nil for a virtual member
	lock   *dirlock.Dir    // nil for a virtual member
	last   *lastWord
	guard  *spaceGuard
	clocks *sampler

	life   context.Context // ends when the member stops or dies; its cause is Err, or ErrStopped
	end    context.CancelCauseFunc
	view   *server
	client *clientv3.Client

	tasks    sync.WaitGroup // our own goroutines
	closeOne sync.Once
	closed   chan struct{} // etcd is closed; never, if a goroutine of it is held
	stopping chan struct{}
	stopOne  sync.Once
	done     chan struct{}
	doneOne  sync.Once
	err      error // set before done is closed
}

// Start starts a member and returns as soon as it runs; it does not wait for a
// leader or a quorum (see Ready). ctx bounds the start alone.
//
// It refuses with a *problem.Error that wraps one of this package's sentinels.
// When etcd dies inside the start, Dir and, as long as the process lives, the
// address of PeerURL and the Socket stay in use by what is left of it.
func Start(ctx context.Context, cfg Config) (*Member, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(false); err != nil {
		return nil, err
	}
	if err := cfg.absolute(); err != nil {
		return nil, err
	}
	lock, err := prepare(cfg)
	if err != nil {
		return nil, err
	}
	m := newMember(cfg)
	m.lock = lock
	if err := m.startEtcd(ctx); err != nil {
		m.end(err)
		return nil, err
	}
	m.run()
	return m, nil
}

// StartVirtual starts the bare etcd server: no listener, no fsync, no lock on
// the directory, nothing that waits for the outside. Inside a testing/synctest
// bubble it runs in virtual time, as one of thousands. It is alone in its
// cluster. Of cfg only Name, Dir, Tick, Election, QuotaBytes and Logger are
// used. ctx bounds nothing: the start is a matter of milliseconds.
func StartVirtual(_ context.Context, cfg Config) (*Member, error) {
	cfg.MinFreeBytes = -1
	cfg = cfg.withDefaults()
	if err := cfg.check(true); err != nil {
		return nil, err
	}
	m := newMember(cfg)
	sc, err := virtualConfig(cfg, m.zap())
	if err != nil {
		return nil, err
	}
	if m.srv, err = etcdserver.NewServer(sc); err != nil {
		return nil, classifyStart(err, cfg)
	}
	m.srv.Start()
	m.run()
	return m, nil
}

func newMember(cfg Config) *Member {
	m := &Member{
		cfg: cfg, log: cfg.Logger,
		last:     newLastWord(),
		closed:   make(chan struct{}),
		stopping: make(chan struct{}),
		done:     make(chan struct{}),
	}
	m.life, m.end = context.WithCancelCause(context.Background())
	dirs := []string{cfg.Dir}
	if cfg.WALDir != "" {
		dirs = append(dirs, cfg.WALDir)
	}
	m.guard = newSpaceGuard(cfg.MinFreeBytes, dirs...)
	m.last.doomed = func(err error) { m.lastRites(err) }
	return m
}

// zap is etcd's logger. Without a Logger it costs nothing, but keeps the hooks.
func (m *Member) zap() *zap.Logger {
	return newZap(m.log, m.last)
}

// started is what the starting goroutine has to say.
type started struct {
	etcd *etcdembed.Etcd
	err  error
	dead bool // etcd left something running
}

// startEtcd runs etcd's start on a goroutine of its own, because etcd may end
// it by a Fatal, which holds it for ever, or by a panic.
func (m *Member) startEtcd(ctx context.Context) error {
	ec, err := etcdConfig(m.cfg, m.zap(), m.serverOptions())
	if err != nil {
		m.lock.Unlock()
		return err
	}
	m.guard.look()
	result := make(chan started, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				result <- started{err: panicked(p), dead: true}
			}
		}()
		e, err := etcdembed.StartEtcd(ec)
		result <- started{etcd: e, err: err}
	}()

	select {
	case r := <-result:
		return m.startDone(r)
	case <-m.last.said:
		m.bury(m.last.err)
		return m.last.err
	case <-ctx.Done():
	}
	// The start cannot be interrupted. Whatever comes of it is cleared away, and
	// Dir is locked until then.
	go func() {
		select {
		case r := <-result:
			if err := m.startDone(r); err == nil {
				m.closeEtcd()
				<-m.closed
				m.lock.Unlock()
			}
		case <-m.last.said:
			m.bury(m.last.err)
		}
	}()
	return fmt.Errorf("start member %s: %w", m.cfg.Name, context.Cause(ctx))
}

func (m *Member) startDone(r started) error {
	switch {
	case r.dead:
		m.bury(r.err)
		return r.err
	case r.err != nil:
		m.lock.Unlock()
		return classifyStart(r.err, m.cfg)
	}
	m.etcd, m.srv = r.etcd, r.etcd.Server
	if m.cfg.Socket == "" {
		return nil
	}
	// etcd makes its socket 0755. That lets nobody else connect, since
	// connecting needs write permission, but it is not what was asked for.
	if err := os.Chmod(m.cfg.Socket, m.cfg.SocketMode); err != nil {
		m.closeEtcd()
		<-m.closed
		m.lock.Unlock()
		return fmt.Errorf("set mode of socket: %w", err)
	}
	return nil
}

// run starts what belongs to a running member.
func (m *Member) run() {
	m.view = newServer(m.srv, m.guard, m.life, m.cfg.Election)
	m.client = m.view.newClient(Seam{})
	m.clocks = newSampler(m.srv)
	m.tasks.Go(m.sample)
	m.tasks.Go(m.compact)
	go m.watchFate()
}

// watchFate waits for whatever ends the member.
func (m *Member) watchFate() {
	var listeners <-chan error
	if m.etcd != nil {
		listeners = m.etcd.Err()
	}
	for {
		select {
		case <-m.stopping:
			return
		case <-m.last.said:
			m.die(m.last.err)
			return
		case <-m.srv.StopNotify():
			m.stoppedItself()
			return
		case err, ok := <-listeners:
			if !ok {
				listeners = nil // etcd is being closed; StopNotify follows
				continue
			}
			if err == nil {
				continue
			}
			m.fail(refuseCause(ErrFatal, err, "member-died", "the member stopped serving", err.Error(), "restart the process"))
			return
		}
	}
}

// stoppedItself handles a server that ended without being told to, which it
// does when it learns that it is no longer a member.
func (m *Member) stoppedItself() {
	select {
	case <-m.stopping:
		return
	case <-m.last.said:
		m.die(m.last.err)
		return
	default:
	}
	err := refuse(ErrFatal, "member-died", "the member stopped by itself", "etcd's server ended", "restart the process; etcd's log has the reason")
	if m.srv.IsIDRemoved(uint64(m.srv.MemberID())) {
		err = refuse(ErrRemoved, "member-removed", "this member was removed from the cluster",
			"another node or person removed it", "to come back, move the directory "+m.cfg.Dir+" aside and join anew")
	}
	m.fail(err)
}

// fail ends a member whose server can still be closed in good order.
func (m *Member) fail(err error) {
	m.finish(err)
	m.closeEtcd()
	m.tellFatal(err)
}

// die ends a member of which a goroutine is held.
func (m *Member) die(err error) {
	m.bury(err)
	m.finish(err)
	// Cut it off: a leader whose apply loop is held would otherwise keep its
	// followers content with heartbeats and serve nobody.
	go m.srv.PauseSending()
	if m.etcd != nil {
		for _, p := range m.etcd.Peers {
			if p != nil && p.Listener != nil {
				go p.Listener.Close()
			}
		}
	}
	m.closeEtcd()
	m.tellFatal(err)
}

// finish makes the end known: Done closes, calls in flight return err.
func (m *Member) finish(err error) {
	m.doneOne.Do(func() {
		m.err = err
		m.log.Error("member ended", "member", m.cfg.Name, "error", err)
		m.end(err)
		close(m.done)
	})
}

func (m *Member) tellFatal(err error) {
	if m.cfg.OnFatal != nil {
		m.cfg.OnFatal(err)
	}
}

// lastRites says the last word of a process that a panic of etcd's is about to
// end.
func (m *Member) lastRites(err error) {
	m.finish(err)
	m.tellFatal(err)
}

func panicked(p any) error {
	err, ok := p.(error)
	if !ok {
		err = errors.New(fmt.Sprint(p))
	}
	return damaged("etcd panicked during the start: "+err.Error(), err)
}

// closeEtcd closes the server, then what etcd put around it, without waiting.
// This order takes milliseconds; Etcd.Close first waits seconds for open
// streams, and for ever on a member that was never ready (etcd#9533).
func (m *Member) closeEtcd() {
	m.closeOne.Do(func() {
		go func() {
			defer close(m.closed)
			m.srv.Stop()
			if m.etcd != nil {
				m.etcd.Close()
			}
		}()
	})
}

// deadPatience is how long Stop waits for a member that died: most likely, what
// has not ended by then never will.
const deadPatience = time.Second

// Stop stops the member and keeps its membership and data. It ends calls in
// flight with ErrStopped, hands leadership to another member if there is one,
// and returns when everything has ended, or when ctx does. Further calls wait
// for the same end.
//
// It returns nil, or what Err returns if the member had died, or an error that
// wraps the cause of ctx. A member that died leaves goroutines behind.
func (m *Member) Stop(ctx context.Context) error {
	m.stopOne.Do(func() { close(m.stopping) })
	m.end(ErrStopped)
	m.client.Close()
	m.closeEtcd()

	ended := make(chan struct{})
	go func() {
		defer close(ended)
		m.tasks.Wait()
		<-m.closed
	}()
	var dead <-chan time.Time
	if m.isDead() {
		t := time.NewTimer(deadPatience)
		defer t.Stop()
		dead = t.C
	}
	select {
	case <-ended:
		m.doneOne.Do(func() { close(m.done) })
		if m.lock != nil && !m.isDead() {
			m.lock.Unlock()
		}
		return m.err
	case <-dead:
		return m.err
	case <-ctx.Done():
		return fmt.Errorf("stop member %s: %w", m.cfg.Name, context.Cause(ctx))
	}
}

// isDead reports whether a goroutine of etcd's is held.
func (m *Member) isDead() bool {
	select {
	case <-m.last.said:
		return true
	default:
		return false
	}
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
