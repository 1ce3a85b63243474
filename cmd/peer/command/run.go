package command

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"syscall"

	"github.com/urfave/cli/v2"
)

type signalsKey struct{}

// WithSignals gives [Run] the signals that the process receives. The first ends
// the command in good order; a second makes Run return at once, with the
// command still running, for main to exit. While peer lock runs its command,
// signals are passed on to that command instead. SIGTSTP suspends the process,
// but not while a lock is held. Without WithSignals the end of ctx stands for
// the first signal.
func WithSignals(ctx context.Context, signals <-chan os.Signal) context.Context {
	return context.WithValue(ctx, signalsKey{}, signals)
}

// Run reads args, of which args[0] is the program, runs the command on app and
// returns the exit code. It reports errors to app.ErrWriter and never exits,
// also not for the app's own commands.
func Run(ctx context.Context, app *cli.App, args []string) int {
	if len(args) == 0 {
		args = []string{app.Name}
	}
	app.Setup()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := &relay{}
	signals, _ := ctx.Value(signalsKey{}).(<-chan os.Signal)

	done := make(chan int, 1)
	go func() {
		err := run(ctx, app, args, r)
		if err != nil {
			report(app.ErrWriter, app.Name, inProduct(app, err))
		}
		done <- codeOf(err)
	}()
	for ended := false; ; {
		select {
		case code := <-done:
			return code
		case s := <-signals:
			if r.pass(s) {
				continue
			}
			if s == syscall.SIGTSTP { // what would have happened had nobody caught it
				syscall.Kill(syscall.Getpid(), syscall.SIGSTOP)
				continue
			}
			if ended {
				return signalError{s}.code()
			}
			ended = true
			cancel(signalError{s})
		}
	}
}

func run(ctx context.Context, app *cli.App, args []string, r *relay) error {
	if app.ExitErrHandler == nil { // the library's own exits the process
		app.ExitErrHandler = func(*cli.Context, error) {}
		defer func() { app.ExitErrHandler = nil }()
	}
	if app.EnableBashCompletion && args[len(args)-1] == "--generate-bash-completion" && !slices.Contains(args, "--") {
		return app.RunContext(ctx, args)
	}
	l, err := parse(appLevel(app), args)
	switch {
	case err != nil:
		return err
	case l.help:
		showHelp(app.Writer, l.path)
		return nil
	case l.foreign:
		return app.RunContext(ctx, args)
	}
	err = app.RunContext(context.WithValue(ctx, callKey{}, &call{line: l, signals: r}), l.argv)
	var sig signalError
	var own *coded
	if err != nil && errors.As(context.Cause(ctx), &sig) && !errors.As(err, &own) {
		return sig // whatever it was doing, that is why it ended
	}
	return err
}

// relay passes signals to a command that takes them.
type relay struct {
	mu sync.Mutex
	to func(os.Signal)
}

// take passes signals to f from now on, and to nobody if f is nil.
func (r *relay) take(f func(os.Signal)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to = f
}

func (r *relay) pass(s os.Signal) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.to == nil {
		return false
	}
	r.to(s)
	return true
}
