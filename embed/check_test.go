package embed_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/quorate/quorate/embed"
)

// A check that runs when the member is stopped, or comes after, would read a
// closed store, which ends the process.
func TestCheckCorruptionWhileStopping(t *testing.T) {
	leaks(t)
	for range 20 {
		m := startReady(t, fast(t))
		for range 10 {
			if _, err := m.Client().Put(t.Context(), "k", strings.Repeat("v", 100_000)); err != nil {
				t.Fatal(err)
			}
		}
		running, ended := make(chan struct{}), make(chan error, 1)
		go func() {
			for i := 0; ; i++ {
				if i == 2 {
					close(running)
				}
				if err := m.CheckCorruption(); err != nil {
					ended <- err
					return
				}
			}
		}()
		waitFor(t, "checks run", running)
		stop(t, m)
		if err := <-ended; !errors.Is(err, embed.ErrStopped) {
			t.Fatalf("the check ended with %v, want ErrStopped", err)
		}
		if err := m.CheckCorruption(); !errors.Is(err, embed.ErrStopped) {
			t.Fatalf("a check after the stop ended with %v, want ErrStopped", err)
		}
	}
}
