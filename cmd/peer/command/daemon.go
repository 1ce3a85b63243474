package command

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/quorate/quorate/bootstrap"
	"github.com/quorate/quorate/internal/problem"
	"github.com/quorate/quorate/node"
)

func runCommand() *cli.Command {
	return command(&cli.Command{
		Name:  "run",
		Usage: "run a node as a daemon, from a configuration",
		Description: "Takes each key from the flags, else from the environment (PEER_ and the key in\n" +
			"upper case; lists with commas), else from the file. The same file on all machines\n" +
			"makes one cluster of them. config check says what is wrong with it, config show\n" +
			"what is taken from where.\n\n" +
			"It tells systemd that it is ready once it listens, not once it has quorum: for\n" +
			"that, use wait-ready --quorum. It ends with 78 where a person must mend something\n" +
			"first. Under peer lock, PEER_SOCKET is the socket of the lock, not of this node.",
		Flags: append(configFlags(),
			&cli.StringFlag{Name: "log-level", Usage: "log to stderr from `LEVEL` on: debug, info, warn, error", Value: "info"}),
	}, runRun)
}

func runRun(c *call) error {
	c.app.ErrWriter = forJournal(c.app.ErrWriter)
	log, err := c.logger()
	if err != nil {
		return err
	}
	s, err := c.settings()
	if err != nil {
		return err
	}
	if err := s.demand(); err != nil {
		return err
	}
	if err := s.complete(); err != nil {
		return err
	}
	s.Logger = log
	up := supervisor{log: log}
	started := up.starting()
	n, err := node.Start(c.ctx, s.Config)
	started()
	switch {
	case err == nil:
	case c.ctx.Err() != nil:
		return nil // it was asked to stop before it was up
	default:
		return s.startError(err)
	}
	log.Info("started", "name", s.Name, "cluster", n.Status().Cluster, "data_dir", n.DataDir(), "socket", n.Socket())
	return c.serve(n, up)
}

// serve lets the node work until a signal ends it, or it ends by itself.
func (c *call) serve(n *node.Node, up supervisor) error {
	up.tell("READY=1", "STATUS="+headline(n.Status()))
	interval, err := watchdog()
	if err != nil {
		up.log.Error("read the watchdog's interval: it is not fed", "err", err)
	}
	var feed <-chan time.Time
	if interval > 0 {
		t := time.NewTicker(interval / 3)
		defer t.Stop()
		feed = t.C
	}
	look := time.NewTicker(time.Second)
	defer look.Stop()
	was := ""
	for {
		select {
		case <-c.ctx.Done():
			up.tell("STOPPING=1", "STATUS=stopping")
			if err := n.Close(); err != nil {
				return &coded{codeError, fmt.Errorf("stop the node: %w", err)} // the signal explains no failure
			}
			return nil
		case <-n.Done():
			up.tell("STOPPING=1", "STATUS=the node ended")
			err := n.Err()
			n.Close()
			return endError(err)
		case <-look.C:
			if now := headline(n.Status()); now != was {
				was = now
				up.tell("STATUS=" + now)
			}
		case <-feed:
			up.feed(c.ctx, interval/3, n.Healthy)
		}
	}
}

// startError adds the exit code to what Start returned. What passes by itself
// gets a plain 1, after which the unit starts again.
func (s *settings) startError(err error) error {
	var p *problem.Error
	switch {
	case errors.Is(err, node.ErrRestartProcess):
		return err
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, bootstrap.ErrAdvertise) && !errors.Is(err, bootstrap.ErrJoin) && s.Advertise == "" && s.Listen == "":
		return &coded{codeError, err} // a network that is not up yet
	case errors.As(err, &p):
		return s.explain(err)
	}
	return err
}

// headline is a status in one line: what runs, or what is missing.
func headline(s node.Status) string {
	if s.Phase != node.Running {
		if len(s.Problems) == 0 {
			return string(s.Phase)
		}
		what := plain(s.Problems[0].What)
		if strings.HasPrefix(what, string(s.Phase)) {
			return what
		}
		return fmt.Sprintf("%s: %s", s.Phase, what)
	}
	role := "follower"
	for _, m := range s.Members {
		switch {
		case m.Self && m.Leader:
			role = "leader"
		case m.Self && m.Role == "learner":
			role = "learner"
		}
	}
	gone := missing(s)
	line := role + ", " + there(s) + ", quorum"
	if !s.Quorum {
		line = "no quorum, " + there(s)
	}
	if len(gone) > 0 {
		names := make([]string, len(gone))
		for i, m := range gone {
			names[i] = called(m)
		}
		line += ", missing " + strings.Join(names, ", ")
	}
	return line
}

// called is how people know a member.
func called(m node.MemberStatus) string {
	if m.Name != "" {
		return plain(m.Name)
	}
	return m.ID
}

// supervisor is what started this process: systemd, or nobody who listens.
type supervisor struct{ log *slog.Logger }
