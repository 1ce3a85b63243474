package command

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

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
	return c.printf("%s", statusTable(s, time.Now()))
}

// statusTable is the status for people, as of now.
func statusTable(s node.Status, now time.Time) string {
	var b strings.Builder
	fmt.Fprintln(&b, verdict(s, now))
	if len(s.Members) > 0 {
		b.WriteByte('\n')
		memberTable(&b, s, now)
	}
	if a := s.Certificates.Authority; a != "" {
		fmt.Fprintf(&b, "\ncertificates of authority %s, %s\n", a, ending(s.Certificates.Ends, now))
	} else if s.Certificates.Ends != nil {
		fmt.Fprintf(&b, "\ncertificates of your own, %s\n", ending(s.Certificates.Ends, now))
	}
	if s.Etcd.Version != "" {
		fmt.Fprintf(&b, "\netcd %s, %s of %s used, on %s\n", s.Etcd.Version, mib(s.Etcd.DBInUse), mib(s.Etcd.Quota), s.Etcd.Socket)
	}
	for _, m := range missing(s) {
		fmt.Fprintf(&b, "\nmissing %s%s: %s\n  do:  start it, or see there why it cannot be reached: peer status\n", called(m), at(m), silence(m, now))
	}
	for _, p := range s.Problems {
		fmt.Fprintf(&b, "\nproblem %s: %s\n  why: %s\n  do:  %s\n", p.Code, p.What, p.Why, p.Do)
	}
	return b.String()
}

// memberTable shows what raft, gossip and the cluster RPC say of each member,
// side by side. A node alone has no others to be seen by.
func memberTable(w io.Writer, s node.Status, now time.Time) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	several := isSeveral(s)
	head := "NAME\tID\tROLE\tLEADER\tRAFT"
	if several {
		head = "NAME\tID\tROLE\tLEADER\tGOSSIP\tRPC\tRAFT"
	}
	fmt.Fprintln(t, head)
	for _, m := range s.Members {
		name, leader := plain(m.Name), "-"
		if m.Self {
			name = orDash(name) + " (this)"
		}
		if m.Leader {
			leader = "yes"
		}
		cells := []string{orDash(name), m.ID, orDash(m.Role), leader, orDash(m.PeerURL)}
		if several {
			gossip, rpc := orDash(m.Gossip), orDash(plain(m.RPC))
			if m.Gossip == "dead" && m.Since != nil {
				gossip += " for " + age(*m.Since, now)
			}
			cells = slices.Insert(cells, 4, gossip, rpc)
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	t.Flush()
}

// verdict is the status in one line.
func verdict(s node.Status, now time.Time) string {
	gone := missing(s)
	state := "in order"
	switch {
	case s.Phase == node.Waiting || s.Phase == node.Forming || s.Phase == node.Blocked:
		state = string(s.Phase)
	case s.Phase != node.Running:
		state = "not running"
	case !s.Quorum:
		state = "no quorum"
	case len(s.Problems) > 0 || len(gone) > 0:
		state = "needs attention"
	}
	quorum := "yes"
	if !s.Quorum {
		quorum = "no"
	}
	parts := []string{fmt.Sprintf("%s: node %s of cluster %s is %s", state, plain(s.Name), s.Cluster, s.Phase), "quorum " + quorum}
	if isSeveral(s) && s.Phase == node.Running {
		parts = append(parts, there(s))
	}
	for _, m := range gone {
		part := "missing " + called(m)
		if m.Since != nil {
			part += " for " + age(*m.Since, now)
		}
		parts = append(parts, part)
	}
	switch n := len(s.Problems); n {
	case 0:
		parts = append(parts, "no problems")
	case 1:
		parts = append(parts, "1 problem")
	default:
		parts = append(parts, fmt.Sprintf("%d problems", n))
	}
	return strings.Join(parts, ", ")
}

// there is how many of the members are. Nodes that are known but no members do
// not count.
func there(s node.Status) string {
	n := 0
	for _, m := range s.Members {
		if m.Role != "" {
			n++
		}
	}
	return fmt.Sprintf("%d of %d members", n-len(missing(s)), n)
}

// missing are the members that neither gossip nor the cluster RPC finds. Before
// there is a cluster nobody can be missing from it: that is a problem's text.
func missing(s node.Status) []node.MemberStatus {
	var out []node.MemberStatus
	for _, m := range s.Members {
		if s.Phase == node.Running && m.Role != "" && !m.Self && m.Gossip != "alive" && m.RPC != "ok" {
			out = append(out, m)
		}
	}
	return out
}

// isSeveral says that there are others, or are to be.
func isSeveral(s node.Status) bool {
	return slices.ContainsFunc(s.Members, func(m node.MemberStatus) bool { return !m.Self })
}

// silence says what is known of a missing member.
func silence(m node.MemberStatus, now time.Time) string {
	text := "never seen by gossip since this node started"
	if m.Gossip == "dead" {
		text = "dead in gossip"
		if m.Since != nil {
			text += " for " + age(*m.Since, now)
		}
	}
	if m.RPC != "" {
		text += "; the cluster RPC says: " + plain(m.RPC)
	}
	return text
}

func at(m node.MemberStatus) string {
	if m.Address == "" {
		return ""
	}
	return " at " + m.Address
}

func ending(end *time.Time, now time.Time) string {
	switch {
	case end == nil:
		return "without end"
	case end.Before(now):
		return "ended " + age(*end, now) + " ago"
	}
	return "end in " + age(now, *end) + ", on " + end.UTC().Format(time.DateOnly)
}

// age is a time that has passed, no more precise than people want it.
func age(from, to time.Time) string {
	switch d := to.Sub(from); {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", int(d/(24*time.Hour)))
	case d >= time.Hour:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	default:
		return max(d, 0).Round(time.Second).String()
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
