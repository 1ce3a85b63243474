// Failover keeps one active box among several: whoever holds the lock has the
// address, and the others wait. Its test is the reason it is here: it runs the
// take-over fifty times on a real etcd server in virtual time.
//
//	go run ./examples/failover -socket /run/peer/peer.sock
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"os/signal"
	"syscall"
	"time"

	"github.com/quorate/quorate/node"
	"github.com/quorate/quorate/recipes"
)

// An Address is what exactly one box should have, such as a virtual IP.
type Address interface {
	Up(fence int64) error // refuses a fence below one it has seen
	Down()
}

// serve has the address up whenever this process holds the lock, until ctx
// ends. It runs on a node, on a client of the node's socket, and in tests.
func serve(ctx context.Context, s recipes.Source, a Address) error {
	vip := s.Recipes().Mutex("vip", recipes.LockOptions{TTL: 2 * time.Second})
	for {
		err := vip.Do(ctx, func(ctx context.Context, h *recipes.Held) error {
			defer a.Down()
			if err := a.Up(h.Fence()); err != nil {
				return err
			}
			<-ctx.Done() // the lock is lost, or this process stops
			return nil
		})
		if err != nil && !errors.Is(err, recipes.ErrLost) || ctx.Err() != nil {
			return err
		}
	}
}

// printed is an Address for people to look at.
type printed struct{}

func (printed) Up(fence int64) error {
	log.Printf("active, fence %d", fence)
	return nil
}

func (printed) Down() { log.Print("not active") }

func main() {
	socket := flag.String("socket", "/run/peer/peer.sock", "control socket of the node")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *socket); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, socket string) error {
	c, err := node.Dial(ctx, socket)
	if err != nil {
		return err
	}
	defer c.Close(context.Background())
	return serve(ctx, c, printed{})
}
