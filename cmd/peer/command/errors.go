package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/quorate/quorate/internal/problem"
	"github.com/quorate/quorate/node"
	"github.com/quorate/quorate/recipes"
)

// Exit codes; see the package comment.
const (
	codeError    = 1
	codeUsage    = 2
	codeFalse    = 3
	codeNoQuorum = 4
	codeLost     = 5
	codeMend     = 78
	codeNotExec  = 126
	codeNotFound = 127
	codeSignal   = 128
)

// coded is an error that decides the exit code. Its method must not be called
// ExitCode: the library would exit by itself.
type coded struct {
	code int
	err  error
}

func (e *coded) Error() string { return e.err.Error() }
func (e *coded) Unwrap() error { return e.err }

// failure is an error with a code and all that a person wants to know.
func failure(code int, what, why, do string) error {
	return &coded{code, &problem.Error{Problem: problem.Problem{Code: "cli", What: what, Why: why, Do: do}}}
}

// exit is a code without a message: CMD's own, say.
func exit(code int) error { return &coded{code, nil} }

// usageError is a command line that cannot be read.
type usageError struct {
	path      []level
	what, why string
}

func (e *usageError) Error() string {
	if e.why == "" {
		return e.what
	}
	return e.what + ": " + e.why
}

func usage(path []level, what, why string) error {
	return &usageError{append([]level(nil), path...), what, why}
}

// usage is a usage error of a command that is already running.
func (c *call) usage(what, why string) error { return usage(c.line.path, what, why) }

// libraryUsage turns the library's complaint about a value into one of ours.
func libraryUsage(lib *cli.Context, err error, _ bool) error {
	text := err.Error()
	if i := strings.LastIndex(text, " for flag -"); i >= 0 {
		text = text[:i] + " for -" + text[i+len(" for flag "):]
	}
	var path []level
	if in, ok := lib.Context.Value(callKey{}).(*call); ok {
		path = in.line.path
	}
	return usage(path, text, "")
}

// signalError says which signal ended the command.
type signalError struct{ signal os.Signal }

func (e signalError) Error() string { return "ended by signal: " + e.signal.String() }

func (e signalError) code() int {
	if n, ok := e.signal.(syscall.Signal); ok {
		return codeSignal + int(n)
	}
	return codeError
}

// codeOf maps an error to the exit code.
func codeOf(err error) int {
	var (
		own    *coded
		bad    *usageError
		sig    signalError
		theirs cli.ExitCoder
	)
	switch {
	case err == nil:
		return 0
	case errors.As(err, &own):
		return own.code
	case errors.As(err, &bad):
		return codeUsage
	case errors.As(err, &sig):
		return sig.code()
	case errors.Is(err, recipes.ErrLocked):
		return codeFalse
	case errors.Is(err, recipes.ErrLost):
		return codeLost
	case errors.Is(err, recipes.ErrNoQuorum):
		return codeNoQuorum
	case errors.Is(err, context.DeadlineExceeded):
		return codeFalse
	case errors.Is(err, context.Canceled): // the host's main ended ctx
		return codeSignal + int(syscall.SIGINT)
	case errors.As(err, &theirs): // of a command of the host's
		return theirs.ExitCode()
	}
	return codeError
}

// report tells a person what went wrong.
func report(w io.Writer, program string, err error) {
	var (
		own *coded
		bad *usageError
		p   *problem.Error
	)
	if errors.As(err, &own) && own.err == nil {
		return
	}
	say := func(format string, args ...any) { say(w, program, format, args...) }
	switch {
	case errors.As(err, &bad):
		say("%s", bad)
		if len(bad.path) > 0 {
			say("usage: %s", usageLine(bad.path))
			say("help: %s -h", pathName(bad.path))
		}
	case errors.As(err, &p):
		say("%s", p.What)
		if p.Why != "" {
			say("why: %s", p.Why)
		}
		if p.Do != "" {
			say("do: %s", p.Do)
		}
	default:
		say("%v", err)
	}
}

// inProduct leaves out of err what only the peer binary has.
func inProduct(app *cli.App, err error) error {
	var p *problem.Error
	if marked(app.Flags) || !errors.Is(err, node.ErrSocket) || !errors.As(err, &p) {
		return err
	}
	return failure(codeOf(err), p.What, p.Why, "see that "+app.Name+" runs, or name its socket with --socket or PEER_SOCKET")
}

// say writes to stderr, every line with the program's name.
func say(w io.Writer, program, format string, args ...any) {
	text := strings.TrimRight(fmt.Sprintf(format, args...), "\n")
	fmt.Fprintf(w, "%s: %s\n", program, strings.ReplaceAll(text, "\n", "\n"+program+": "))
}

func quote(s string) string { return strconv.Quote(s) }
