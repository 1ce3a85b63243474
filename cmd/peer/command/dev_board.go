package command

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/quorate/quorate/node"
)

// A board shows the nodes: on a terminal a table that is kept current below
// what was said, elsewhere a line whenever something changes.
type board struct {
	w       io.Writer
	columns func() int // of the terminal; nil if it is none
	shown   int        // lines of the table on the terminal
	was     []row
}

// A row is one node.
type row struct{ name, process, pid, status string }

func newBoard(w io.Writer) *board {
	b := &board{w: w}
	if f, ok := w.(*os.File); ok && columns(f) > 0 {
		b.columns = func() int { return columns(f) }
	}
	return b
}

// say prints a text that stays.
func (b *board) say(text string) {
	b.wipe()
	fmt.Fprintln(b.w, strings.TrimRight(text, "\n"))
	b.paint()
}

// rows shows what has changed. What cannot be shown any more, to a reader that
// went away say, is no reason to end the nodes.
func (b *board) rows(now []row) {
	if slices.Equal(now, b.was) {
		return
	}
	before := b.was
	b.was = now
	if b.columns != nil {
		b.wipe()
		b.paint()
		return
	}
	for i, r := range now {
		if before == nil || r.process != before[i].process || r.status != before[i].status {
			fmt.Fprintf(b.w, "%s: %s\n", r.name, r.text())
		}
	}
}

func (r row) text() string {
	if r.status == "" {
		return r.process
	}
	return r.process + ", " + r.status
}

func (b *board) wipe() {
	if b.shown > 0 {
		fmt.Fprintf(b.w, "\x1b[%dA\x1b[J", b.shown)
	}
	b.shown = 0
}

func (b *board) paint() {
	if b.columns == nil || b.was == nil {
		return
	}
	var text strings.Builder
	t := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nNODE\tPROCESS\tPID\tSTATUS")
	for _, r := range b.was {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", r.name, r.process, r.pid, r.status)
	}
	t.Flush()
	width := b.columns()
	var out strings.Builder
	for line := range strings.Lines(text.String()) {
		line = strings.TrimSuffix(line, "\n")
		if runes := []rune(line); width > 0 && len(runes) > width {
			line = string(runes[:width]) // a line that wraps would not be wiped whole
		}
		out.WriteString(line + "\n")
		b.shown++
	}
	io.WriteString(b.w, out.String())
}

// rows is what the board shows of the nodes.
func (f *fleet) rows() []row {
	out := make([]row, len(f.nodes))
	for i, n := range f.nodes {
		r := row{name: n.name, process: n.state, pid: "-"}
		if n.cmd != nil {
			r.pid = strconv.Itoa(n.cmd.Process.Pid)
		}
		switch {
		case n.cmd == nil || n.state != "running":
		case n.seen.Version == 0:
			r.status = "starting"
		case n.fault != nil:
			r.status = "does not answer"
		default:
			r.status = headline(n.seen)
			if p := n.seen.Problems; len(p) > 0 && n.seen.Phase == node.Running {
				r.status += "; problem: " + plain(p[0].What)
			}
		}
		out[i] = r
	}
	return out
}
