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

	"github.com/quorate/quorate/internal/problem"
	"github.com/quorate/quorate/node"
)

func devCommand() *cli.Command {
	return command(&cli.Command{
		Name:  "dev",
		Usage: "start a node here and now, without configuration",
		Description: "A single node in this process: nothing to configure, nothing on the network but\n" +
			"loopback. It stays until Ctrl-C and then leaves nothing behind; with --dir its\n" +
			"data stays there, and the next start goes on from them.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "dir", Usage: "keep the data in `DIR`", TakesFile: true},
			&cli.StringFlag{Name: "socket", Usage: "put the control socket at `PATH`, in a directory of its own", TakesFile: true},
			&cli.StringFlag{Name: "log-level", Usage: "log to stderr from `LEVEL` on: debug, info, warn, error", Value: "warn"},
		},
	}, runDev)
}

func runDev(c *call) error {
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
	ready := make(chan error, 1)
	wait, cancel := context.WithCancel(c.ctx)
	defer cancel()
	go func() { ready <- n.Ready(wait) }()
	for {
		select {
		case err := <-ready: // one election after Start; a status asked for meanwhile is answered
			ready = nil
			if err == nil {
				c.printf("%s", c.welcome(n, time.Since(begin))) // the node matters more than these words
			}
		case <-c.ctx.Done():
			if err := n.Close(); err != nil {
				return fmt.Errorf("stop the node: %w", err)
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
