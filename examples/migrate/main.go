// Migrate runs a schema migration on one node of the cluster at a time, and
// never beyond the lock's life: the context that the migration gets ends before
// another node can hold the lock.
//
// The database here is a variable that refuses an older fence, as a real one
// would with a WHERE clause; see the package documentation of recipes for why.
package main

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"

	"github.com/quorate/quorate/node"
	"github.com/quorate/quorate/recipes"
)

func main() {
	if err := run(context.Background(), &database{}); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, db *database) error {
	n, err := node.Start(ctx, node.Config{
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	defer n.Close()

	return n.Mutex("migrate").Do(ctx, func(ctx context.Context, h *recipes.Held) error {
		return db.migrate(ctx, h.Fence())
	})
}

// database is the outside resource: it remembers the highest fence it has seen.
type database struct {
	version int
	fence   int64
}

func (db *database) migrate(ctx context.Context, fence int64) error {
	if fence < db.fence {
		return fmt.Errorf("migrate: fence %d is older than %d", fence, db.fence)
	}
	db.fence = fence
	for db.version < 3 {
		if err := context.Cause(ctx); err != nil {
			return fmt.Errorf("migrate to version %d: %w", db.version+1, err)
		}
		db.version++
	}
	return nil
}
