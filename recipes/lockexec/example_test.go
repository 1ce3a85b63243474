//go:build unix

package lockexec_test

import (
	"context"
	"errors"
	"log"
	"os"
	"os/exec"

	"github.com/quorate/quorate/recipes"
	"github.com/quorate/quorate/recipes/lockexec"
)

var client *recipes.Client // of a node, or of node.Dial

func ExampleRun() {
	ctx := context.Background()
	held, err := client.Mutex("backup").Lock(ctx)
	if err != nil {
		log.Fatal(err)
	}
	cmd := exec.Command("rsync", "-a", "/srv/", "backup:/srv/")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	exit, err := lockexec.Run(ctx, held, cmd) // releases the lock, too
	if errors.Is(err, recipes.ErrLost) {
		log.Print("the lock was lost and rsync was ended in time: ", err)
	}
	log.Print("rsync ended with ", exit)
}
