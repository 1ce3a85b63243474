// Mounted-cli is a product, acme, with a node inside and the cluster's commands
// in its own command line:
//
//	acme serve --dir /var/lib/acme
//	acme cluster status
//	acme cluster lock backup -- /usr/lib/acme/backup
//
// The product keeps its own flags, commands and help; only app.Run becomes
// command.Run.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/quorate/quorate/cmd/peer/command"
	"github.com/quorate/quorate/node"
)

// socket is where acme's node listens unless it is told otherwise.
const socket = "/run/acme/peer.sock"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := command.Run(ctx, app(), os.Args)
	stop()
	os.Exit(code)
}

func app() *cli.App {
	return &cli.App{
		Name:  "acme",
		Usage: "a product with a cluster inside",
		Commands: []*cli.Command{
			{
				Name: "serve", Usage: "run the product", Action: serve,
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "dir", Usage: "keep the data in `DIR`"},
					&cli.StringFlag{Name: "socket", Value: socket, EnvVars: []string{"PEER_SOCKET"}},
				},
			},
			{
				Name: "cluster", Usage: "the cluster inside acme",
				Subcommands: command.Commands(command.Options{Socket: socket}),
			},
		},
	}
}

func serve(c *cli.Context) error {
	n, err := node.Start(c.Context, node.Config{DataDir: c.String("dir"), Socket: c.String("socket")})
	if err != nil {
		return err
	}
	defer n.Close()
	if err := n.Ready(c.Context); err != nil {
		return err
	}
	fmt.Fprintln(c.App.Writer, "acme serves")
	select {
	case <-c.Context.Done(): // asked to stop
		return nil
	case <-n.Done():
		return n.Err()
	}
}
