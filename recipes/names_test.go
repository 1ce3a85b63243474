package recipes_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorate/quorate/internal/problem"
	"github.com/quorate/quorate/recipes"
)

// Locks of different names never meet, however odd the names are, and whichever
// of two is taken first.
func TestNames(t *testing.T) {
	names := []string{"a", "a/b", "a/", "/a", "a%2Fb", "ab", "..", ".", "-x", " ", "\x00", "\xff", "größe", strings.Repeat("x", 255)}
	for range 2 {
		virtually(t, func(t *testing.T, w *world) {
			c, _ := w.process(recipes.Options{})
			for _, name := range names {
				ctx, cancel := context.WithTimeout(w.ctx, time.Second)
				if _, err := c.Mutex(name).TryLock(ctx); err != nil {
					t.Errorf("%q: %v", name, err)
				}
				cancel()
			}
		})
		slices.Reverse(names)
	}
}

func TestRefusals(t *testing.T) {
	virtually(t, func(t *testing.T, w *world) {
		c, _ := w.process(recipes.Options{})
		for name, tc := range map[string]struct {
			m    *recipes.Mutex
			want error
		}{
			"empty": {c.Mutex(""), recipes.ErrName},
			"long":  {c.Mutex(strings.Repeat("x", 256)), recipes.ErrName},
			"TTL":   {c.Mutex("a", recipes.LockOptions{TTL: time.Second}), recipes.ErrTTL},
		} {
			var p *problem.Error
			if _, err := tc.m.Lock(w.ctx); !errors.Is(err, tc.want) || !errors.As(err, &p) || p.What == "" || p.Why == "" || p.Do == "" {
				t.Errorf("%s: Lock: %v", name, err)
			}
			if _, err := tc.m.TryLock(w.ctx); !errors.Is(err, tc.want) {
				t.Errorf("%s: TryLock: %v", name, err)
			}
			if err := tc.m.Do(w.ctx, nil); !errors.Is(err, tc.want) {
				t.Errorf("%s: Do: %v", name, err)
			}
		}
		if _, err := recipes.New(w.m.Client(), recipes.Options{TTL: 1999 * time.Millisecond}); !errors.Is(err, recipes.ErrTTL) {
			t.Error(err)
		}
	})
}

func TestTTL(t *testing.T) {
	virtually(t, func(t *testing.T, w *world) {
		c, _ := w.process(recipes.Options{TTL: 2500 * time.Millisecond})
		for want, m := range map[time.Duration]*recipes.Mutex{
			3 * time.Second: c.Mutex("a"),
			5 * time.Second: c.Mutex("b", recipes.LockOptions{TTL: 5 * time.Second}),
			2 * time.Second: c.Mutex("c", recipes.LockOptions{TTL: 2 * time.Second}),
		} {
			h := must(m.Lock(w.ctx))
			if h.TTL() != want {
				t.Errorf("TTL %v, want %v", h.TTL(), want)
			}
			time.Sleep(10 * want)
			if !h.Valid() {
				t.Errorf("TTL %v: %v", want, h.Err())
			}
		}
		if r := must(w.m.Client().Leases(w.ctx)); len(r.Leases) != 3 {
			t.Errorf("%d leases for three TTLs", len(r.Leases))
		}
	})
}

func TestDo(t *testing.T) {
	virtually(t, func(t *testing.T, w *world) {
		c, _ := w.process(recipes.Options{})
		m := c.Mutex("a")
		boom := errors.New("boom")
		var first *recipes.Held
		err := m.Do(w.ctx, func(ctx context.Context, h *recipes.Held) error {
			first = h
			if !h.Valid() || ctx.Err() != nil {
				t.Error("not held inside")
			}
			return boom
		})
		if !errors.Is(err, boom) || len(w.keys("a")) != 0 || first.Valid() {
			t.Error(err, w.keys("a"))
		}
		func() {
			defer func() {
				if recover() != "panic" {
					t.Error("the panic was swallowed")
				}
			}()
			m.Do(w.ctx, func(context.Context, *recipes.Held) error { panic("panic") })
		}()
		if ks := w.keys("a"); len(ks) != 0 {
			t.Error("held after a panic:", ks)
		}
		err = m.Do(w.ctx, func(ctx context.Context, h *recipes.Held) error {
			must(w.m.Client().Delete(w.ctx, h.Key()))
			<-ctx.Done()
			return context.Cause(ctx)
		})
		if !errors.Is(err, recipes.ErrLost) || strings.Count(err.Error(), "lock lost") != 1 {
			t.Error(err)
		}
		err = m.Do(w.ctx, func(ctx context.Context, h *recipes.Held) error {
			must(w.m.Client().Delete(w.ctx, h.Key()))
			return nil // before it can know
		})
		if !errors.Is(err, recipes.ErrLost) {
			t.Error("a loss was not reported:", err)
		}
		ctx, cancel := context.WithCancel(w.ctx)
		err = m.Do(ctx, func(ctx context.Context, h *recipes.Held) error { cancel(); return nil })
		if err != nil || len(w.keys("a")) != 0 {
			t.Error(err, w.keys("a"))
		}
	})
}

// Guarded writes of a former holder are refused.
func TestGuard(t *testing.T) {
	virtually(t, func(t *testing.T, w *world) {
		c, _ := w.process(recipes.Options{})
		write := func(h *recipes.Held, v string) bool {
			return must(w.m.Client().Txn(w.ctx).If(h.Guard()).Then(put("acct", v)).Commit()).Succeeded
		}
		h := must(c.Mutex("a").Lock(w.ctx))
		if !write(h, "1") {
			t.Error("the holder's write was refused")
		}
		if err := h.Release(w.ctx); err != nil {
			t.Fatal(err)
		}
		h2 := must(c.Mutex("a").Lock(w.ctx))
		if write(h, "2") || !write(h2, "3") {
			t.Error("a former holder's write was accepted")
		}
	})
}

func TestEvents(t *testing.T) {
	virtually(t, func(t *testing.T, w *world) {
		var got []string
		c, _ := w.process(recipes.Options{Notify: func(e recipes.Event) { got = append(got, fmt.Sprint(e.Type, " ", e.Name)) }})
		h := must(c.Mutex("a").Lock(w.ctx))
		if err := h.Release(w.ctx); err != nil {
			t.Fatal(err)
		}
		h = must(c.Mutex("b").Lock(w.ctx))
		must(w.m.Client().Delete(w.ctx, h.Key()))
		<-h.Lost()
		synctest.Wait()
		if want := []string{"lock_acquired a", "lock_released a", "lock_acquired b", "lock_lost b"}; !slices.Equal(got, want) {
			t.Errorf("got %v", got)
		}
	})
}
