// Bench measures the figures that the README quotes, side by side with the best
// other way of doing the same:
//
//	cd cluster-test && go run ./bench NAME [--json FILE]
//
// It prints a table, and writes the same rows as JSON. A target that is not met
// is said in the table and in the closing line; the exit code only tells whether
// everything could be measured.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"syscall"

	"github.com/quorate/quorate/cluster-test/bench/figure"
	"github.com/quorate/quorate/cluster-test/bench/formation"
	"github.com/quorate/quorate/cluster-test/bench/member"
)

// A bench measures one part of the project. say tells a person what is going on.
type bench struct {
	name, about string
	run         func(ctx context.Context, say func(format string, args ...any)) ([]figure.Row, error)
}

var benches = []bench{
	{"member", "one member in the process: start, close, watches, reads, what it costs", member.Run},
	{"formation", "three nodes: how they form a cluster, go on without a leader, read, what they cost", formation.Run},
}

// children are this program as the child of a bench.
var children = map[string]func(stdin io.Reader) error{
	member.IdleArg: member.Idle, formation.BareArg: formation.Bare, formation.ReaderArg: formation.Reader, formation.AloneArg: formation.Alone,
}

func main() {
	if len(os.Args) > 1 {
		if child, ok := children[os.Args[1]]; ok {
			if err := child(os.Stdin); err != nil {
				fmt.Fprintln(os.Stderr, "bench:", err)
				os.Exit(1)
			}
			return
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	usage := func() int {
		fmt.Fprintln(stderr, "usage: go run ./bench NAME [--json FILE]")
		for _, b := range benches {
			fmt.Fprintf(stderr, "  %s: %s\n", b.name, b.about)
		}
		return 2
	}
	if len(args) == 0 {
		return usage()
	}
	i := slices.IndexFunc(benches, func(b bench) bool { return b.name == args[0] })
	if i < 0 {
		return usage()
	}
	flags := flag.NewFlagSet("bench "+args[0], flag.ContinueOnError)
	flags.SetOutput(stderr)
	file := flags.String("json", "", "also write the rows to this `file`")
	if err := flags.Parse(args[1:]); err != nil || flags.NArg() > 0 {
		return usage()
	}
	if err := measure(ctx, benches[i], *file, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	return 0
}

func measure(ctx context.Context, b bench, file string, stdout, stderr io.Writer) error {
	say := func(format string, args ...any) { fmt.Fprintf(stderr, "bench: "+format+"\n", args...) }
	say("%s on %s, %d processors", b.name, runtime.Version(), runtime.NumCPU())
	rows, err := b.run(ctx, say)
	if err != nil {
		return err
	}
	if err := figure.Table(stdout, rows); err != nil {
		return err
	}
	missed := 0
	for _, r := range rows {
		if !r.Met {
			missed++
		}
	}
	fmt.Fprintf(stdout, "\n%d figures, %d targets missed\n", len(rows), missed)
	if file == "" {
		return nil
	}
	f, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("write the rows: %w", err)
	}
	if err := figure.JSON(f, rows); err != nil {
		f.Close()
		return fmt.Errorf("write the rows: %w", err)
	}
	return f.Close()
}
