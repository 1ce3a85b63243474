package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/quorate/quorate/node"
)

// stopLimit is the time after which a node that was asked to stop is killed.
const stopLimit = 20 * time.Second

// A fleet is the processes of dev --nodes. One goroutine, run, owns all of it;
// the others send to its channels.
type fleet struct {
	c     *call
	dir   string
	plan  plan
	exe   string
	args  []string // what each process is called with
	nodes []*devNode
	board *board
	begin time.Time

	spawner chan func() // see startOn
	exits   chan exited
	looks   chan look
	asks    chan ask

	ready  bool // it has had quorum everywhere
	ending bool
	failed error
}

// A devNode is one of them.
type devNode struct {
	name, dir string
	base      int

	cmd     *exec.Cmd // nil if no process runs
	kill    *time.Timer
	state   string // for people: running, paused, stopping, killed, …
	doom    string // what state will be once the process has ended
	again   bool   // and then it is started again
	waiting []chan error
	seen    node.Status
	fault   error // why seen is not new
}

type (
	exited struct {
		n   *devNode
		err error
	}
	look struct {
		n      *devNode
		status node.Status
		err    error
	}
)

func newFleet(c *call, dir string, p plan) (*fleet, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	f := &fleet{
		c: c, dir: dir, plan: p, exe: exe, args: append(c.again("node"), "--log-level="+c.flags.String("log-level")),
		board: newBoard(c.app.Writer), begin: time.Now(),
		spawner: make(chan func()), exits: make(chan exited), looks: make(chan look), asks: make(chan ask),
	}
	for i, base := range p.Bases {
		name := "n" + strconv.Itoa(i+1)
		f.nodes = append(f.nodes, &devNode{name: name, dir: filepath.Join(dir, name), base: base})
	}
	return f, nil
}

// run starts the nodes and stays until the command is ended and none is left.
func (f *fleet) run() error {
	control, err := f.listen()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(f.c.ctx))
	var helpers sync.WaitGroup
	defer helpers.Wait()
	defer cancel()
	helpers.Go(func() { f.startOn(ctx) })
	helpers.Go(func() { f.serve(ctx, control) })
	for _, n := range f.nodes {
		helpers.Go(func() { f.watch(ctx, n) })
	}
	f.board.say(fmt.Sprintf("starting %d nodes in %s", len(f.nodes), f.dir))
	for _, n := range f.nodes {
		if err := f.start(n); err != nil {
			f.failed = err
			f.end()
			break
		}
	}
	asked := f.c.ctx.Done()
	for f.alive() || !f.ending {
		f.board.rows(f.rows())
		select {
		case <-asked:
			asked = nil
			f.end()
		case x := <-f.exits:
			f.ended(x)
		case l := <-f.looks:
			f.look(l)
		case a := <-f.asks:
			a.reply(f.do(a))
		}
	}
	f.board.rows(f.rows())
	return f.failed
}

// startOn runs what it gets on one thread that lives as long as the fleet: on
// Linux the children die with the thread that started them.
func (f *fleet) startOn(ctx context.Context) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for {
		select {
		case <-ctx.Done():
			return
		case do := <-f.spawner:
			do()
		}
	}
}

// start starts the process of a node.
func (f *fleet) start(n *devNode) error {
	if err := os.MkdirAll(n.dir, 0o700); err != nil {
		return failure(codeMend, n.dir+" cannot be created", err.Error(), "name another directory with --dir")
	}
	log, err := os.OpenFile(n.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return failure(codeMend, n.log()+" cannot be opened", err.Error(), "name another directory with --dir")
	}
	defer log.Close()
	cmd := exec.Command(f.exe)
	cmd.Args, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = f.args, log, log, childAttr()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("start %s: %w", n.name, err)
	}
	done := make(chan error)
	f.spawner <- func() { done <- cmd.Start() }
	if err := <-done; err != nil {
		return fmt.Errorf("start %s: %w", n.name, err)
	}
	n.cmd, n.state, n.doom, n.again, n.seen, n.fault = cmd, "running", "", false, node.Status{}, nil
	// A process that is gone already is told of by Wait.
	json.NewEncoder(stdin).Encode(child{Name: n.name, Dir: n.dir, Base: n.base, plan: f.plan})
	go func() { f.exits <- exited{n, cmd.Wait()} }()
	return nil
}

// stop asks a process to end in good order, and kills it if it does not.
func (n *devNode) stop(doom string) {
	n.state, n.doom = "stopping", doom
	process := n.cmd.Process
	n.signal(syscall.SIGTERM)
	n.signal(syscall.SIGCONT) // a paused process hears nothing
	if n.kill == nil {
		n.kill = time.AfterFunc(stopLimit, func() { process.Kill() })
	}
}

// signal reaches the process or nobody: it is our own child, not yet waited for.
func (n *devNode) signal(s os.Signal) error {
	if err := n.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal %s: %w", n.name, err)
	}
	return nil
}

func (f *fleet) end() {
	f.ending = true
	for _, n := range f.nodes {
		n.again = false
		if n.cmd != nil {
			n.stop("stopped")
		}
	}
}

func (f *fleet) alive() bool {
	for _, n := range f.nodes {
		if n.cmd != nil {
			return true
		}
	}
	return false
}

// ended notes the end of a process.
func (f *fleet) ended(x exited) {
	n := x.n
	n.cmd = nil
	if n.kill != nil {
		n.kill.Stop()
		n.kill = nil
	}
	n.state = n.doom
	var err error
	switch {
	case n.again:
		err = f.start(n)
	case n.doom == "":
		n.state = "ended"
		words := fmt.Sprintf("%s ended by itself: %v", n.name, x.err)
		if x.err == nil {
			words = n.name + " ended by itself"
		}
		if last := lastWords(n.log(), f.c.app.Name); last != "" {
			words += "\n" + last
		}
		f.board.say(words)
		if !f.ready && !f.ending {
			f.failed = failure(codeError, n.name+" ended before the cluster was ready", fmt.Sprint(x.err), "read what it said above")
			f.end()
		}
	}
	if err != nil {
		n.state = "killed"
	}
	for _, w := range n.waiting {
		w <- err
	}
	n.waiting = nil
}

func (n *devNode) log() string    { return filepath.Join(n.dir, "log") }
func (n *devNode) socket() string { return filepath.Join(n.dir, "peer.sock") }

// lastWords are the last things that the program said to people in a log.
func lastWords(file, program string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	from := len(lines)
	for from > 0 && strings.HasPrefix(lines[from-1], program+": ") {
		from--
	}
	return strings.Join(lines[from:], "\n")
}
