package command

import (
	"errors"
	"os"
	"os/exec"
	"syscall"

	"github.com/quorate/quorate/recipes"
	"github.com/quorate/quorate/recipes/lockexec"
)

// runHolding runs CMD under the lock and ends with CMD's code.
func (c *call) runHolding(held *recipes.Held, cmd *exec.Cmd) error {
	signals := make(chan os.Signal, 16)
	c.signals.take(func(s os.Signal) {
		if s == syscall.SIGTSTP {
			// A stopped holder does not renew its lock, and a stopped CMD
			// would make others wait for somebody's shell.
			c.note("not suspended: the lock is held")
			return
		}
		select {
		case signals <- s:
		default: // CMD has 16 of them already
		}
	})
	defer c.signals.take(nil)
	takeBack := lendTerminal(cmd, c.note)
	code, err := lockexec.Run(c.ctx, held, cmd, lockexec.Options{Signals: signals})
	takeBack()
	switch {
	case errors.Is(err, recipes.ErrLost), errors.Is(err, recipes.ErrClosed):
		c.lost = true
		return failure(codeLost, "the lock was lost, and CMD was ended", err.Error(), "see "+c.self("status")+" and "+c.self("events")+"; a longer --ttl bears longer pauses")
	case code < 0 && c.ctx.Err() != nil:
		return err
	case code < 0:
		return execError(c.line.cmd[0], err)
	case err != nil && c.ctx.Err() == nil:
		c.note("%v", err) // CMD ended by itself and under the lock, so its code stands
	}
	if code != 0 {
		return exit(code)
	}
	return nil
}
