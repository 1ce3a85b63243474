package recipes_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/embed"
	"github.com/quorate/quorate/recipes"
)

// patience is how much virtual time a test may take.
const patience = 20 * time.Minute

// world is one real etcd server in virtual time, and its processes.
type world struct {
	t     *testing.T
	m     *embed.Member
	ctx   context.Context
	close []func()

	lastFaults *faults // of the process made last
}

func virtually(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		m, err := embed.StartVirtual(t.Context(), embed.Config{Name: "v", Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		<-m.Ready()
		ctx, cancel := context.WithCancel(context.Background())
		w := &world{t: t, m: m, ctx: ctx}
		// The server's ticks go on for ever: without this a hang would take as
		// long as go test's own limit.
		hang := time.AfterFunc(patience, func() { panic(t.Name() + ": hangs") })
		defer func() {
			hang.Stop()
			cancel()
			for _, f := range w.close {
				f()
			}
			if err := m.Stop(context.Background()); err != nil {
				t.Error(err)
			}
		}()
		f(t, w)
	})
}

// process is a client of its own, with its own faults, closed when the test ends.
func (w *world) process(o recipes.Options) (*recipes.Client, *faults) {
	w.t.Helper()
	f := newFaults()
	w.lastFaults = f
	o.CloseEtcd = true
	c, err := recipes.New(w.m.NewClient(f.seam()), o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.close = append(w.close, func() {
		f.heal()
		if err := c.Close(context.Background()); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			w.t.Error(err)
		}
	})
	return c, f
}

// keys are the keys in a lock's line.
func (w *world) keys(name string) (ks []string) {
	w.t.Helper()
	return under(w.t, w.m.Client(), "/quorate/v1/lock/"+name+"/")
}

func under(t *testing.T, c *clientv3.Client, prefix string) (ks []string) {
	t.Helper()
	r, err := c.Get(context.Background(), prefix, clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	for _, kv := range r.Kvs {
		ks = append(ks, string(kv.Key))
	}
	return ks
}

// vanishes waits until key does, and returns when.
func (w *world) vanishes(key string) time.Time {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ch := w.m.Client().Watch(ctx, key, clientv3.WithFilterPut(), clientv3.WithCreatedNotify())
	<-ch
	if len(under(w.t, w.m.Client(), key)) == 0 {
		return time.Now()
	}
	for r := range ch {
		if len(r.Events) > 0 {
			return time.Now()
		}
	}
	w.t.Fatalf("%s never vanished", key)
	return time.Time{}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func put(k, v string) clientv3.Op { return clientv3.OpPut(k, v) }
