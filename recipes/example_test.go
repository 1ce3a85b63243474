package recipes_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/recipes"
)

// client stands for what a node gives: n.Recipes(), or node.Dial(ctx, socket).
var client *recipes.Client

func ExampleMutex_Lock() {
	ctx := context.Background()
	held, err := client.Mutex("backup").Lock(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer held.Release(ctx)

	work := held.Context(ctx) // ends when the lock is in doubt
	for part := range 10 {
		if work.Err() != nil {
			log.Print(context.Cause(work))
			return
		}
		fmt.Println("copying part", part, "with fence", held.Fence())
	}
}

func ExampleMutex_Do() {
	err := client.Mutex("migrate").Do(context.Background(), func(ctx context.Context, h *recipes.Held) error {
		fmt.Println("the only one, with fence", h.Fence())
		return nil
	})
	if errors.Is(err, recipes.ErrLost) {
		log.Print("another may have run meanwhile: ", err)
	}
}

func ExampleMutex_TryLock() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	held, err := client.Mutex("nightly").TryLock(ctx)
	switch {
	case errors.Is(err, recipes.ErrLocked):
		fmt.Println("somebody else does it:", err)
		return
	case errors.Is(err, recipes.ErrNoQuorum):
		fmt.Println("nobody can tell:", err)
		return
	case err != nil:
		log.Fatal(err)
	}
	defer held.Release(ctx)
}

// A write that takes effect only while the lock is held, whatever this process
// believes.
func ExampleHeld_Guard() {
	ctx := context.Background()
	held, err := client.Mutex("account/4711").Lock(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer held.Release(ctx)
	r, err := client.Etcd().Txn(ctx).
		If(held.Guard()).
		Then(clientv3.OpPut("account/4711", "150")).
		Commit()
	if err == nil && !r.Succeeded {
		fmt.Println("too late: the lock is another's")
	}
}
