// Vip gives one address to exactly one of three machines: each runs this program
// with the same -join and the same secret file, and whoever holds the lock has
// the address. Nothing else is deployed.
//
//	peer secret new > /etc/acme/cluster.secret && chmod 0600 /etc/acme/cluster.secret
//	vip -join 10.0.0.1,10.0.0.2,10.0.0.3 -address 10.0.0.100/24 -device eth0
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/quorate/quorate/node"
	"github.com/quorate/quorate/recipes"
)

func main() {
	var (
		cluster = flag.String("cluster", "acme", "name of the cluster")
		data    = flag.String("data", "/var/lib/acme", "directory for what this machine must keep")
		join    = flag.String("join", "", "addresses of all machines, the same list on each")
		secret  = flag.String("secret", "/etc/acme/cluster.secret", "file with the cluster's secret")
		addr    = flag.String("address", "", "address to hold, such as 10.0.0.100/24; only told if empty")
		device  = flag.String("device", "eth0", "network device to put it on")
	)
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	err := run(ctx, node.Config{
		Cluster: *cluster, DataDir: *data, Join: strings.Split(*join, ","),
		Secret: node.SecretFile(*secret), Logger: slog.Default(),
	}, address{*addr, *device})
	if err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

// run starts the node and holds the address whenever this machine is to have it.
func run(ctx context.Context, cfg node.Config, a vip) error {
	n, err := node.Start(ctx, cfg) // does not wait for the other machines
	if err != nil {
		return err // says what is wrong here, why, and what to do
	}
	defer n.Close() // gives the lock back, keeps membership
	return hold(ctx, n, a)
}

// A vip is what exactly one machine should have.
type vip interface {
	Up(ctx context.Context, fence int64) error
	Down() error
}

// hold has the address up whenever this process holds the lock, until ctx ends.
// The lock lasts two seconds beyond the process, so a machine that loses its
// power is replaced in about that time.
func hold(ctx context.Context, s recipes.Source, a vip) error {
	lock := s.Recipes().Mutex("vip", recipes.LockOptions{TTL: 2 * time.Second})
	for {
		err := lock.Do(ctx, func(ctx context.Context, h *recipes.Held) error {
			if err := a.Up(ctx, h.Fence()); err != nil {
				return errors.Join(err, a.Down())
			}
			<-ctx.Done() // the lock is in doubt, or this process stops
			return a.Down()
		})
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, recipes.ErrClosed):
			return err
		case err != nil && !errors.Is(err, recipes.ErrLost):
			log.Printf("another machine may try: %v", err)
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
		}
	}
}

// address is a vip on a network device of this machine.
type address struct{ cidr, device string }

func (a address) Up(ctx context.Context, fence int64) error {
	log.Printf("this machine has the address, fence %d", fence)
	return a.ip(ctx, "replace")
}

func (a address) Down() error {
	log.Print("this machine gives the address up")
	return a.ip(context.Background(), "del")
}

func (a address) ip(ctx context.Context, do string) error {
	if a.cidr == "" {
		return nil
	}
	cmd := exec.CommandContext(ctx, "ip", "address", do, a.cidr, "dev", a.device)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("ip address %s: %w", do, err)
	}
	return nil
}
