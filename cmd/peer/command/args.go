package command

import (
	"strings"

	"github.com/urfave/cli/v2"
)

// The library reads flags only up to the first argument, takes an argument
// that is called like a subcommand (or help, or h) for that subcommand, and
// drops the first --. None of this may happen to a lock called help, so the
// command line is read here, and the library is shown only what it reads
// right: command words, each followed by its flags. The arguments travel
// beside it, in the context.
//
// The rules:
//
//   - Flags may stand anywhere before --. A flag belongs to the command that
//     knows it: first the one it was written after, then those further right,
//     then those further left.
//   - A value that begins with - is written --flag=-value, so that a flag
//     cannot swallow the next one.
//   - After -- nothing is a flag. Where CMD is taken, a -- before the name
//     makes the next word the name, and the -- after the name starts CMD.
//   - There are no implicit help commands; -h and --help work everywhere
//     before CMD.

// A line is a command line as it was understood.
type line struct {
	argv     []string // the program, command words and flags: what the library sees
	operands []string // the arguments
	cmd      []string // CMD and its arguments, where one is taken
	path     []level  // the app and the commands, in order
	help     bool     // -h was given
	foreign  bool     // leads to a command that is not ours: the library reads it as it came
}

// self is the command as it was called: "acme cluster lock".
func (l line) self() string { return pathName(l.path) }

func (l line) last() level { return l.path[len(l.path)-1] }

// A given flag, before it is known which command it belongs to.
type given struct {
	word  string // as it was written: "--ttl"
	name  string
	value string
	has   bool // a value was given
	takes bool // a value was looked for
	at    int  // index in the path of the command it was written after
}

type reader struct {
	line
	flags []given
	err   error // the first; reported only if the line turns out to be ours
}

// parse reads args, of which args[0] is the program. The error is a usage
// error. It is a pure function.
func parse(root level, args []string) (line, error) {
	r := &reader{line: line{path: []level{root}}}
	rest := args[1:]
	for len(rest) > 0 {
		word := rest[0]
		rest = rest[1:]
		at := r.last()
		group := len(at.commands) > 0
		switch {
		case word == "--" && group && !at.ours:
			return line{argv: args, foreign: true}, nil
		case word == "--" && group:
			r.fail("a command must come before --", "")
			rest = nil
		case word == "--":
			rest = r.dashes(rest)
		case isFlag(word):
			rest = r.flag(word, rest)
		case group:
			c := at.command(word)
			switch {
			case c != nil:
				r.path = append(r.path, commandLevel(c))
			case !at.ours && (at.acts || at.helps && (word == "help" || word == "h")):
				return line{argv: args, foreign: true}, nil
			default:
				r.fail(unknownCommand(at, word))
				rest = nil
			}
			if !r.last().leads() {
				return line{argv: args, foreign: true}, nil
			}
		default:
			r.operands = append(r.operands, word)
		}
	}
	return r.finish(args)
}

// dashes reads what follows a -- after a command.
func (r *reader) dashes(rest []string) []string {
	s := shapeOf(r.last().takes)
	switch {
	case !s.cmd:
		r.operands = append(r.operands, rest...)
	case len(r.operands) >= s.min:
		r.cmd = rest
	case len(rest) > 0: // the next word is the name, whatever it looks like
		r.operands = append(r.operands, rest[0])
		return rest[1:]
	}
	return nil
}

// flag reads one flag and, where it takes one, its value.
func (r *reader) flag(word string, rest []string) []string {
	g := given{at: len(r.path) - 1}
	g.word, g.value, g.has = strings.Cut(word, "=")
	g.name = strings.TrimPrefix(strings.TrimPrefix(g.word, "-"), "-")

	f := r.find(g)
	if f == nil {
		f = r.last().below(g.name)
	}
	switch {
	case (f == nil || f == cli.HelpFlag) && (g.name == "h" || g.name == "help") && !g.has:
		r.help = true
		return rest
	case f == nil || !takesValue(f): // what nobody knows is reported by finish, which knows the command
	case g.has:
		g.takes = true
	case len(rest) == 0 || rest[0] == "--":
		r.fail(g.word+" needs a value", "")
		return rest
	case isFlag(rest[0]):
		r.fail(g.word+" needs a value", "one that begins with - is written "+g.word+"="+rest[0])
		return rest
	default:
		g.takes, g.has, g.value = true, true, rest[0]
		rest = rest[1:]
	}
	r.flags = append(r.flags, g)
	return rest
}

// find returns the flag of the path that g means; see the rules above.
func (r *reader) find(g given) cli.Flag {
	f, _ := r.bind(g)
	return f
}

func (r *reader) bind(g given) (cli.Flag, int) {
	for i := g.at; i < len(r.path); i++ {
		if f := flagOf(r.path[i].flags, g.name); f != nil {
			return f, i
		}
	}
	for i := g.at - 1; i >= 0; i-- {
		if f := flagOf(r.path[i].flags, g.name); f != nil {
			return f, i
		}
	}
	return nil, 0
}

// fail keeps the first fault.
func (r *reader) fail(what, why string) {
	if r.err == nil {
		r.err = usage(r.path, what, why)
	}
}

// finish gives every flag to its command and checks the arguments.
func (r *reader) finish(args []string) (line, error) {
	if r.help {
		if !r.last().ours { // the host's help for the host's commands
			return line{argv: args, foreign: true}, nil
		}
		return r.line, nil
	}
	if r.err == nil && len(r.last().commands) > 0 && !r.last().ours {
		return line{argv: args, foreign: true}, nil
	}
	words := make([][]string, len(r.path))
	version := false
	for _, g := range r.flags {
		f, i := r.bind(g)
		if f == nil {
			r.fail(unknownFlag(r.path, g.word))
			break
		}
		if takesValue(f) != g.takes {
			r.fail(g.word+" stands before the command it belongs to", "write it after "+pathName(r.path))
		}
		version = version || f == cli.VersionFlag
		word := "--" + f.Names()[0]
		if g.has {
			word += "=" + g.value
		}
		words[i] = append(words[i], word)
	}
	if !version {
		r.check()
	}
	r.argv = []string{args[0]}
	for i, l := range r.path {
		if i > 0 {
			r.argv = append(r.argv, l.name)
		}
		r.argv = append(r.argv, words[i]...)
	}
	return r.line, r.err
}

// check compares the arguments with what the command takes.
func (r *reader) check() {
	at := r.last()
	if len(at.commands) > 0 && !at.runs {
		r.fail("a command is missing", "it is one of "+strings.Join(commandNames(at), ", "))
		return
	}
	s := shapeOf(at.takes)
	switch n := len(r.operands); {
	case n < s.min:
		r.fail(s.names[n]+" is missing", "")
	case n > s.max && s.cmd && r.cmd == nil:
		r.fail("CMD must come after --", "nothing else tells its flags from those of "+pathName(r.path))
	case n > s.max:
		r.fail("one argument too many: "+quote(r.operands[s.max]), "")
	case s.cmd && len(r.cmd) == 0:
		r.fail("CMD is missing", "it comes after --")
	}
}

func isFlag(word string) bool { return len(word) > 1 && word[0] == '-' && word != "--" }
