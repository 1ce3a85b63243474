package bootstrap_test

import (
	"testing"
	"time"
)

var worlds = []world{
	{name: "three of three", voters: 3, nodes: "abc", seeds: "abc", attempts: 2},
	{name: "three with a spare", voters: 3, nodes: "abcd", seeds: "abc", attempts: 1},
	{name: "two of three", voters: 2, nodes: "abc", seeds: "abc", attempts: 2},
	{name: "four of five", voters: 4, nodes: "abcde", seeds: "abcde", attempts: 1, rosters: []string{"abcd", "abce"}},
}

func TestSearch(t *testing.T) {
	for _, w := range worlds {
		t.Run(w.name, func(t *testing.T) {
			x := newSearch(w)
			x.limit = 300000
			start := time.Now()
			bad := x.run()
			t.Logf("%d states, %d calls, %v, kinds %v; memo %d, outcomes %d, locals %d answers %d hists %d", x.seen.len(), x.calls, time.Since(start), x.kinds, x.slots[0].memo.n, len(x.slots[0].outcomes), len(x.slots[0].locals), len(x.slots[0].answers), len(x.slots[0].hists))
			if bad != "" {
				t.Fatal(bad)
			}
		})
	}
}
