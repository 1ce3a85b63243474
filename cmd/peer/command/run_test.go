package command_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/urfave/cli/v2"
	"go.uber.org/goleak"

	"github.com/quorate/quorate/cmd/peer/command"
)

func TestMain(m *testing.M) {
	cli.OsExiter = func(code int) { panic("the library exits the process") }
	goleak.VerifyTestMain(m)
}

// acme is a product with commands of its own beside ours.
func acme(own ...*cli.Command) (app *cli.App, out, errs *bytes.Buffer) {
	out, errs = &bytes.Buffer{}, &bytes.Buffer{}
	app = &cli.App{
		Name: "acme", Writer: out, ErrWriter: errs, Reader: strings.NewReader(""),
		Commands: append(own, &cli.Command{Name: "cluster", Subcommands: command.Commands()}),
	}
	return app, out, errs
}

func TestExitCodes(t *testing.T) {
	fails := func(err error) *cli.Command {
		return &cli.Command{Name: "own", Action: func(*cli.Context) error { return err }}
	}
	for _, tt := range []struct {
		name string
		own  *cli.Command
		args string
		code int
		err  string
	}{
		{"all is well", fails(nil), "own", 0, ""},
		{"the product's error", fails(errors.New("no luck")), "own", 1, "acme: no luck\n"},
		{"the product's code", fails(cli.Exit("no luck", 9)), "own", 9, "acme: no luck\n"},
		{"two lines", fails(errors.New("no luck\ntoday")), "own", 1, "acme: no luck\nacme: today\n"},
		{"ours", fails(nil), "cluster secret new", 0, ""},
		{"usage", fails(nil), "cluster secret old", 2, "acme: unknown command \"old\": the nearest is new\nacme: usage: acme cluster secret COMMAND\nacme: help: acme cluster secret -h\n"},
		{"ended by the host", fails(context.Canceled), "own", 130, "acme: context canceled\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			app, _, errs := acme(tt.own)
			if code := command.Run(t.Context(), app, append([]string{"acme"}, strings.Fields(tt.args)...)); code != tt.code {
				t.Errorf("code is %d, want %d", code, tt.code)
			}
			if errs.String() != tt.err {
				t.Errorf("stderr is %q, want %q", errs, tt.err)
			}
			if app.ExitErrHandler != nil {
				t.Error("the app has been changed")
			}
		})
	}
}

// The library alone would lose flags and names, so ours refuse to be run by it.
func TestLibraryAlone(t *testing.T) {
	app, out, _ := acme()
	app.ExitErrHandler = func(*cli.Context, error) {}
	err := app.Run([]string{"acme", "cluster", "secret", "new"})
	if err == nil || !strings.Contains(err.Error(), "command.Run") || out.Len() != 0 {
		t.Errorf("got %v and %q, want a refusal that names command.Run", err, out)
	}
}

// What a product mounts does not speak of peer.
func TestMountedHelp(t *testing.T) {
	app, out, _ := acme()
	var walk func(path []string, commands []*cli.Command)
	walk = func(path []string, commands []*cli.Command) {
		for _, c := range commands {
			here := append(append([]string{}, path...), c.Name)
			out.Reset()
			if code := command.Run(t.Context(), app, append(here, "--help")); code != 0 {
				t.Errorf("%s: code %d", here, code)
			}
			if !strings.HasPrefix(out.String(), strings.Join(here, " ")+" - ") {
				t.Errorf("%s: its help is %q", here, out)
			}
			if strings.Contains(strings.ReplaceAll(out.String(), "/run/peer/peer.sock", ""), "peer") {
				t.Errorf("%s speaks of peer: %s", here, out)
			}
			walk(here, c.Subcommands)
		}
	}
	walk([]string{"acme", "cluster"}, command.Commands())
}

// The first signal ends a command in good order; the second does not wait.
func TestSignals(t *testing.T) {
	stuck, release := make(chan error, 1), make(chan struct{})
	app, _, _ := acme(&cli.Command{Name: "own", Action: func(c *cli.Context) error {
		<-c.Context.Done()
		stuck <- context.Cause(c.Context)
		<-release
		return nil
	}})
	signals := make(chan os.Signal)
	code := make(chan int)
	go func() {
		code <- command.Run(command.WithSignals(t.Context(), signals), app, []string{"acme", "own"})
	}()
	signals <- os.Interrupt
	if cause := <-stuck; cause == nil || !strings.Contains(cause.Error(), "interrupt") {
		t.Errorf("the cause is %v", cause)
	}
	signals <- syscall.SIGTERM
	if got := <-code; got != 143 {
		t.Errorf("code is %d, want 143", got)
	}
	close(release)
}

// A command of the product's that a signal ended keeps its own error.
func TestProductsErrorStands(t *testing.T) {
	app, _, errs := acme(&cli.Command{Name: "own", Action: func(c *cli.Context) error {
		<-c.Context.Done()
		return io.ErrUnexpectedEOF
	}})
	signals := make(chan os.Signal, 1)
	signals <- os.Interrupt
	if code := command.Run(command.WithSignals(t.Context(), signals), app, []string{"acme", "own"}); code != 1 {
		t.Errorf("code is %d, stderr %q", code, errs)
	}
}

func TestFullDisk(t *testing.T) {
	app, _, errs := acme()
	app.Writer = full{}
	if code := command.Run(t.Context(), app, []string{"acme", "cluster", "version"}); code != 1 {
		t.Errorf("code is %d", code)
	}
	if want := "acme: print: no space left on device\n"; errs.String() != want {
		t.Errorf("stderr is %q, want %q", errs, want)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }
