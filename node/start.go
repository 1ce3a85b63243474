package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/quorate/quorate/bootstrap"
	"github.com/quorate/quorate/embed"
	"github.com/quorate/quorate/internal/dirlock"
	"github.com/quorate/quorate/node/internal/testhook"
	"github.com/quorate/quorate/recipes"
)

// singleCluster is the cluster name of a node that has no others.
const singleCluster = "single"

// Start starts a node. It does what needs this machine only: it takes the data
// directory, opens the sockets and starts the member, which replays its log. It
// does not wait for others or for quorum; see [Node.Ready].
//
// An error is something that a person must mend here, and is an [*Error] that
// says how: [ErrConfig], [ErrDataDir], [ErrInUse], [ErrSocket],
// [ErrRestartProcess], or what package embed found. When Start fails it leaves
// nothing running and nothing open. ctx bounds Start only; the node ends with
// Close.
func Start(ctx context.Context, cfg Config) (_ *Node, err error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	life, endLife := context.WithCancelCause(context.Background())
	n := &Node{cfg: cfg, log: cfg.Logger, events: newEventLog(), done: make(chan struct{}), life: life, endLife: endLife, hook: testhook.From(ctx)}
	n.host = newHost(n)
	n.phase.Store(Starting)
	n.beat.Store(int64(time.Since(processStart)))
	defer func() {
		if err != nil {
			n.unwind()
		}
	}()
	if err := n.takeDir(); err != nil {
		return nil, err
	}
	if err := n.loadState(); err != nil {
		return nil, err
	}
	if err := n.checkKept(); err != nil {
		return nil, err
	}
	if err := n.loadIdentity(); err != nil {
		return nil, err
	}
	if err := n.openControl(); err != nil {
		return nil, err
	}
	if len(cfg.Join) > 0 {
		err = n.startCluster(ctx)
	} else {
		err = n.startSingle(ctx)
	}
	if err != nil {
		return nil, err
	}
	n.leases = openLeaseFile(n.dir, n.log)
	n.client, err = recipes.New(n.host.seat.Client(), recipes.Options{
		TTL: cfg.TTL, Owner: cfg.Name + ":" + strconv.Itoa(os.Getpid()), Logger: n.log,
		Remember: n.leases.remember, Missing: n.missing,
		Notify: func(e recipes.Event) {
			n.events.add(Event{Type: e.Type, Name: e.Name, Text: e.Text, Fence: e.Fence})
		},
	})
	if err != nil {
		return nil, fmt.Errorf("start recipes: %w", err)
	}
	n.phase.Store(Running)
	n.events.add(Event{Type: "started", Text: "the node has started: " + n.sockets.control})
	loopCtx, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	n.loop.Go(func() { n.run(loopCtx) })
	n.hook.Kill = n.kill
	return n, nil
}

// unwind undoes a Start that failed, in reverse.
func (n *Node) unwind() {
	n.endLife(ErrClosed)
	if err := n.stopMember(); err != nil {
		n.log.Warn("stop after a failed start", "err", err)
	}
	n.events.close()
	n.release(true)
}

// release gives back what takeDir and openControl took. clean says that the
// member has let go of the directory.
func (n *Node) release(clean bool) {
	if n.control != nil {
		n.control.stop() // which removes the socket
	}
	if n.temporary && clean {
		if err := os.RemoveAll(n.dir); err != nil {
			n.log.Warn("remove temporary data directory", "dir", n.dir, "err", err)
		}
	}
	if n.lock != nil {
		n.lock.Unlock()
	}
}

