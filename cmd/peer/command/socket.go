package command

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/quorate/quorate/node"
	"github.com/quorate/quorate/recipes"
)

// Giving back what a command holds when it ends is bounded: by closeTimeout, and
// by lostTimeout where the cluster is known to be silent. What is not given back
// ends with its lease.
const (
	closeTimeout = 5 * time.Second
	lostTimeout  = 250 * time.Millisecond
)

func socketFlag(o Options) cli.Flag {
	return &cli.StringFlag{
		Name: "socket", Usage: "the node's control socket is `PATH`", Value: o.Socket,
		EnvVars: []string{"PEER_SOCKET"}, TakesFile: true,
	}
}

func timeoutFlag(usage string, value time.Duration) cli.Flag {
	return &cli.DurationFlag{Name: "timeout", Usage: usage, Value: value}
}

// withTimeout is the command's ctx bounded by --timeout, where 0 is no bound.
func (c *call) withTimeout() (context.Context, context.CancelFunc, error) {
	switch d := c.flags.Duration("timeout"); {
	case d < 0:
		return nil, nil, c.usage(fmt.Sprintf("--timeout is %v", d), "a time cannot be negative; 0 means no limit")
	case d > 0:
		ctx, cancel := context.WithTimeout(c.ctx, d)
		return ctx, cancel, nil
	}
	ctx, cancel := context.WithCancel(c.ctx)
	return ctx, cancel, nil
}

// socket is the path of the control socket, absolute, since children and
// printed commands may be elsewhere.
func (c *call) socket() string {
	s := c.flags.String("socket")
	if s == "" { // PEER_SOCKET= is not a configuration error
		s = DefaultSocket
	}
	if abs, err := filepath.Abs(s); err == nil {
		s = abs
	}
	return s
}

func (c *call) remote() node.Remote { return node.Remote{Socket: c.socket()} }

// dial connects to the node. The returned function closes the client, which
// frees what it holds.
func (c *call) dial(ctx context.Context, opts ...recipes.Options) (*recipes.Client, func(), error) {
	client, err := node.Dial(ctx, c.socket(), opts...)
	if err != nil {
		return nil, nil, err
	}
	return client, func() {
		limit := closeTimeout
		if c.lost {
			limit = lostTimeout
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), limit)
		defer cancel()
		client.Close(ctx)
	}, nil
}

// explain says why a call that ran into ctx's end got no answer: without
// quorum nothing is answered, and that is an exit code of its own.
func (c *call) explain(ctx context.Context, what string, err error) error {
	do := c.self("status") + " --socket " + c.socket()
	switch {
	case c.ctx.Err() != nil:
		return err
	case ctx.Err() == nil:
		return failure(codeError, what, err.Error(), "see "+do)
	}
	ask, cancel := context.WithTimeout(c.ctx, time.Second)
	defer cancel()
	s, serr := c.remote().Status(ask)
	if serr != nil {
		return serr
	}
	if s.Quorum {
		return failure(codeFalse, what+": no answer within "+c.flags.Duration("timeout").String(),
			"the node has quorum, so it may be slow or busy", "try a longer --timeout, or see "+do)
	}
	why := "the node knows no leader"
	for _, p := range s.Problems {
		if p.Code == "no-quorum" {
			why = p.What + ": " + p.Why
		}
	}
	return failure(codeNoQuorum, what+": no quorum", why, "see which members are down: "+do)
}

// self is how to call a command beside this one: "acme cluster status".
func (c *call) self(words string) string {
	path := c.line.path
	for len(path) > 1 && path[len(path)-1].ours {
		path = path[:len(path)-1]
	}
	return pathName(path) + " " + words
}
