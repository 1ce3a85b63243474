package nodetest_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/node/nodetest"
	"github.com/quorate/quorate/recipes"
)

// Ten minutes of cluster time take no time, and a held lock lives through them.
func TestVirtualTimePasses(t *testing.T) {
	real := time.Now()
	nodetest.Virtual(t, 1, func(t *testing.T, v *nodetest.VirtualNode) {
		h, err := v.Recipes().Mutex("x").Lock(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		v.Elapse(10 * time.Minute)
		if d := time.Since(began); d != 10*time.Minute {
			t.Errorf("%v passed", d)
		}
		if !h.Valid() || v.LeaseOf(h.Key()) == 0 {
			t.Errorf("the lock was lost: %v", h.Err())
		}
	})
	if d := time.Since(real); d > 10*time.Second {
		t.Errorf("ten minutes took %v", d)
	}
}

// A lease that the server ends takes its holder's context with it.
func TestExpireLease(t *testing.T) {
	nodetest.Virtual(t, 5, func(t *testing.T, v *nodetest.VirtualNode) {
		h, err := v.Recipes().Mutex("x").Lock(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx := h.Context(t.Context())
		if !v.ExpireLease(v.LeaseOf(h.Key())) {
			t.Fatal("the server knew no such lease")
		}
		<-ctx.Done()
		if h.Valid() || !errors.Is(h.Err(), recipes.ErrLost) {
			t.Errorf("valid %v, err %v", h.Valid(), h.Err())
		}
		if h.Context(t.Context()).Err() == nil {
			t.Error("a context made after the end lives")
		}
		if v.ExpireLease(1) {
			t.Error("a lease that never was has expired")
		}
	})
}

// The lock of a crashed process is free after its TTL, and not before it.
func TestCrash(t *testing.T) {
	nodetest.Virtual(t, 20, func(t *testing.T, v *nodetest.VirtualNode) {
		const ttl = 3 * time.Second
		p := v.Process("p", recipes.Options{TTL: ttl})
		h, err := p.Recipes().Mutex("x").Lock(p.Context())
		if err != nil {
			t.Fatal(err)
		}
		v.Elapse(time.Duration(v.Rand().Int64N(int64(ttl))))
		ctx := h.Context(t.Context())
		p.Crash()
		crashed := time.Now()
		if ctx.Err() == nil || p.Context().Err() == nil || h.Valid() {
			t.Error("the process survived its crash")
		}
		if _, err := p.Etcd().Get(t.Context(), "k"); err == nil {
			t.Error("a dead process reached the server")
		}
		if _, err := v.Recipes().Mutex("x").TryLock(t.Context()); !errors.Is(err, recipes.ErrLocked) {
			t.Errorf("TryLock just after the crash: %v", err)
		}
		if _, err := v.Recipes().Mutex("x").Lock(t.Context()); err != nil {
			t.Fatal(err)
		}
		// The last proof was at most a third of the TTL before the crash.
		if d := time.Since(crashed); d < ttl*2/3-time.Second/10 || d > ttl+time.Second {
			t.Errorf("free %v after the crash", d)
		}
		if again := v.Process("p"); again == p {
			t.Error("a crashed process came back as itself")
		} else if _, err := again.Etcd().Get(t.Context(), "k"); err != nil {
			t.Error(err)
		}
	})
}

// Who was paused past the TTL is not valid on its first instruction after.
func TestPause(t *testing.T) {
	nodetest.Virtual(t, 5, func(t *testing.T, v *nodetest.VirtualNode) {
		const ttl = 2 * time.Second
		p := v.Process("p", recipes.Options{TTL: ttl})
		h, err := p.Recipes().Mutex("x").Lock(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p.Pause()
		asked := make(chan time.Duration)
		began := time.Now()
		go func() {
			p.Etcd().Get(p.Context(), "k")
			asked <- time.Since(began)
		}()
		time.Sleep(ttl + time.Second)
		p.Resume()
		if h.Valid() {
			t.Error("still valid")
		}
		if d := <-asked; d < ttl+time.Second {
			t.Errorf("a call came through the pause after %v", d)
		}
		if _, err := v.Recipes().Mutex("x").TryLock(t.Context()); err != nil {
			t.Errorf("TryLock: %v", err)
		}
	})
}

// Heal ends everything that goes wrong, at once.
func TestHeal(t *testing.T) {
	nodetest.Virtual(t, 3, func(t *testing.T, v *nodetest.VirtualNode) {
		p := v.Process("p")
		w := p.Etcd().Watch(t.Context(), "k")
		p.LoseLeader(time.Hour)
		v.LoseLeader(time.Hour)
		v.Faults(nodetest.Faults{Error: 1})
		p.Faults()
		p.Pause()
		if _, err := v.Server().Put(t.Context(), "k", "v"); err != nil {
			t.Errorf("the server's own client met a fault: %v", err)
		}
		v.Elapse(time.Minute)
		healed := time.Now()
		v.Heal()
		if r := <-w; len(r.Events) != 1 {
			t.Errorf("the watch said %v", r)
		}
		for range 100 {
			if _, err := p.Etcd().Put(t.Context(), "k", "v"); err != nil {
				t.Error(err)
			}
		}
		if d := time.Since(healed); d != 0 {
			t.Errorf("it took %v", d)
		}
		v.Faults(nodetest.Faults{Error: 1})
		if _, err := p.Etcd().Put(t.Context(), "k", "v"); err == nil {
			t.Error("a healed process does not meet the faults of all any more")
		}
	})
}

// A process has its own session, owner and fences; its name starts it once.
func TestProcess(t *testing.T) {
	nodetest.Virtual(t, 3, func(t *testing.T, v *nodetest.VirtualNode) {
		p := v.Process("p")
		if v.Process("p") != p || p.Name() != "p" || p.Recipes() == v.Recipes() {
			t.Error("processes are not kept apart by their names")
		}
		var source recipes.Source = p
		h, err := source.Recipes().Mutex("x").Lock(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Recipes().Mutex("x").TryLock(t.Context()); !errors.Is(err, recipes.ErrLocked) || !strings.Contains(err.Error(), "by p ") {
			t.Errorf("TryLock: %v", err)
		}
		v.Self().Crash()
		v.Self().Crash()
		if _, err := v.Recipes().Mutex("x").TryLock(t.Context()); err == nil {
			t.Error("the first process did not crash")
		}
		if err := h.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
