package bootstrap_test

import (
	"os"
	"strconv"
	"testing"
	"time"
)

var worlds = []world{
	{name: "one", voters: 1, nodes: "a", seeds: "", attempts: 2, torn: true},
	{name: "two of two", voters: 2, nodes: "ab", seeds: "ab", attempts: 2, torn: true},
	{name: "two of three", voters: 2, nodes: "abc", seeds: "abc", attempts: 1},
	{name: "two of three twice", voters: 2, nodes: "abc", seeds: "abc", attempts: 2, rosters: []string{"ab", "ac#1", "bc#2"}},
	{name: "two of four", voters: 2, nodes: "abcd", seeds: "abc", attempts: 1, rosters: []string{"ab", "ad", "cd"}},
	{name: "three of three", voters: 3, nodes: "abc", seeds: "abc", attempts: 1, torn: true},
	{name: "three of three twice", voters: 3, nodes: "abc", seeds: "abc", attempts: 2},
	{name: "three with a spare", voters: 3, nodes: "abcd", seeds: "abc", attempts: 1},
	{name: "three with a spare, three rosters", voters: 3, nodes: "abcd", seeds: "abc", attempts: 1, rosters: []string{"abc", "abd", "acd"}},
	{name: "three with a spare, two rosters", voters: 3, nodes: "abcd", seeds: "abc", attempts: 1, rosters: []string{"abc", "abd"}},
	{name: "three of five", voters: 3, nodes: "abcde", seeds: "abc", attempts: 1, rosters: []string{"abd", "ace"}},
	{name: "four of five", voters: 4, nodes: "abcde", seeds: "abcde", attempts: 1, rosters: []string{"abcd", "abce"}},
	{name: "three, one wiped", voters: 3, nodes: "abc", seeds: "abc", attempts: 2, wipe: "a", mishap: wiped},
	{name: "three, one wiped, a spare", voters: 3, nodes: "abcd", seeds: "abc", attempts: 2, wipe: "a", rosters: []string{"abc", "Abd", "Acd"}, mishap: wiped},
	{name: "three, one wiped, b spare", voters: 3, nodes: "abcd", seeds: "abc", attempts: 2, wipe: "a", rosters: []string{"abc", "Abc", "bcd"}, mishap: wiped},
	{name: "two of three, set back", voters: 2, nodes: "abc", seeds: "abc", attempts: 1, rosters: []string{"ab", "ac"}, setBack: 'a', mishap: setBackAfter},
	{name: "wiped before the start", voters: 3, nodes: "abcde", seeds: "abc", attempts: 2, wipe: "a", rosters: []string{"abd", "Ace"}, mishap: wipedBefore},
	{name: "wiped after everybody knew", voters: 3, nodes: "abcde", seeds: "abc", attempts: 2, wipe: "a", rosters: []string{"abd", "Ace"}, mishap: wipedAfter},
}

func TestSearch(t *testing.T) {
	for _, w := range worlds {
		t.Run(w.name, func(t *testing.T) {
			x := newSearch(w)
			x.limit, _ = strconv.Atoi(os.Getenv("LIM"))
			start := time.Now()
			bad := x.run()
			t.Logf("%d states, %d calls, %v, kinds %v; ended %d; memo %d, outcomes %d, locals %d answers %d hists %d", x.seen.len(), x.calls, time.Since(start), x.kinds, len(x.ended), x.slots[0].memo.n, len(x.slots[0].outcomes), len(x.slots[0].locals), len(x.slots[0].answers), len(x.slots[0].hists))
			if bad != "" {
				t.Fatal(bad)
			}
		})
	}
}