// takeDir makes the data directory ours: private, and locked against others.
func (n *Node) takeDir() error {
	n.dir = n.cfg.DataDir
	if n.dir == "" {
		dir, err := os.MkdirTemp("", "quorate-")
		if err != nil {
			return dirProblem("no temporary directory can be made", err.Error(), "set DataDir, or TMPDIR to a directory that can be written", err)
		}
		n.dir, n.temporary = dir, true
	}
	if err := os.MkdirAll(n.dir, 0o700); err != nil {
		return dirProblem("the data directory "+n.dir+" cannot be created", err.Error(), "create it for this user with mode 0700, or set DataDir elsewhere", err)
	}
	fi, err := os.Stat(n.dir)
	if err != nil {
		return dirProblem("the data directory "+n.dir+" cannot be read", err.Error(), "set DataDir elsewhere", err)
	}
	if m := fi.Mode().Perm(); m&0o077 != 0 {
		return dirProblem("the data directory "+n.dir+" is open to others", fmt.Sprintf("its mode is %#o, and it holds keys", m), "chmod 0700 "+n.dir, nil)
	}
	lock, err := dirlock.Lock(n.dir)
	if errors.Is(err, dirlock.ErrInUse) {
		p := Problem{Code: "in-use", What: "the data directory " + n.dir + " is in use", Why: err.Error(), Do: "stop the process that uses it, or set DataDir elsewhere"}
		var held *Error
		if errors.As(err, &held) {
			p.Why = held.Why // its other words are ours
		}
		return &Error{Problem: p, Err: ErrInUse}
	}
	if err != nil {
		return dirProblem("the data directory "+n.dir+" cannot be written", err.Error(), "make it writable for this user, or set DataDir elsewhere", err)
	}
	n.lock = lock
	return nil
}

func (n *Node) openControl() error {
	s, err := planSockets(n.cfg, n.dir)
	if err != nil {
		return err
	}
	l, err := s.listen()
	if err != nil {
		return err
	}
	n.sockets, n.etcdSocket = s, s.etcd
	n.control = serveControl(l, n, n.log)
	return nil
}

// memberDir is the member's directory in the data directory.
const memberDir = "etcd"

// startSingle starts a member that is alone, on a loopback port. The port is
// kept; when it was taken meanwhile another is chosen, since no other machine
// knows it.
func (n *Node) startSingle(ctx context.Context) error {
	const tries = 8
	for try := 1; ; try++ {
		if err := n.choosePort(try == 1); err != nil {
			return err
		}
		err := n.host.Start(ctx, nil, false)
		if errors.Is(err, syscall.EADDRINUSE) && try < tries {
			continue // somebody was faster between the choice and the use
		}
		if err != nil {
			return err
		}
		return n.noteSingle()
	}
}

func (n *Node) choosePort(kept bool) error {
	port := 0
	if kept {
		port = n.state.Ports.Raft
	}
	l, err := net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
	if err != nil && port != 0 {
		n.log.Info("the raft port is taken, choosing another", "port", port, "err", err)
		l, err = net.Listen("tcp", net.JoinHostPort(loopback, "0"))
	}
	if err != nil {
		return &Error{Problem: Problem{Code: "port", What: "no loopback port can be opened for raft", Why: err.Error(), Do: "see that " + loopback + " is up: ip addr show lo"}, Err: err}
	}
	p := n.state.Ports
	p.Raft = l.Addr().(*net.TCPAddr).Port
	l.Close()
	return n.keepPorts(p)
}

const loopback = "127.0.0.1"

func peerURL(port int) string {
	return "https://" + net.JoinHostPort(loopback, strconv.Itoa(port))
}

// memberConfig is the member's configuration on the roster r, or alone.
func (n *Node) memberConfig(r *bootstrap.Roster) embed.Config {
	f := n.identity.load().files
	c := embed.Config{
		Name: n.state.ID, Dir: n.host.dir(), WALDir: n.cfg.WALDir,
		PeerURL: peerURL(n.state.Ports.Raft), ListenURL: n.listenURL, Token: "quorate/v1/" + singleCluster + "/" + n.state.ID,
		PeerTLS: embed.PeerTLS{
			CertFile: f.CertFile, KeyFile: f.KeyFile, ClientCertFile: f.ClientCertFile, ClientKeyFile: f.ClientKeyFile,
			CAFile: f.CAFile, ServerName: f.ServerName, AllowedCNs: f.AllowedCNs,
		},
		Socket: n.etcdSocket, SocketMode: n.sockets.mode,
		Tick: n.cfg.Timing.Tick, Election: n.cfg.Timing.Election, MinFreeBytes: minFreeBytes,
		Logger: n.log, OnFatal: n.cfg.OnFatal, EtcdConfig: n.cfg.EtcdConfig,
	}
	if r != nil {
		c.InitialCluster, c.Token = r.InitialCluster(), r.Token()
		if own, ok := r.Founder(n.state.ID); ok {
			c.PeerURL = own.PeerURL
		}
	}
	return c
}

func dirProblem(what, why, do string, err error) error {
	return &Error{Problem: Problem{Code: "data-dir", What: what, Why: why, Do: do}, Err: errors.Join(ErrDataDir, err)}
}
