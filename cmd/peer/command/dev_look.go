package command

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/quorate/quorate/node"
)

const (
	lookPeriod = 200 * time.Millisecond // between two looks at a node
	lookLimit  = time.Second            // for one
)

// watch looks at a node again and again.
func (f *fleet) watch(ctx context.Context, n *devNode) {
	t := time.NewTicker(lookPeriod)
	defer t.Stop()
	for {
		try, cancel := context.WithTimeout(ctx, lookLimit)
		s, err := node.Remote{Socket: n.socket()}.Status(try)
		cancel()
		select {
		case <-ctx.Done():
			return
		case f.looks <- look{n, s, err}:
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

func (f *fleet) look(l look) {
	l.n.fault = l.err
	if l.err == nil {
		l.n.seen = l.status
	}
	if f.ready || f.ending {
		return
	}
	for _, n := range f.nodes {
		if n.state != "running" || n.fault != nil || n.seen.Phase != node.Running || !n.seen.Quorum {
			return
		}
	}
	f.ready = true
	f.board.rows(f.rows())
	f.board.say(f.welcome())
}

func (f *fleet) welcome() string {
	kept := "Ctrl-C stops them all and leaves nothing behind"
	if f.c.flags.String("dir") != "" {
		kept = "Ctrl-C stops them all; the data stay in " + f.dir
	}
	var b strings.Builder
	fmt.Fprintf(&b, "ready in %v\n\ntry, in another terminal:\n\n", time.Since(f.begin).Round(time.Millisecond))
	fmt.Fprintf(&b, "   export PEER_SOCKET=%s\n%s", shellWord(f.nodes[0].socket()), pathLine(f.c.app.Name))
	for _, words := range []string{"status", "lock demo -- sleep 30"} {
		fmt.Fprintf(&b, "   %s\n", f.c.self(words))
	}
	for _, verb := range []string{"kill", "restart"} {
		fmt.Fprintf(&b, "   %s\n", f.c.self("dev "+verb+" n2 --dir "+shellWord(f.dir)))
	}
	fmt.Fprintf(&b, "\n%s\n", kept)
	return b.String()
}
