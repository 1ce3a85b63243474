package embed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	etcdembed "go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.uber.org/zap"
)

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
	held, err := prepare(cfg)
	if err != nil {
		return nil, err
	}
	m := newMember(cfg)
	m.locks = held
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
		ended:    make(chan struct{}),
		stopping: make(chan struct{}),
		done:     make(chan struct{}),
	}
	m.fresh = !wal.Exist(walDir(cfg))
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
	return newZap(m.log, m.last, newEar(&m.removed))
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
		m.locks.unlock()
		return err
	}
	// The escape hatch may have changed what we count with.
	m.cfg.QuotaBytes = ec.QuotaBackendBytes
	m.cfg.Election = time.Duration(ec.ElectionMs) * time.Millisecond
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
				m.locks.unlock()
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
		m.locks.unlock()
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
		m.locks.unlock()
		return fmt.Errorf("set mode of socket: %w", err)
	}
	return nil
}

// run starts what belongs to a running member.
func (m *Member) run() {
	m.view = newServer(m.srv, m.guard, m.life, m.cfg.Election)
	m.calls = m.view.remotes(Seam{})
	m.client = m.view.newClient(Seam{})
	m.clocks = newSampler(m.srv)
	if m.fresh {
		m.tasks.Go(m.campaign)
	}
	m.tasks.Go(m.sample)
	m.tasks.Go(m.compact)
	go m.watchFate()
}

func panicked(p any) error {
	err, ok := p.(error)
	if !ok {
		err = errors.New(fmt.Sprint(p))
	}
	return damaged("etcd panicked during the start: "+err.Error(), err)
}
