package command

import (
	"strings"

	"github.com/urfave/cli/v2"
)

// unknownCommand says what was typed and what was probably meant.
func unknownCommand(at level, word string) (what, why string) {
	return "unknown command " + quote(word), "the nearest is " + nearest(word, commandNames(at))
}

// unknownFlag likewise, over all flags that this command line may have.
func unknownFlag(path []level, word string) (what, why string) {
	names := []string{"--help"}
	for _, l := range path {
		for _, f := range l.flags {
			for _, n := range f.Names() {
				names = append(names, dashed(n))
			}
		}
	}
	why = "the nearest is " + nearest(word, names)
	if shapeOf(path[len(path)-1].takes).max > 0 {
		why += ", and an argument that begins with - comes after --"
	}
	return "unknown flag " + word, why
}

func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

func commandNames(at level) []string {
	var names []string
	for _, c := range at.commands {
		if !c.Hidden {
			names = append(names, c.Name)
		}
	}
	return names
}

// nearest returns the name with the fewest edits to word; of equals the one
// that shares the longer beginning, then the first.
func nearest(word string, names []string) string {
	best, least, shared := "", 0, 0
	for _, n := range names {
		d, s := edits(word, n), common(word, n)
		if best == "" || d < least || d == least && s > shared {
			best, least, shared = n, d, s
		}
	}
	return best
}

func common(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// edits is the Levenshtein distance, where swapping two neighbours is one edit
// (optimal string alignment).
func edits(a, b string) int {
	var before []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}

// flagLines are the visible flags as the help shows them.
func flagLines(flags []cli.Flag) []string {
	var lines []string
	for _, f := range flags {
		if v, ok := f.(cli.VisibleFlag); ok && v.IsVisible() && len(f.Names()) > 0 && f != cli.HelpFlag {
			lines = append(lines, strings.TrimRight(f.String(), " "))
		}
	}
	return lines
}
