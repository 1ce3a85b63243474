package command

import (
	"strings"

	"github.com/urfave/cli/v2"
)

// A level is the app, a group, or a command.
type level struct {
	name     string
	about    string // one line
	text     string // the long description
	takes    string // the arguments: "NAME -- CMD [ARG…]"
	flags    []cli.Flag
	commands []*cli.Command
	ours     bool // made by this package, so read by its rules
	runs     bool // of ours, holds others and does something by itself too
	acts     bool // a level of the host's that may do something with an unknown word
	helps    bool // a level to which the library adds help and h
}

func appLevel(a *cli.App) level {
	return level{name: a.Name, about: a.Usage, text: a.Description, takes: a.ArgsUsage, flags: a.Flags, commands: a.Commands, ours: marked(a.Flags), acts: true}
}

func commandLevel(c *cli.Command) level {
	own, ours := markOf(c.Flags)
	return level{
		name: c.Name, about: c.Usage, text: c.Description, takes: c.ArgsUsage, flags: c.Flags, commands: c.Subcommands,
		ours: ours, runs: own.acts, acts: c.Action != nil, helps: !c.HideHelp && !c.HideHelpCommand,
	}
}

func (l level) command(word string) *cli.Command {
	for _, c := range l.commands {
		if c.HasName(word) {
			return c
		}
	}
	return nil
}

// leads reports whether the level is, or contains, a command of ours.
func (l level) leads() bool {
	if l.ours {
		return true
	}
	for _, c := range l.commands {
		if commandLevel(c).leads() {
			return true
		}
	}
	return false
}

// below returns a flag of ours somewhere under the level.
func (l level) below(name string) cli.Flag {
	for _, c := range l.commands {
		next := commandLevel(c)
		if next.ours {
			if f := flagOf(next.flags, name); f != nil {
				return f
			}
		}
		if f := next.below(name); f != nil {
			return f
		}
	}
	return nil
}

func flagOf(flags []cli.Flag, name string) cli.Flag {
	for _, f := range flags {
		for _, n := range f.Names() {
			if n == name {
				return f
			}
		}
	}
	return nil
}

func takesValue(f cli.Flag) bool {
	d, ok := f.(cli.DocGenerationFlag)
	return !ok || d.TakesValue()
}

func pathName(path []level) string {
	names := make([]string, len(path))
	for i, l := range path {
		names[i] = l.name
	}
	return strings.Join(names, " ")
}
