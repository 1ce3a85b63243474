package embed_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/quorate/quorate/embed"
)

// startCluster starts n members that know each other.
func startCluster(t *testing.T, n int) []*embed.Member {
	t.Helper()
	founders := map[string]string{}
	for i := range n {
		founders[fmt.Sprint("m", i)] = freeURL(t)
	}
	var ms []*embed.Member
	for i := range n {
		c := fast(t)
		c.Name = fmt.Sprint("m", i)
		c.PeerURL, c.InitialCluster = founders[c.Name], founders
		m, err := embed.Start(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Stop(context.Background()) })
		ms = append(ms, m)
	}
	for _, m := range ms {
		waitFor(t, "ready", m.Ready())
	}
	return ms
}

// leader is the member that leads.
func leader(t *testing.T, ms []*embed.Member) *embed.Member {
	t.Helper()
	var l *embed.Member
	eventually(t, "there is a leader", func() bool {
		for _, m := range ms {
			if s := m.Status(); s.Leader == s.ID {
				l = m
			}
		}
		return l != nil
	})
	return l
}

// A member that stops hands over, and a read on another one outlives that.
func TestStopHandsOver(t *testing.T) {
	leaksInTime(t)
	ms := startCluster(t, 3)
	old := leader(t, ms)
	rest := without(ms, old)
	changed := rest[0].LeaderChanged()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	reads := make(chan error)
	go func() {
		for ctx.Err() == nil {
			if _, err := rest[0].Client().Get(ctx, "k"); err != nil && ctx.Err() == nil {
				reads <- err
				return
			}
		}
		close(reads)
	}()
	stop(t, old)
	waitFor(t, "the change of leader", changed)
	leader(t, rest)
	if _, err := rest[1].Client().Get(ctx, "k"); err != nil {
		t.Error(err)
	}
	cancel()
	for err := range reads {
		t.Error("a read ended with", err)
	}
	if got := len(rest[0].Members()); got != 3 {
		t.Errorf("stopping changed the membership: %d members", got)
	}
}

// All members that stop at once are soon gone: the one that leads does not wait
// for a successor that stops too.
func TestStopAllAtOnce(t *testing.T) {
	leaksInTime(t)
	for range 3 {
		ms := startCluster(t, 3)
		begin := time.Now()
		stopped := make(chan struct{}, len(ms))
		for _, m := range ms {
			go func() {
				stop(t, m)
				stopped <- struct{}{}
			}()
		}
		for range ms {
			<-stopped
		}
		if took := time.Since(begin); took > 4*time.Second { // etcd waits for more than five
			t.Fatalf("they stopped in %v", took)
		}
	}
}

func TestRemovedMember(t *testing.T) {
	leaksInTime(t)
	ms := startCluster(t, 3)
	gone := without(ms, leader(t, ms))[0]
	rest := without(ms, gone)
	eventually(t, "it can be removed", func() bool {
		_, err := rest[0].Client().MemberRemove(t.Context(), gone.Status().ID)
		return err == nil
	})
	waitFor(t, "it learns of it", gone.Done())
	if err := gone.Err(); !errors.Is(err, embed.ErrRemoved) {
		t.Errorf("Err is %v, want ErrRemoved", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := gone.Stop(ctx); !errors.Is(err, embed.ErrRemoved) {
		t.Errorf("Stop returned %v, want ErrRemoved", err)
	}
	eventually(t, "the others know", func() bool { return len(rest[0].Members()) == 2 })
}

// Without a quorum, calls end with their context, and Status says who leads: 0.
func TestNoQuorum(t *testing.T) {
	leaksInTime(t)
	ms := startCluster(t, 2)
	m := without(ms, leader(t, ms))[0]
	stop(t, without(ms, m)[0])
	eventually(t, "the leader is lost", func() bool { return m.Status().Leader == 0 || m.Status().Leader != m.Status().ID })
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := m.Client().Get(ctx, "k"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("read: %v, want DeadlineExceeded", err)
	}
	if _, err := m.Client().Put(ctx, "k", "v"); err == nil {
		t.Error("a write went through")
	}
	if _, err := m.Client().KeepAliveOnce(ctx, 1); err == nil {
		t.Error("a renewal went through")
	}
}

func without(ms []*embed.Member, x *embed.Member) (rest []*embed.Member) {
	for _, m := range ms {
		if m != x {
			rest = append(rest, m)
		}
	}
	return rest
}

// leaksInTime is leaks for members with peers: etcd keeps idle HTTP connections
// between them, without a hook to close them, and they end by their time-outs.
func leaksInTime(t *testing.T) {
	t.Cleanup(func() {
		began := time.Now()
		var err error
		for time.Since(began) < patience {
			if err = goleak.Find(); err == nil {
				t.Log("last goroutine ended after", time.Since(began))
				return
			}
		}
		t.Error(err)
	})
}
