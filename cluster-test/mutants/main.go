// Mutants makes each change of mutants.txt and runs the test that must notice:
//
//	cd cluster-test && go run ./mutants [-run REGEXP] [-j N] [-budget D] [-list]
//
// It exits 0 only if every mutant it ran turned its test red, and the same test
// is green without it. Nothing in the module is written: changes go in by
// `go test -overlay`. A change that does not compile proves nothing and counts
// as an error.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"
)

func main() {
	var o options
	flag.StringVar(&o.root, "root", "..", "root of the module to change")
	flag.StringVar(&o.match, "run", "", "only mutants whose name matches this `regexp`")
	flag.IntVar(&o.parallel, "j", 2, "mutants at once")
	flag.BoolVar(&o.list, "list", false, "list the promises and change nothing")
	flag.DurationVar(&o.budget, "budget", 0, "begin no further mutant after this time, in the order of the list; 0 = run all")
	flag.DurationVar(&o.limit, "limit", time.Minute, "longest time for one test; one that hangs counts as red")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		stop()
		os.Exit(1)
	}
}

type options struct {
	root, match string
	parallel    int
	list        bool
	limit       time.Duration
	budget      time.Duration
}

// errNotAllRed is what run returns when at least one mutant is not red.
var errNotAllRed = errors.New("not every mutant turned its test red")

func run(ctx context.Context, o options, w interface{ Write([]byte) (int, error) }) error {
	root, err := filepath.Abs(o.root)
	if err != nil {
		return fmt.Errorf("find the module: %w", err)
	}
	chosen, err := choose(filepath.Join(root, "mutants.txt"), o.match)
	if err != nil {
		return err
	}
	if o.list {
		tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, m := range chosen {
			fmt.Fprintf(tw, "%s\t%s\t%s %s\n", m.Name, m.Promise, m.Package, m.Test)
		}
		return tw.Flush()
	}
	tmp, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return fmt.Errorf("make a directory for the changes: %w", err)
	}
	defer os.RemoveAll(tmp)
	r := runner{root: root, tmp: tmp, limit: o.limit}
	begin := ctx
	if o.budget > 0 {
		var cancel context.CancelFunc
		begin, cancel = context.WithTimeout(ctx, o.budget)
		defer cancel()
	}
	outcomes := all(ctx, begin, r, chosen, max(1, o.parallel))
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return report(w, outcomes)
}

func choose(path, match string) ([]mutant, error) {
	re, err := regexp.Compile(match)
	if err != nil {
		return nil, fmt.Errorf("read -run: %w", err)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the list of mutants: %w", err)
	}
	defer f.Close()
	ms, err := parse(f)
	if err != nil {
		return nil, err
	}
	var chosen []mutant
	for _, m := range ms {
		if re.MatchString(m.Name) {
			chosen = append(chosen, m)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("no mutant matches %q", match)
	}
	return chosen, nil
}

// all runs the mutants in their order, n at once, and begins none once begin has
// ended. The unchanged tests of a package are built once, by whoever comes
// first.
func all(ctx, begin context.Context, r runner, ms []mutant, n int) []outcome {
	type built struct {
		once sync.Once
		bin  string
		err  error
	}
	bins := map[string]*built{}
	for i, m := range ms {
		if bins[m.Package] == nil {
			bins[m.Package] = &built{bin: filepath.Join(r.tmp, fmt.Sprintf("sound%d.test", i))}
		}
	}
	one := func(m mutant) outcome {
		b := bins[m.Package]
		b.once.Do(func() { b.err = r.build(ctx, m.Package, "", b.bin) })
		if b.err != nil {
			return outcome{mutant: m, verdict: broken, why: b.err.Error()}
		}
		usual, err := r.sound(ctx, m, b.bin)
		if err != nil {
			return outcome{mutant: m, verdict: broken, why: err.Error()}
		}
		return r.try(ctx, m, usual)
	}
	out := make([]outcome, len(ms))
	places := make(chan struct{}, n)
	var wg sync.WaitGroup
	for i, m := range ms {
		select {
		case places <- struct{}{}:
		case <-begin.Done():
		}
		if begin.Err() != nil {
			out[i] = outcome{mutant: m, verdict: unrun}
			continue
		}
		wg.Go(func() {
			defer func() { <-places }()
			out[i] = one(m)
		})
	}
	wg.Wait()
	return out
}

func report(w interface{ Write([]byte) (int, error) }, outcomes []outcome) error {
	count := map[verdict]int{}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, o := range outcomes {
		if count[o.verdict]++; o.verdict == unrun {
			continue
		}
		fmt.Fprintf(tw, "%s\t%s\t%.1f s\t%s\t%s\n", o.verdict, o.mutant.Name, o.took.Seconds(), o.mutant.Test, o.mutant.Promise)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, o := range outcomes {
		if o.why != "" {
			fmt.Fprintf(w, "\n%s %s (mutants.txt line %d): %s\n", o.verdict, o.mutant.Name, o.mutant.Line, o.why)
		}
	}
	fmt.Fprintf(w, "mutants: %d red, %d green, %d broken", count[red], count[green], count[broken])
	if count[unrun] > 0 {
		fmt.Fprintf(w, ", %d not run: the time was over", count[unrun])
	}
	fmt.Fprintln(w)
	if count[green]+count[broken] > 0 || count[red] == 0 {
		return errNotAllRed
	}
	return nil
}
