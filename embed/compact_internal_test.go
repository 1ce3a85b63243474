package embed

import (
	"math/rand/v2"
	"testing"
	"time"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func at(d time.Duration) time.Time { return epoch.Add(d) }

func TestCompactorDecides(t *testing.T) {
	const quota = 1000
	// grow feeds one look a second for n seconds; revision = 10 per second.
	grow := func(c *compactor, n int, inUse int64, leader bool) (asked []int64) {
		for s := range n {
			if r := c.decide(look{at: at(time.Duration(s) * time.Second), rev: int64(10 * s), inUse: inUse, quota: quota, leader: leader}); r != 0 {
				asked = append(asked, r)
			}
		}
		return asked
	}
	for _, tt := range []struct {
		name   string
		inUse  int64
		leader bool
		still  bool // no writes after the growth
		n      int
		want   int // compactions
	}{
		{"leader", 0, true, false, 61, 4},            // at 31, 41, 51 s …
		{"follower", 0, false, false, 300, 0},        //
		{"young", 0, true, false, 30, 0},             // nothing is older than the history
		{"at a quarter", 250, true, false, 61, 4},    //
		{"past a quarter", 251, true, false, 20, 14}, // each second, once five have passed
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c compactor
			if got := grow(&c, tt.n, tt.inUse, tt.leader); len(got) != tt.want && len(got) != tt.want-1 {
				t.Errorf("compacted at %v, want %d times", got, tt.want)
			}
		})
	}
}

func TestCompactorSkipsWhenNothingMoved(t *testing.T) {
	var c compactor
	n := 0
	for s := range 600 {
		if c.decide(look{at: at(time.Duration(s) * time.Second), rev: 5, quota: 1000, leader: true}) != 0 {
			n++
		}
	}
	if n != 1 {
		t.Errorf("compacted %d times at one revision, want once", n)
	}
}

func TestCompactorNewLeaderKnowsThePast(t *testing.T) {
	var c compactor
	for s := range 60 {
		c.decide(look{at: at(time.Duration(s) * time.Second), rev: int64(s), quota: 1000})
	}
	if got := c.decide(look{at: at(60 * time.Second), rev: 60, quota: 1000, leader: true}); got != 30 {
		t.Errorf("new leader compacts at %d, want 30", got)
	}
}

// Whatever happens, what was written within the promised history is kept, the
// target only grows, and the memory is bounded.
func TestCompactorKeepsHistory(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 1))
		var c compactor
		var past []revisionAt
		now, rev, lastTarget := epoch, int64(1), int64(0)
		for range 2000 {
			now = now.Add(time.Duration(r.IntN(3000)) * time.Millisecond)
			if r.IntN(3) > 0 {
				rev += int64(r.IntN(50))
			}
			past = append(past, revisionAt{now, rev})
			l := look{at: now, rev: rev, quota: 1000, inUse: int64(r.IntN(500)), leader: r.IntN(10) > 0}
			target := c.decide(l)
			if len(c.seen) > 64 && now.Sub(c.seen[1].at) > keepHistory {
				t.Fatal("remembers what it no longer needs")
			}
			if target == 0 {
				continue
			}
			if !l.leader {
				t.Fatal("a follower compacts")
			}
			if target <= lastTarget {
				t.Fatalf("target %d after %d", target, lastTarget)
			}
			lastTarget = target
			keep := keepHistory
			if l.inUse > l.quota/4 {
				keep = pressedHistory
			}
			var then int64 // the revision when the promised history began
			for _, p := range past {
				if !p.at.After(now.Add(-keep)) {
					then = p.rev
				}
			}
			if target > then {
				t.Fatalf("seed %d: compacts at %d, but %v ago the store was at %d", seed, target, keep, then)
			}
		}
	}
}

func TestSpaceLow(t *testing.T) {
	for _, tt := range []struct {
		was       bool
		free, min int64
		want      bool
	}{
		{false, 128, 128, false},
		{false, 127, 128, true},
		{true, 128, 128, true}, // not again until an eighth more is free
		{true, 143, 128, true},
		{true, 144, 128, false},
		{false, 0, -1, false}, // no guard
		{true, 0, -1, false},
	} {
		if got := spaceLow(tt.was, tt.free, tt.min); got != tt.want {
			t.Errorf("spaceLow(%v, %d, %d) = %v", tt.was, tt.free, tt.min, got)
		}
	}
}
