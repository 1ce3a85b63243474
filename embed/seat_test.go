package embed_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorate/quorate/embed"
)

func TestSeatWaitsForAMember(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		seat := embed.NewSeat()
		c, ctx := seat.Client(), t.Context()

		short, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		if _, err := c.Get(short, "k"); !errors.Is(err, embed.ErrNoMember) && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a read without a member: %v", err)
		}
		wctx, stop := context.WithCancel(ctx)
		events := c.Watch(wctx, "k")
		put := make(chan error, 1)
		go func() {
			_, err := c.Put(ctx, "k", "v")
			put <- err
		}()
		synctest.Wait() // both wait now

		m, err := embed.StartVirtual(ctx, embed.Config{Name: "v", Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		<-m.Ready()
		seat.Put(m)
		if err := <-put; err != nil {
			t.Fatal(err)
		}
		// The watch and the put were both late; the watch may have come second.
		if _, err := c.Put(ctx, "k", "w"); err != nil {
			t.Fatal(err)
		}
		if r := <-events; r.Err() != nil || len(r.Events) == 0 {
			t.Errorf("the watch said %+v", r)
		}
		l, err := c.Grant(ctx, 5)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.KeepAliveOnce(ctx, l.ID); err != nil {
			t.Error(err)
		}
		if r, err := c.MemberList(ctx); err != nil || len(r.Members) != 1 {
			t.Errorf("members: %v, %v", r, err)
		}
		stop()
		for range events {
		}
		seat.Clear()
		late := make(chan error, 1)
		go func() {
			_, err := c.Get(ctx, "k")
			late <- err
		}()
		synctest.Wait()
		if err := m.Stop(ctx); err != nil {
			t.Error(err)
		}
		seat.Close()
		if err := <-late; !errors.Is(err, embed.ErrStopped) {
			t.Errorf("a read on a closed seat: %v", err)
		}
		for range c.Watch(ctx, "k") {
			t.Error("a watch on a closed seat said something")
		}
	})
}
