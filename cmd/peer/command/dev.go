package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/quorate/quorate/bootstrap"
	"github.com/quorate/quorate/internal/problem"
	"github.com/quorate/quorate/node"
)

func devCommand() *cli.Command {
	return acting(&cli.Command{
		Name:  "dev",
		Usage: "start a node here and now, without configuration",
		Description: "A single node in this process: nothing to configure, nothing on the network but\n" +
			"loopback. It stays until Ctrl-C and then leaves nothing behind; with --dir its\n" +
			"data stays there, and the next start goes on from them.\n\n" +
			"With --nodes it starts so many processes, n1, n2 and so on, that form a cluster,\n" +
			"and shows them. Break it from a second terminal with the commands below.",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "nodes", Usage: "start `N` processes that form a cluster", Value: 1},
			&cli.StringFlag{Name: "dir", Usage: "keep the data in `DIR`", TakesFile: true},
			&cli.StringFlag{Name: "socket", Usage: "put the control socket at `PATH`, in a directory of its own", TakesFile: true},
			&cli.StringFlag{Name: "log-level", Usage: "log to stderr from `LEVEL` on: debug, info, warn, error", Value: "warn"},
		},
	}, runDev, fleetCommands()...)
}

func runDev(c *call) error {
	switch n := c.flags.Int("nodes"); {
	case n < 1 || n > bootstrap.MaxVoters:
		return c.usage(fmt.Sprintf("--nodes is %d", n), fmt.Sprintf("a cluster has 1 to %d voters", bootstrap.MaxVoters))
	case n > 1 && c.flags.IsSet("socket"):
		return c.usage("--socket and --nodes do not go together", "each node has a socket in a directory of its own, in --dir")
	case n > 1:
		return runFleet(c, n)
	}
	log, err := c.logger()
	if err != nil {
		return err
	}
	begin := time.Now()
	// A Start that is cut short may leave files behind; it takes milliseconds.
	n, err := node.Start(context.WithoutCancel(c.ctx), node.Config{DataDir: c.flags.String("dir"), Socket: c.flags.String("socket"), Logger: log})
	if err != nil {
		return c.startError(err)
	}
	return c.hold(n, func() { c.printf("%s", c.welcome(n, time.Since(begin))) }) // the node matters more than these words
}

// hold lets n work until the command is ended or the node ends by itself; ready
// is called once it has quorum.
func (c *call) hold(n *node.Node, ready func()) error {
	first := make(chan error, 1)
	wait, cancel := context.WithCancel(c.ctx)
	defer cancel()
	go func() { first <- n.Ready(wait) }()
	for {
		select {
		case err := <-first:
			first = nil
			if err == nil {
				ready()
			}
		case <-c.ctx.Done():
			if err := n.Close(); err != nil {
				return &coded{codeError, fmt.Errorf("stop the node: %w", err)} // the signal explains no failure
			}
			return nil
		case <-n.Done():
			err := n.Err()
			n.Close()
			return endError(err)
		}
	}
}

// startError adds the exit code to what Start returned.
func (c *call) startError(err error) error {
	var p *problem.Error
	switch {
	case c.ctx.Err() != nil:
		return context.Cause(c.ctx)
	case errors.Is(err, node.ErrRestartProcess), !errors.As(err, &p):
		return err
	}
	return &coded{codeMend, err}
}

// endError adds the exit code to why a node ended by itself. Most of it passes
// with a new process; what is listed here does not.
func endError(err error) error {
	var p *problem.Error
	if errors.As(err, &p) {
		switch p.Code {
		case "data-damaged", "data-newer", "member-removed":
			return &coded{codeMend, err}
		}
	}
	if err == nil {
		err = errors.New("the node was closed from outside")
	}
	return fmt.Errorf("the node ended: %w", err)
}

// welcome says where the node is and what to do with it. The commands can be
// pasted as they are.
func (c *call) welcome(n *node.Node, took time.Duration) string {
	kept := "Ctrl-C stops it and leaves nothing behind"
	if c.flags.String("dir") != "" {
		kept = "Ctrl-C stops it; the data stay in " + n.DataDir()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "ready in %v\nsocket: %s\n\n", took.Round(time.Millisecond), n.Socket())
	fmt.Fprintf(&b, "try, in another terminal:\n\n   export PEER_SOCKET=%s\n%s", shellWord(n.Socket()), pathLine(c.app.Name))
	for _, words := range []string{"lock demo -- sleep 30", "kv put greeting hello", "status"} {
		fmt.Fprintf(&b, "   %s\n", c.self(words))
	}
	fmt.Fprintf(&b, "\n%s\n", kept)
	return b.String()
}

// pathLine makes the program callable by its name where the shell would not
// find it, as after go run.
func pathLine(program string) string {
	exe, err := os.Executable()
	if err != nil || filepath.Base(exe) != program {
		return ""
	}
	if found, err := exec.LookPath(program); err == nil {
		a, aerr := os.Stat(found)
		b, berr := os.Stat(exe)
		if aerr == nil && berr == nil && os.SameFile(a, b) {
			return ""
		}
	}
	return "   export PATH=" + shellWord(filepath.Dir(exe)) + ":$PATH\n"
}

// shellWord quotes s for a POSIX shell, if it needs it.
func shellWord(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:@") == "" && s != "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// logger writes text to stderr from --log-level on.
func (c *call) logger() (*slog.Logger, error) {
	var level slog.Level
	name := c.flags.String("log-level")
	if err := level.UnmarshalText([]byte(name)); err != nil {
		return nil, c.usage("unknown log level "+quote(name), "the nearest is "+nearest(strings.ToLower(name), []string{"debug", "info", "warn", "error"}))
	}
	opts := &slog.HandlerOptions{Level: level}
	if _, ok := c.app.ErrWriter.(*journal); ok {
		opts.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey && len(groups) == 0 {
				return slog.Attr{} // the journal has it
			}
			return a
		}
	}
	return slog.New(slog.NewTextHandler(c.app.ErrWriter, opts)), nil
}
