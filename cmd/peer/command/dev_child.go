package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/quorate/quorate/node"
)

// A child is what the parent tells the process of one node, through its stdin:
// the secret must not be seen in a process list.
type child struct {
	Name string
	Dir  string
	Base int
	plan
}

// childTimeout bounds the giving back of locks, which takes no time with quorum
// and cannot be done without; a cluster that is being tried out should not wait.
const childTimeout = 2 * time.Second

var errParentGone = errors.New("the process that started this node is gone")

func childCommand() *cli.Command {
	return command(&cli.Command{
		Name:   "node",
		Usage:  "one node of dev --nodes, which starts it",
		Hidden: true,
		Flags:  []cli.Flag{&cli.StringFlag{Name: "log-level", Hidden: true, Value: "warn"}},
	}, runChild)
}

// runChild is one node. It lives as long as its stdin is open, so that it ends
// with its parent whatever that dies of.
func runChild(c *call) error {
	var in child
	d := json.NewDecoder(c.app.Reader)
	if err := d.Decode(&in); err != nil {
		return failure(codeUsage, "this command is called by dev --nodes", fmt.Sprintf("it is told on stdin what to do: %v", err), "use "+c.self("dev --nodes 3"))
	}
	log, err := c.logger()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(c.ctx)
	defer cancel(nil)
	go func() {
		io.Copy(io.Discard, io.MultiReader(d.Buffered(), c.app.Reader))
		cancel(errParentGone)
	}()
	c.ctx = ctx
	n, err := node.Start(ctx, node.Config{
		Name: in.Name, Cluster: in.Cluster, Secret: node.SecretText(in.Secret), Join: in.Join, BasePort: in.Base,
		DataDir: in.Dir, CloseTimeout: childTimeout, Logger: log,
	})
	if err != nil {
		return c.startError(err)
	}
	return c.hold(n, func() {})
}
