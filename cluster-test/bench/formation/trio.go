package formation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/quorate/quorate/node"
)

// patience bounds whatever a trial waits for: more than any target by far, so
// that what misses one is measured and not refused.
const patience = 60 * time.Second

const clusterName = "bench"

// A site is where the clusters of a bench run.
type site struct {
	dir, peer string // peer is the built program
	say       func(format string, args ...any)
}

// A trio is three nodes that form a cluster, on one machine.
type trio struct {
	dir   string
	nodes []*box
}

// A box is one node of them: its files, and its process if it runs.
type box struct {
	site                 *site
	name, dir, config    string
	socket, etcd, secret string
	addr                 netip.AddrPort // of gossip
	join                 []string
	*process
}

// newTrio writes three configurations, for addresses that differ by port on
// loopback or are as given.
func (s *site) newTrio(addrs ...netip.AddrPort) (*trio, error) {
	dir, err := os.MkdirTemp(s.dir, "t")
	if err != nil {
		return nil, err
	}
	t := &trio{dir: dir}
	if addrs == nil {
		if addrs, err = loopbacks(3); err != nil {
			return nil, err
		}
	}
	var join []string
	for _, a := range addrs {
		join = append(join, a.String())
	}
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte(node.NewSecret()+"\n"), 0o600); err != nil {
		return nil, err
	}
	for i, a := range addrs {
		name := fmt.Sprint("n", i+1)
		b := &box{site: s, name: name, dir: filepath.Join(dir, name), addr: a, join: join, secret: secret}
		b.config, b.socket, b.etcd = filepath.Join(b.dir, "peer.yaml"), filepath.Join(b.dir, "peer.sock"), filepath.Join(b.dir, "etcd.sock")
		text := fmt.Sprintf("name: %s\ncluster: %s\njoin: [%s]\nsecret_file: %s\ndata_dir: %s\nbase_port: %d\nsocket: %s\n",
			name, clusterName, quoted(join), secret, filepath.Join(b.dir, "data"), a.Port(), b.socket)
		if err := os.Mkdir(b.dir, 0o700); err != nil {
			return nil, err
		}
		if err := os.WriteFile(b.config, []byte(text), 0o600); err != nil {
			return nil, err
		}
		t.nodes = append(t.nodes, b)
	}
	return t, nil
}

func quoted(list []string) string { return `"` + strings.Join(list, `", "`) + `"` }

// start starts the node's process.
func (b *box) start(ctx context.Context) error {
	p, err := start(ctx, launch{args: []string{b.site.peer, "run", "--config", b.config}, log: filepath.Join(b.dir, "log")})
	b.process = p
	return err
}

func (t *trio) start(ctx context.Context) error {
	for _, b := range t.nodes {
		if err := b.start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// formed starts the nodes and waits until all are ready.
func (s *site) formed(ctx context.Context) (*trio, error) {
	t, err := s.newTrio()
	if err != nil {
		return nil, err
	}
	if err := t.start(ctx); err != nil {
		t.end()
		return nil, err
	}
	if err := t.ready(ctx); err != nil {
		t.end()
		return nil, err
	}
	return t, nil
}

// end kills what runs and removes what was written.
func (t *trio) end() {
	t.kill()
	os.RemoveAll(t.dir)
}

func (t *trio) kill() {
	for _, b := range t.nodes {
		if b.process != nil {
			b.signal(syscall.SIGKILL)
		}
	}
	for _, b := range t.nodes {
		if b.process != nil {
			<-b.done
		}
	}
}

// stop ends the node in good order.
func (b *box) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := b.signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := b.wait(ctx); err != nil {
		return b.explain(fmt.Errorf("stop %s: %w", b.name, err))
	}
	return nil
}

// ready waits until every node has read through a majority. A look that failed
// is repeated after 50 ms, which counts against us.
func (t *trio) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return together(len(t.nodes), func(i int) error { return t.nodes[i].ready(ctx) })
}

func (b *box) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := (node.Remote{Socket: b.socket}).WaitReady(ctx, true); err != nil {
		return b.explain(fmt.Errorf("%s is not ready: %w", b.name, err))
	}
	return nil
}

// together runs f for 0 to n-1 at the same time.
func together(n int, f func(i int) error) error {
	errs := make(chan error, n)
	for i := range n {
		go func() { errs <- f(i) }()
	}
	var all []error
	for range n {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

// settled waits until all nodes name the same leader and miss nobody, and
// returns the leader and the others.
func (t *trio) settled(ctx context.Context) (leader *box, others []*box, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		leader, others = nil, nil
		var names []string
		for _, b := range t.nodes {
			s, err := node.Remote{Socket: b.socket}.Status(ctx)
			if err != nil || !s.Quorum || len(s.Problems) > 0 {
				continue
			}
			names = append(names, s.Leader)
			if s.Leader == s.ID {
				leader = b
			} else {
				others = append(others, b)
			}
		}
		if leader != nil && len(others) == 2 && names[0] == names[1] && names[1] == names[2] {
			return leader, others, nil
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return nil, nil, fmt.Errorf("wait for one leader and nobody missing: %w", err)
		}
	}
}

// client speaks to the node's etcd over its socket.
func (b *box) client() (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{Endpoints: []string{"unix://" + b.etcd}, DialTimeout: 5 * time.Second, Logger: zap.NewNop()})
}

// loopbacks finds addresses on loopback with three free ports each, below those
// that the kernel gives to outgoing connections: a node that comes back must
// find its own again.
func loopbacks(n int) ([]netip.AddrPort, error) {
	const low, high, width = 10000, 32000, 10
	var found []netip.AddrPort
	taken := map[int]bool{}
	for range 1000 {
		base := low + width*rand.IntN((high-low)/width)
		if taken[base] || !portsFree(base) {
			continue
		}
		taken[base] = true
		found = append(found, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(base)))
		if len(found) == n {
			return found, nil
		}
	}
	return nil, errors.New("find free ports on loopback: there are none")
}

func portsFree(base int) bool {
	var open []io.Closer
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	u, err := net.ListenPacket("udp", fmt.Sprint("127.0.0.1:", base))
	if err != nil {
		return false
	}
	open = append(open, u)
	for i := range 3 {
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", base+i))
		if err != nil {
			return false
		}
		open = append(open, l)
	}
	return true
}
