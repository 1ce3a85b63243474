package embed

import (
	"context"
	"fmt"
	"time"
)

// watchFate waits for whatever ends the member.
func (m *Member) watchFate() {
	var listeners <-chan error
	if m.etcd != nil {
		listeners = m.etcd.Err()
	}
	for {
		select {
		case <-m.stopping:
			select {
			case <-m.done:
			case <-m.last.said: // it dies of being stopped
				m.die(m.last.err)
			}
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
			if err == nil || m.isStopping() { // a listener that we close complains
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
	if m.isStopping() {
		return
	}
	if m.isDead() {
		m.die(m.last.err)
		return
	}
	err := refuse(ErrFatal, "member-died", "the member stopped by itself", "etcd's server ended", "restart the process; etcd's log has the reason")
	if m.removed.Load() || m.srv.IsIDRemoved(uint64(m.srv.MemberID())) {
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
		m.tellOne.Do(func() { m.cfg.OnFatal(err) })
	}
}

// lastRites says the last word of a process that a panic of etcd's is about to
// end.
func (m *Member) lastRites(err error) {
	m.finish(err)
	m.tellFatal(err)
}

// closeEtcd closes the server, then what etcd put around it, without waiting.
// This order takes milliseconds; Etcd.Close first waits seconds for open
// streams, and for ever on a member that was never ready (etcd#9533).
func (m *Member) closeEtcd() {
	m.closeEtcdOne.Do(func() {
		go func() {
			defer close(m.closed)
			m.stopServer()
			if m.etcd != nil {
				m.etcd.Close()
			}
		}()
	})
}

// stopServer stops the server after it has handed leadership on. etcd would wait
// for that for two elections and five seconds more, but raft gives it up after
// one: by then the member that was to lead has stopped too, as when all do at
// once. What still waits ends with the server.
func (m *Member) stopServer() {
	handed := make(chan struct{})
	go func() {
		defer close(handed)
		if m.abrupt.Load() {
			return
		}
		if err := m.srv.TryTransferLeadershipOnShutdown(); err != nil {
			m.log.Info("leadership was not handed on", "error", err)
		}
	}()
	t := time.NewTimer(m.cfg.Election)
	defer t.Stop()
	select {
	case <-handed:
	case <-t.C:
	}
	m.srv.HardStop()
	<-handed
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
	go m.closeAll()

	var patience <-chan time.Time
	said := m.last.said
	for {
		select {
		case <-m.ended:
			return m.Err()
		case <-said:
			said = nil
			t := time.NewTimer(deadPatience)
			defer t.Stop()
			patience = t.C
		case <-patience:
			return m.Err()
		case <-ctx.Done():
			return fmt.Errorf("stop member %s: %w", m.cfg.Name, context.Cause(ctx))
		}
	}
}

// Abandon is Stop without handing leadership on: the others find out by
// themselves, as they do when a process is killed. It is for tests of that.
func (m *Member) Abandon(ctx context.Context) error {
	m.abrupt.Store(true)
	return m.Stop(ctx)
}

// closeAll closes from the outside in and gives the directory back. It does not
// return if a goroutine that it waits for is held.
func (m *Member) closeAll() {
	m.closeOne.Do(func() {
		m.client.Close()
		m.closeEtcd()
		m.tasks.Wait()
		<-m.closed
		if !m.isDead() {
			m.locks.unlock()
		}
		m.doneOne.Do(func() { close(m.done) })
		close(m.ended)
	})
}

func (m *Member) isStopping() bool {
	select {
	case <-m.stopping:
		return true
	default:
		return false
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
