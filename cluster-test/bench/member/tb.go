package member

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
)

// tb is as much of a testing.TB as helpers for tests use, so that one of them
// can be measured by a program.
type tb struct {
	testing.TB // nil: what is not below panics
	name, dir  string
	ctx        context.Context
	cancel     context.CancelFunc

	mu       sync.Mutex
	cleanups []func()
	errs     []string
}

func newTB(ctx context.Context, name, dir string) *tb {
	t := &tb{name: name, dir: dir}
	t.ctx, t.cancel = context.WithCancel(ctx)
	return t
}

// run runs f as a test would run: on a goroutine that FailNow may end, with the
// cleanups after it.
func (t *tb) run(f func() error) error {
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			t.cancel()
			for _, c := range slices.Backward(t.cleanups) {
				c()
			}
		}()
		err = f()
	}()
	<-done
	if err == nil && t.Failed() {
		err = fmt.Errorf("%s failed: %q", t.name, t.errs)
	}
	return err
}

func (t *tb) Helper()                  {}
func (t *tb) Name() string             { return t.name }
func (t *tb) Context() context.Context { return t.ctx }
func (t *tb) Log(...any)               {}
func (t *tb) Logf(string, ...any)      {}
func (t *tb) Skipped() bool            { return false }
func (t *tb) Output() io.Writer        { return io.Discard }

func (t *tb) Cleanup(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cleanups = append(t.cleanups, f)
}

func (t *tb) TempDir() string {
	dir, err := os.MkdirTemp(t.dir, "t")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (t *tb) Failed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.errs) > 0
}

func (t *tb) Error(args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.errs = append(t.errs, fmt.Sprint(args...))
}

func (t *tb) Errorf(format string, args ...any) { t.Error(fmt.Sprintf(format, args...)) }
func (t *tb) Fail()                             { t.Error("Fail") }
func (t *tb) FailNow()                          { t.Error("FailNow"); runtime.Goexit() }
func (t *tb) Fatal(args ...any)                 { t.Error(args...); runtime.Goexit() }
func (t *tb) Fatalf(format string, args ...any) { t.Fatal(fmt.Sprintf(format, args...)) }
