package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/quorate/quorate/node"
)

// defaultTimeout bounds commands that only ask.
const defaultTimeout = 10 * time.Second

func waitReadyCommand(o Options) *cli.Command {
	return command(&cli.Command{
		Name:  "wait-ready",
		Usage: "wait until the node runs",
		Description: "Waits for a node on the socket, also for one that is yet to be started, until\n" +
			"it runs; with --quorum, until it also reaches a majority of the voters. Ends\n" +
			"with 3 when the time is over, and with 4 if only quorum was missing.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "quorum", Usage: "wait for a majority too", DisableDefaultText: true},
			timeoutFlag("give up after `D`; 0 waits for ever", time.Minute), socketFlag(o),
		},
	}, runWaitReady)
}

func runWaitReady(c *call) error {
	ctx, cancel, err := c.withTimeout()
	if err != nil {
		return err
	}
	defer cancel()
	err = c.remote().WaitReady(ctx, c.flags.Bool("quorum"))
	switch {
	case err == nil || c.ctx.Err() != nil:
		return err
	case errors.Is(err, node.ErrNoQuorum):
		return &coded{codeNoQuorum, err}
	case ctx.Err() == nil:
		return err
	}
	// The last try was cut short; why the others were in vain is worth a new one.
	ask, cancel := context.WithTimeout(c.ctx, time.Second)
	defer cancel()
	s, serr := c.remote().Status(ask)
	if serr != nil {
		return &coded{codeFalse, serr}
	}
	return failure(codeFalse, fmt.Sprintf("the node was not ready within %v", c.flags.Duration("timeout")),
		fmt.Sprintf("it is %s, quorum %v", s.Phase, s.Quorum), c.self("status")+" --socket "+c.socket()+" shows its problems")
}
