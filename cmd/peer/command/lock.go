package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/quorate/quorate/internal/problem"
	"github.com/quorate/quorate/recipes"
)

// waitNotice is after what time a command that waits for a lock says for whom.
const waitNotice = 2 * time.Second

func lockCommand(o Options) *cli.Command {
	return command(&cli.Command{
		Name:  "lock",
		Usage: "run a command while holding a lock", ArgsUsage: "NAME -- CMD [ARG…]",
		Description: "Waits for the lock NAME, runs CMD, gives the lock back, and ends with CMD's\n" +
			"code. CMD gets PEER_LOCK_KEY, PEER_FENCE (a number that grows with every holder:\n" +
			"give it to what the lock protects) and PEER_SOCKET.\n\n" +
			"When the lock is in doubt, CMD's process group gets TERM and then KILL, before\n" +
			"another can hold the lock, and the code is 5. The code is 3 if the lock was not\n" +
			"free in time, 127 if there is no CMD, 126 if it cannot be run, 128+n if signal n\n" +
			"ended it. Signals sent to this process are passed on to CMD.\n\n" +
			"A name that begins with - is written after a -- of its own: -- --odd -- CMD",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "try", Usage: "do not wait: end with 3 if the lock is held", DisableDefaultText: true},
			timeoutFlag("give up waiting after `D`, with 3; 0 waits for ever", 0),
			&cli.DurationFlag{Name: "ttl", Usage: "if this process dies, the lock is free after `D`, at least 2s", Value: recipes.DefaultTTL},
			socketFlag(o),
		},
	}, runLock)
}

func runLock(c *call) error {
	name := c.arg(0)
	if name == "" {
		return c.usage("NAME is empty", "an unset variable, perhaps")
	}
	if ttl := c.flags.Duration("ttl"); ttl < recipes.MinTTL {
		return c.usage(fmt.Sprintf("--ttl is %v", ttl), fmt.Sprintf("etcd keeps no lease shorter than an election takes; the minimum is %v", recipes.MinTTL))
	}
	path, err := c.findCommand()
	if err != nil {
		return err
	}
	ctx, cancel, err := c.withTimeout()
	if err != nil {
		return err
	}
	defer cancel()
	client, done, err := c.dial(ctx, recipes.Options{TTL: c.flags.Duration("ttl")})
	if err != nil {
		return c.reach(ctx, "lock "+quote(name), err)
	}
	defer done()
	held, err := c.acquire(ctx, client.Mutex(name), name)
	if err != nil {
		return err
	}
	cmd := exec.Command(path, c.line.cmd[1:]...)
	cmd.Args[0] = c.line.cmd[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.app.Reader, c.app.Writer, c.app.ErrWriter
	cmd.Env = append(os.Environ(), "PEER_SOCKET="+c.socket()) // lockexec adds the rest
	return c.runHolding(held, cmd)
}

// acquire takes the lock, as the flags say.
func (c *call) acquire(ctx context.Context, m *recipes.Mutex, name string) (*recipes.Held, error) {
	if c.flags.Bool("try") {
		h, err := m.TryLock(ctx)
		return h, c.lockError(name, err)
	}
	notice := time.AfterFunc(waitNotice, func() {
		var p *problem.Error
		h, err := m.TryLock(ctx)
		if err == nil { // free at this very moment: it is Lock's, further down
			err = h.Release(ctx)
		}
		if errors.Is(err, recipes.ErrLocked) && errors.As(err, &p) {
			c.note("waiting: %s %s", p.What, p.Why)
		}
	})
	defer notice.Stop()
	h, err := m.Lock(ctx)
	return h, c.lockError(name, err)
}

// lockError says what a person at the shell can do about err.
func (c *call) lockError(name string, err error) error {
	var p *problem.Error
	switch {
	case !errors.As(err, &p):
		return err
	case errors.Is(err, recipes.ErrName):
		return c.usage(p.What, p.Why)
	case errors.Is(err, recipes.ErrLocked):
		return failure(codeFalse, p.What, p.Why, "leave --try away to wait for it, or try again later")
	}
	return err
}

// findCommand looks for CMD before the lock is taken, so that a slip of the pen
// does not wait for hours first.
func (c *call) findCommand() (string, error) {
	path, err := exec.LookPath(c.line.cmd[0])
	if err != nil {
		return "", execError(c.line.cmd[0], err)
	}
	return filepath.Abs(path)
}

// execError is why CMD could not be started, with the codes that shells use.
func execError(cmd string, err error) error {
	var cause *exec.Error
	if errors.As(err, &cause) {
		err = cause.Err
	}
	var op *fs.PathError
	if errors.As(err, &op) {
		err = op.Err
	}
	switch {
	case errors.Is(err, exec.ErrDot):
		return failure(codeNotFound, cmd+": not run from the current directory", "a name without a slash is looked for in PATH alone", "write ./"+cmd)
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return failure(codeNotFound, cmd+": no such command", err.Error(), "name an executable file, or one in PATH")
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.ENOEXEC), errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.EACCES):
		return failure(codeNotExec, cmd+": cannot be run", err.Error(), "chmod +x it, and see that it begins with #! or is a program for this machine")
	}
	return fmt.Errorf("run %s: %w", cmd, err)
}
