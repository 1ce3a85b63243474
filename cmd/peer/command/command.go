// Package command holds the commands of the peer binary, so that a product can
// mount them in a command line of its own: `acme cluster status`.
//
//	app := &cli.App{Name: "acme", Commands: []*cli.Command{
//		{Name: "cluster", Usage: "the cluster inside acme", Subcommands: command.Commands()},
//	}}
//	os.Exit(command.Run(ctx, app, os.Args))
//
// [Run] takes the place of app.Run, also for the product's own commands, which
// it hands to the library as they came. It installs no signal handler and never
// exits; see [WithSignals].
//
// # Rules of this user interface
//
//   - What was asked for goes to stdout. All else goes to stderr, each line
//     with the program's name and a colon.
//   - Messages are lower case without a final period: what is wrong, why, and
//     the next command.
//   - Data for programs is asked for with -o json or -o yaml. Those formats
//     only grow.
//   - Nothing asks back, nothing is coloured, and nothing moves but the table of
//     dev --nodes, on a terminal.
//   - Exit codes: 0; 1 error; 2 usage; 3 condition false or time-out; 4 no
//     quorum; 5 lock lost; 78 where a person must mend something; 128+n after
//     signal n; peer lock ends with the code of its command.
package command

import (
	"context"
	"os"

	"github.com/urfave/cli/v2"
)

// DefaultSocket is where peer looks for a node when it is told nothing else.
const DefaultSocket = "/run/peer/peer.sock"

// Options adapts the commands to a product.
type Options struct {
	// Socket is the control socket to use if neither --socket nor PEER_SOCKET
	// names one. If empty, DefaultSocket.
	Socket string
}

// Commands returns the commands, new ones at each call. They must be run by
// [Run]: a command that finds itself run by the library alone refuses, since
// the library loses flags behind arguments and takes some names for commands.
func Commands(opts ...Options) []*cli.Command {
	var o Options
	if len(opts) > 0 {
		o = opts[0]
	}
	if o.Socket == "" {
		o.Socket = DefaultSocket
	}
	return []*cli.Command{
		devCommand(),
		statusCommand(o),
		waitReadyCommand(o),
		eventsCommand(o),
		kvCommand(o),
		lockCommand(o),
		secretCommand(),
		completionCommand(),
		versionCommand(),
	}
}

// App returns the command line of the peer binary.
func App() *cli.App {
	return &cli.App{
		Name:  "peer",
		Usage: "a coordination service inside the application",
		Description: "peer dev starts a node here and now. The other commands talk to a running node\n" +
			"through its socket: --socket, else PEER_SOCKET, else " + DefaultSocket + ".\n\n" +
			"Flags may stand anywhere before --.\n\n" +
			"Exit codes: 0; 1 error; 2 usage; 3 condition false or time-out; 4 no quorum;\n" +
			"5 lock lost; 78 a person must mend something; 128+n ended by signal n; lock ends\n" +
			"with the code of its command.",
		Version:              moduleVersion(),
		Commands:             peerCommands(),
		Flags:                []cli.Flag{mark{}},
		HideHelpCommand:      true,
		EnableBashCompletion: true,
		OnUsageError:         libraryUsage,
		Reader:               os.Stdin,
		Writer:               os.Stdout,
		ErrWriter:            os.Stderr,
	}
}

// peerCommands are those of the binary: what products mount, and what a product
// does by itself, since it starts its own node from its own configuration.
func peerCommands() []*cli.Command {
	all := Commands()
	return append([]*cli.Command{all[0], runCommand(), configCommand()}, all[1:]...)
}

// A call is one command being run: its flags, and what the library was not
// shown.
type call struct {
	flags   *cli.Context
	ctx     context.Context
	app     *cli.App
	line    line
	signals *relay
	lost    bool // what was held is lost already
}

// arg returns the argument of that index, or "".
func (c *call) arg(i int) string {
	if i < len(c.line.operands) {
		return c.line.operands[i]
	}
	return ""
}

type callKey struct{}

// command makes a command of ours.
func command(c *cli.Command, run func(*call) error) *cli.Command {
	c.HideHelpCommand = true
	c.Flags = append(c.Flags, mark{})
	c.OnUsageError = libraryUsage
	c.Action = func(lib *cli.Context) error {
		in, ok := lib.Context.Value(callKey{}).(*call)
		if !ok {
			return failure(1, lib.App.Name+" runs this command without command.Run",
				"the library alone loses flags behind arguments and takes some names for commands",
				"in its main, call command.Run(ctx, app, os.Args) in place of app.Run")
		}
		return run(&call{flags: lib, ctx: lib.Context, app: lib.App, line: in.line, signals: in.signals})
	}
	return c
}

// acting makes a command of ours that does something by itself, and holds
// others.
func acting(c *cli.Command, run func(*call) error, commands ...*cli.Command) *cli.Command {
	c = command(c, run)
	c.Flags[len(c.Flags)-1] = mark{acts: true}
	c.Subcommands = commands
	return c
}

// group makes a command of ours that holds others.
func group(c *cli.Command, commands ...*cli.Command) *cli.Command {
	c.HideHelpCommand = true
	c.Flags = append(c.Flags, mark{})
	c.Subcommands = commands
	return c
}
