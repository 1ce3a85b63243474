package embed_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/quorate/quorate/embed"
)

// A member on its own, on loopback, without certificates.
func ExampleStart() {
	dir, err := os.MkdirTemp("", "member")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()

	m, err := embed.Start(ctx, embed.Config{Name: "a", Dir: dir, PeerURL: "http://127.0.0.1:32380"})
	if err != nil {
		log.Fatal(err) // what is wrong, why, and what to do
	}
	defer m.Stop(ctx)

	if _, err := m.Client().Put(ctx, "greeting", "hello"); err != nil {
		log.Print(err)
		return
	}
	r, err := m.Client().Get(ctx, "greeting")
	if err != nil {
		log.Print(err)
		return
	}
	fmt.Printf("%s\n", r.Kvs[0].Value)
	// Output: hello
}
