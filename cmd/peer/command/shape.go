package command

import (
	"flag"
	"strings"

	"github.com/urfave/cli/v2"
)

// A shape is how many arguments a command takes. It is read off the text that
// the help shows, so that the two cannot disagree: a bare word is required, a
// word in brackets optional, and -- says that CMD follows.
type shape struct {
	names    []string
	min, max int
	cmd      bool
}

func shapeOf(takes string) shape {
	var s shape
	for _, word := range strings.Fields(takes) {
		switch {
		case word == "--":
			s.cmd = true
			return s
		case strings.HasPrefix(word, "["):
			s.max++
		default:
			s.min++
			s.max++
		}
		s.names = append(s.names, strings.Trim(word, "[]"))
	}
	return s
}

// mark says that a command is ours. It rides among the flags, the only place
// of a cli.Command that can carry it, and is none: it has no name.
type mark struct {
	acts bool // the command does something by itself though it holds others
}

func (mark) String() string            { return "" }
func (mark) Apply(*flag.FlagSet) error { return nil }
func (mark) Names() []string           { return nil }
func (mark) IsSet() bool               { return false }

func marked(flags []cli.Flag) bool {
	_, ok := markOf(flags)
	return ok
}

func markOf(flags []cli.Flag) (mark, bool) {
	for _, f := range flags {
		if m, ok := f.(mark); ok {
			return m, true
		}
	}
	return mark{}, false
}
