package command

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/quorate/quorate/node"
)

func statusCommand(o Options) *cli.Command {
	return command(&cli.Command{
		Name:  "status",
		Usage: "how the node is, and what is wrong",
		Description: "The first line is the verdict. Every problem comes with why it is one and what\n" +
			"to do. It ends with 0 whenever the node answers; to wait for quorum, use\n" +
			"wait-ready --quorum.",
		Flags: []cli.Flag{outputFlag("table", "json", "yaml"), timeoutFlag("give up after `D`", defaultTimeout), socketFlag(o)},
	}, runStatus)
}

func runStatus(c *call) error {
	ctx, cancel, err := c.withTimeout()
	if err != nil {
		return err
	}
	defer cancel()
	s, err := c.remote().Status(ctx)
	if err != nil {
		return c.reach(ctx, "ask for the status", err)
	}
	switch c.format() {
	case "json":
		return c.json(s)
	case "yaml":
		return c.yaml(s)
	}
	return c.printf("%s", statusTable(s))
}

// statusTable is the status for people.
func statusTable(s node.Status) string {
	var b strings.Builder
	fmt.Fprintln(&b, verdict(s))
	if len(s.Members) > 0 {
		b.WriteByte('\n')
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "NAME\tID\tROLE\tLEADER\tRAFT")
		for _, m := range s.Members {
			name, leader := plain(m.Name), "-"
			if name == "" {
				name = "-"
			}
			if m.Self {
				name += " (this)"
			}
			if m.Leader {
				leader = "yes"
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", name, m.ID, m.Role, leader, m.PeerURL)
		}
		t.Flush()
	}
	if s.Etcd.Socket != "" {
		fmt.Fprintf(&b, "\netcd %s, %s of %s used, on %s\n", s.Etcd.Version, mib(s.Etcd.DBInUse), mib(s.Etcd.Quota), s.Etcd.Socket)
	}
	for _, p := range s.Problems {
		fmt.Fprintf(&b, "\nproblem %s: %s\n  why: %s\n  do:  %s\n", p.Code, p.What, p.Why, p.Do)
	}
	return b.String()
}

// verdict is the status in one line.
func verdict(s node.Status) string {
	state := "in order"
	switch {
	case s.Phase != node.Running:
		state = "not running"
	case !s.Quorum:
		state = "no quorum"
	case len(s.Problems) > 0:
		state = "needs attention"
	}
	problems := "no problems"
	switch n := len(s.Problems); n {
	case 0:
	case 1:
		problems = "1 problem"
	default:
		problems = fmt.Sprintf("%d problems", n)
	}
	quorum := "yes"
	if !s.Quorum {
		quorum = "no"
	}
	return fmt.Sprintf("%s: node %s of cluster %s is %s, quorum %s, %s", state, plain(s.Name), s.Cluster, s.Phase, quorum, problems)
}

func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
