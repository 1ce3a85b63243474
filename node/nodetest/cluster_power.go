package nodetest

import (
	"errors"
	"sync"

	"github.com/quorate/quorate/node"
)

// Stop closes node i as a program does that ends in order. Its data and its
// membership stay; see [Machines.Restart].
func (m *Machines) Stop(i int) {
	m.t.Helper()
	x := m.at(i)
	if err := m.Node(i).Close(); err != nil {
		m.t.Errorf("close %s: %v", x.cfg.Name, err)
	}
	m.wire.unplug(i)
	x.node = nil
}

// Kill ends these nodes at the same moment, as nearly like kill -9 as can be
// done inside a process: from this moment nothing of theirs reaches anybody.
// They give no lock back, so what they hold stays until its lease ends or they
// come back; they hand no leadership on and say no goodbye; nothing more goes to
// their lists of leases on disk. The other nodes see connections that close, as
// they do when a kernel tidies up after a process; for a machine that falls
// silent use [Machines.Isolate] before.
//
// What a process has and a test cannot lose stays: goroutines of the test, whose
// contexts end and whose calls return errors. The sockets and the lock file are
// removed in order.
func (m *Machines) Kill(which ...int) {
	m.t.Helper()
	for _, i := range which {
		m.Node(i)
	}
	for _, i := range which {
		m.all[i].gate.Shut()
		m.wire.cut(i, true)
	}
	var wg sync.WaitGroup
	for _, i := range which {
		wg.Go(m.all[i].hook.Kill)
	}
	wg.Wait()
	for _, i := range which {
		m.wire.unplug(i)
		m.all[i].node = nil
		m.connect(i)
	}
}

// Restart starts node i on its data, after Stop or Kill; a node that runs is
// stopped first. It does not wait for a quorum, without which a node starts as
// well: see [node.Node.Ready].
func (m *Machines) Restart(i int) *node.Node {
	m.t.Helper()
	if m.at(i).node != nil {
		m.Stop(i)
	}
	m.start(i)
	return m.Node(i)
}

// Isolate cuts node i off: raft, gossip and cluster RPC, in both directions. It
// stays so over Stop, Kill and Restart, until [Machines.Heal]. Packets of gossip
// vanish; connections are closed and new ones fail at once, where a pulled cable
// would let them hang. The unix sockets and calls in this process go on.
func (m *Machines) Isolate(i int) {
	m.t.Helper()
	m.at(i).isolated = true
	m.connect(i)
}

// Heal ends [Machines.Isolate].
func (m *Machines) Heal(i int) {
	m.t.Helper()
	m.at(i).isolated = false
	m.connect(i)
}

// connect makes the network of machine i as isolated says.
func (m *Machines) connect(i int) {
	x := m.all[i]
	if x.isolated {
		x.gate.Shut()
	} else {
		x.gate.Open()
	}
	m.wire.cut(i, x.isolated)
}

// close ends all nodes with the test: who leads last, since a leader waits for
// whom it hands on to, and that one stops as well.
func (m *Machines) close() {
	var last *machine
	var wg sync.WaitGroup
	end := func(i int, x *machine) {
		if err := x.node.Err(); err != nil {
			m.t.Errorf("%s ended by itself: %v", x.cfg.Name, err)
		}
		if err := x.node.Close(); err != nil && !errors.Is(err, node.ErrClosed) {
			m.t.Errorf("close %s: %v", x.cfg.Name, err)
		}
		m.wire.unplug(i)
	}
	for i, x := range m.all {
		switch {
		case x.node == nil:
		case last == nil && x.node.Status().Leader == x.id:
			last = x
			defer end(i, x)
		default:
			wg.Go(func() { end(i, x) })
		}
	}
	wg.Wait()
}
