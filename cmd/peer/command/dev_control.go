package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"
)

// What can be done to a node of dev --nodes, and how a person is told of it.
var verbs = []struct{ name, usage, text string }{
	{"kill", "kill a node of dev --nodes, as a power cut would", "Sends it KILL. What it held is free once its leases have ended."},
	{"restart", "start a node of dev --nodes again", "A node that runs is stopped in good order first, a paused one is killed."},
	{"pause", "stop a node of dev --nodes in the middle of what it does", "Sends it STOP, as when a machine hangs: its connections stay open and nobody\nanswers."},
	{"resume", "let a paused node of dev --nodes go on", "Sends it CONT."},
}

// fleetCommands are the commands below dev.
func fleetCommands() []*cli.Command {
	all := []*cli.Command{childCommand()}
	for _, v := range verbs {
		all = append(all, command(&cli.Command{
			Name: v.name, Usage: v.usage, ArgsUsage: "NODE", Description: v.text,
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "dir", Usage: "the directory that dev --nodes has named is `DIR`; if not set, it is found by PEER_SOCKET", TakesFile: true},
				timeoutFlag("give up after `D`", 30*time.Second),
			},
		}, func(c *call) error { return askFleet(c, v.name) }))
	}
	return all
}

// An ask is what another process wants of the fleet.
type ask struct {
	verb, node string
	result     chan error
}

// errLater says that the answer comes when the process has ended.
var errLater = errors.New("later")

func (a ask) reply(err error) {
	if err != errLater {
		a.result <- err
	}
}

// do does what is asked for, to processes of the fleet alone.
func (f *fleet) do(a ask) error {
	var n *devNode
	var names []string
	for _, one := range f.nodes {
		names = append(names, one.name)
		if one.name == a.node {
			n = one
		}
	}
	switch {
	case n == nil:
		return fmt.Errorf("there is no node %s: the nearest is %s", quote(a.node), nearest(a.node, names))
	case f.ending:
		return errors.New("the nodes are being stopped")
	case n.state == "stopping":
		return fmt.Errorf("%s is being stopped", n.name)
	case a.verb == "restart" && n.cmd == nil:
		return f.start(n)
	case n.cmd == nil:
		return fmt.Errorf("%s does not run: it was %s", n.name, n.state)
	case a.verb == "pause" && n.state == "paused":
		return fmt.Errorf("%s is paused already", n.name)
	case a.verb == "resume" && n.state != "paused":
		return fmt.Errorf("%s is not paused: it is %s", n.name, n.state)
	}
	switch a.verb {
	case "pause":
		n.state = "paused"
		return n.signal(syscall.SIGSTOP)
	case "resume":
		n.state = "running"
		return n.signal(syscall.SIGCONT)
	case "restart":
		n.again = true
		if n.state != "paused" {
			n.stop("killed")
			break
		}
		fallthrough
	case "kill":
		n.state, n.doom = "stopping", "killed"
		if err := n.signal(syscall.SIGKILL); err != nil {
			return err
		}
	default:
		return fmt.Errorf("unknown request %s", quote(a.verb))
	}
	n.waiting = append(n.waiting, a.result)
	return errLater
}

// listen opens the socket on which the fleet is asked. The directory is locked,
// so a socket that is there already is a dead process's.
func (f *fleet) listen() (net.Listener, error) {
	path := filepath.Join(f.dir, fleetSock)
	if len(path) > 104 {
		return nil, failure(codeMend, "the path "+path+" is too long for a socket", fmt.Sprintf("it has %d bytes", len(path)), "name a shorter directory with --dir, or set TMPDIR to one")
	}
	os.Remove(path)
	l, err := net.Listen("unix", path)
	if err == nil {
		err = os.Chmod(path, 0o600)
	}
	if err != nil {
		return nil, failure(codeMend, path+" cannot be opened", err.Error(), "name another directory with --dir")
	}
	return l, nil
}

// serve answers on the socket until ctx ends: POST /v1/VERB/NODE.
func (f *fleet) serve(ctx context.Context, l net.Listener) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/{verb}/{node}", func(w http.ResponseWriter, r *http.Request) {
		a := ask{r.PathValue("verb"), r.PathValue("node"), make(chan error, 1)}
		var err error
		select {
		case f.asks <- a:
			select {
			case err = <-a.result:
			case <-ctx.Done():
				err = errors.New("the nodes were stopped")
			}
		case <-ctx.Done():
			err = errors.New("the nodes were stopped")
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
		}
	})
	server := &http.Server{Handler: mux, ReadTimeout: 5 * time.Second, MaxHeaderBytes: 16 << 10}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	server.Serve(l) // which ends by Close, and removes the socket
}

// askFleet asks the parent of the nodes.
func askFleet(c *call, verb string) error {
	ctx, cancel, err := c.withTimeout()
	if err != nil {
		return err
	}
	defer cancel()
	dir, err := c.fleetDir()
	if err != nil {
		return err
	}
	socket := filepath.Join(dir, fleetSock)
	t := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, (&url.URL{Scheme: "http", Host: "fleet", Path: "/v1/" + verb + "/" + c.arg(0)}).String(), nil)
	if err != nil {
		return fmt.Errorf("ask the nodes: %w", err)
	}
	resp, err := t.RoundTrip(req)
	var op *net.OpError
	switch {
	case errors.As(err, &op) && op.Op == "dial" && ctx.Err() == nil:
		return failure(codeError, "no nodes are run from "+dir, op.Err.Error(), "see what "+c.self("dev --nodes 3")+" says, and name its directory with --dir")
	case err != nil:
		return fmt.Errorf("%s %s: %w", verb, c.arg(0), err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
		return fmt.Errorf("%s %s: %s", verb, c.arg(0), strings.TrimSpace(string(text)))
	}
	return nil
}

// fleetDir is the directory of the nodes: as named, or the one that PEER_SOCKET
// is in, as in DIR/n1/peer.sock.
func (c *call) fleetDir() (string, error) {
	for _, l := range c.flags.Lineage() {
		if l.Command != nil && l.String("dir") != "" {
			return l.String("dir"), nil
		}
	}
	if s := os.Getenv(envSocket); s != "" {
		dir := filepath.Dir(filepath.Dir(s))
		if _, err := os.Stat(filepath.Join(dir, fleetSock)); err == nil {
			return dir, nil
		}
	}
	return "", c.usage("--dir is missing", "it is the directory that dev --nodes names when it starts")
}
