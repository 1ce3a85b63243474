package formation

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/cluster-test/bench/figure"
	"github.com/quorate/quorate/node"
)

// The machines of boxesOff, which exist in networks that the bench makes for its
// own processes and that end with them. Ports differ because at first all three
// addresses are one machine's.
var offAddrs = []netip.AddrPort{
	netip.MustParseAddrPort("10.98.0.1:4780"), netip.MustParseAddrPort("10.98.0.2:4790"), netip.MustParseAddrPort("10.98.0.3:4800"),
}

// Packets to the other two machines go out to a link on which nobody takes
// them: no answer comes, not even that there is nobody.
const swallowing = `
ip link set lo up
ip link add v0 type veth peer name v1
ip link set v0 up
ip link set v1 up
ip addr add 10.98.0.1/24 dev v0
ip neigh add 10.98.0.2 lladdr 02:00:00:00:00:02 dev v0 nud permanent
ip neigh add 10.98.0.3 lladdr 02:00:00:00:00:03 dev v0 nud permanent
`

// All three addresses are one machine, so that a cluster can form.
const together3 = `
ip link set lo up
ip addr add 10.98.0.1/32 dev lo
ip addr add 10.98.0.2/32 dev lo
ip addr add 10.98.0.3/32 dev lo
`

// hide gives a process a network of its own, in which it may do what it likes.
func hide(a *syscall.SysProcAttr) {
	a.Cloneflags = syscall.CLONE_NEWNET
	if os.Getuid() != 0 {
		a.Cloneflags |= syscall.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
}

// boxesOff starts one node of three whose other machines are switched off. All
// times are from the exec of its process. A member has data, a new node has
// none.
func boxesOff(ctx context.Context, s *site) ([]figure.Row, error) {
	const runs = 10
	if why := s.noNetwork(ctx); why != nil {
		s.say("two boxes off: skipped: %v", why)
		return []figure.Row{figure.Print("skipped: two boxes off", 1, "skip")}, nil
	}
	t, err := s.newTrio(offAddrs...)
	if err != nil {
		return nil, err
	}
	defer t.end()
	if err := t.formHidden(ctx); err != nil {
		return nil, fmt.Errorf("form a cluster: %w", err)
	}
	var member, fresh offTimes
	err = s.each(ctx, "two boxes off", runs, func(int) (string, error) {
		if err := t.nodes[0].alone(ctx, t.nodes[1:], true, &member); err != nil {
			return "", fmt.Errorf("a member: %w", err)
		}
		f, err := s.newTrio(offAddrs...)
		if err != nil {
			return "", err
		}
		defer f.end()
		if err := f.nodes[0].alone(ctx, f.nodes[1:], false, &fresh); err != nil {
			return "", fmt.Errorf("a new node: %w", err)
		}
		return fmt.Sprintf("a member %s, a new node %s", member.latest(), fresh.latest()), nil
	})
	if err != nil {
		return nil, err
	}
	row := func(name string, times []time.Duration) figure.Row {
		return figure.AtMost("two boxes off, "+name, figure.Milliseconds(figure.Quantile(times, 0.95)), "ms", 1000, "p95")
	}
	return []figure.Row{
		row("a member: Start returns", member.started),
		row("a member: local state readable", member.readable),
		row("a member: Status names both", member.named),
		row("a new node: Start returns", fresh.started),
		row("a new node: Status names both", fresh.named),
	}, nil
}

// noNetwork says why the bench cannot make a network of its own, or nil.
func (s *site) noNetwork(ctx context.Context) error {
	for _, name := range []string{"sh", "ip"} {
		if _, err := exec.LookPath(name); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	p, err := start(ctx, launch{args: []string{"sh", "-ec", swallowing}, log: filepath.Join(s.dir, "network"), hidden: true})
	if err != nil {
		return err
	}
	if err := p.wait(ctx); err != nil {
		return p.explain(err)
	}
	return nil
}

// formHidden forms a cluster of the three, all on one machine of their own,
// writes a key and pulls the plug.
func (t *trio) formHidden(ctx context.Context) error {
	script := together3
	for _, b := range t.nodes {
		script += fmt.Sprintf("%s run --config %s 2>%s &\n", b.site.peer, b.config, filepath.Join(b.dir, "log"))
	}
	all, err := start(ctx, launch{args: []string{"sh", "-ec", script + "wait\n"}, log: filepath.Join(t.dir, "log"), hidden: true})
	if err != nil {
		return err
	}
	for _, b := range t.nodes {
		b.process = all
	}
	defer t.kill()
	if err := t.ready(ctx); err != nil {
		return err
	}
	c, err := t.nodes[0].client()
	if err != nil {
		return err
	}
	defer c.Close()
	// Without quorum a member takes for committed what it knew to be when it last
	// wrote to its log, so something must follow the key.
	for range 10 {
		if _, err := c.Put(ctx, offKey, "v"); err != nil {
			return err
		}
	}
	return nil
}

const offKey = "/bench/off"

// offTimes are the times of the runs so far.
type offTimes struct{ started, readable, named []time.Duration }

func (o *offTimes) latest() string {
	last := func(times []time.Duration) string { return ms(times[len(times)-1]) }
	return "started " + last(o.started) + ", readable " + last(o.readable) + ", both named " + last(o.named)
}

// AloneArg makes this program the child that boxesOff starts: a program that has
// a node inside, since a node that misses the others is readable in process
// only. etcd opens its socket to clients when it has had quorum.
const AloneArg = "alone-child"

// loneNode is what such a child reads on stdin.
type loneNode struct {
	Node   insideNode
	Others []string // gossip addresses of those that are off
	Member bool     // there is something on its disk to read
}

// Alone is that child. It says started, readable and named, each when it is so,
// and stays until stdin ends.
func Alone(stdin io.Reader) error {
	var in loneNode
	d := json.NewDecoder(stdin)
	if err := d.Decode(&in); err != nil {
		return err
	}
	n, err := node.Start(context.Background(), in.Node.config())
	if err != nil {
		return err
	}
	defer n.Close()
	fmt.Println("started")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	// The log is applied beside whatever runs already.
	for in.Member {
		got, err := n.Etcd().Get(ctx, offKey, clientv3.WithSerializable())
		if err != nil {
			return fmt.Errorf("read local state: %w", err)
		}
		if len(got.Kvs) == 1 {
			break
		}
		if err := pause(ctx, time.Millisecond); err != nil {
			return fmt.Errorf("what was written is not there: %w", err)
		}
	}
	fmt.Println("readable")
	for !names(n.Status(), in.Others) {
		if err := pause(ctx, time.Millisecond); err != nil {
			return fmt.Errorf("the status does not name both: %w: %+v", err, n.Status())
		}
	}
	fmt.Println("named")
	_, err = io.Copy(io.Discard, stdin)
	return err
}

// alone starts the node where the others are switched off.
func (b *box) alone(ctx context.Context, others []*box, member bool, times *offTimes) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	out, line := said()
	// The network first, then the program, in one process.
	p, err := start(ctx, launch{
		args: []string{"sh", "-ec", swallowing + "echo up\nread go\nexec " + self + " " + AloneArg + "\n"},
		log:  filepath.Join(b.dir, "log"), stdout: out, hidden: true,
	})
	if err != nil {
		return err
	}
	b.process = p
	defer b.kill()
	if _, err := line(ctx, p); err != nil {
		return err
	}
	in := loneNode{Node: b.inside(), Member: member}
	for _, o := range others {
		in.Others = append(in.Others, o.addr.String())
	}
	begin := time.Now()
	if _, err := p.stdin.Write([]byte("go\n")); err != nil {
		return err
	}
	if err := json.NewEncoder(p.stdin).Encode(in); err != nil {
		return err
	}
	for _, step := range []struct {
		word string
		took *[]time.Duration
	}{{"started", &times.started}, {"readable", &times.readable}, {"named", &times.named}} {
		got, err := line(ctx, p)
		if err == nil && got != step.word {
			err = p.explain(fmt.Errorf("it said %q", got))
		}
		if err != nil {
			return fmt.Errorf("until it is %s: %w", step.word, err)
		}
		*step.took = append(*step.took, time.Since(begin))
	}
	return nil
}

// names reports whether the status says of each of the others that it is not
// there, in a problem, by its name, its address or its ID.
func names(s node.Status, others []string) bool {
	text := ""
	for _, p := range s.Problems {
		text += p.What + " " + p.Why + " "
	}
	for _, addr := range others {
		found := strings.Contains(text, addr)
		for _, m := range s.Members {
			if m.Address == addr {
				found = found || m.ID != "" && strings.Contains(text, m.ID) || m.Name != "" && strings.Contains(text, m.Name)
			}
		}
		if !found {
			return false
		}
	}
	return true
}
