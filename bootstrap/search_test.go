package bootstrap_test

import (
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/quorate/quorate/bootstrap"
)

var worlds = []world{
	{name: "one", voters: 1, nodes: "a", seeds: "", attempts: 2, torn: true},
	{name: "two of two", voters: 2, nodes: "ab", seeds: "ab", attempts: 2, torn: true},
	{name: "two of three", voters: 2, nodes: "abc", seeds: "abc", attempts: 1},
	{name: "two of three twice", voters: 2, nodes: "abc", seeds: "abc", attempts: 2, rosters: []string{"ab", "ac#1", "bc#2"}},
	{name: "two of three, one after the other", voters: 2, nodes: "abc", seeds: "abc", attempts: 2, rosters: []string{"ab#1", "ac#2"}},
	{name: "three with a spare, one after the other", voters: 3, nodes: "abcd", seeds: "abc", attempts: 2, rosters: []string{"abc#1", "abd#2"}},
	{name: "three with a spare, the last one stays", voters: 3, nodes: "abcd", seeds: "abc", attempts: 2, rosters: []string{"abc#1", "acd#2"}},
	{name: "two of four", voters: 2, nodes: "abcd", seeds: "abc", attempts: 1, rosters: []string{"ab", "ad", "cd"}},
	{name: "three of three", voters: 3, nodes: "abc", seeds: "abc", attempts: 1, torn: true},
	{name: "three of three twice", voters: 3, nodes: "abc", seeds: "abc", attempts: 2, limit: 60_000},
	{name: "three with a spare", voters: 3, nodes: "abcd", seeds: "abc", attempts: 1},
	{name: "three with a spare, three rosters", voters: 3, nodes: "abcd", seeds: "abc", attempts: 1, rosters: []string{"abc", "abd", "acd"}},
	{name: "three with a spare, two rosters", voters: 3, nodes: "abcd", seeds: "abc", attempts: 1, rosters: []string{"abc", "abd"}},
	{name: "three of five", voters: 3, nodes: "abcde", seeds: "abc", attempts: 1, rosters: []string{"abd", "ace"}},
	{name: "four of five", voters: 4, nodes: "abcde", seeds: "abcde", attempts: 1, rosters: []string{"abcd", "abce"}},
	{name: "three, one wiped", voters: 3, nodes: "abc", seeds: "abc", attempts: 2, wipe: "a", mishap: wiped},
	{name: "three, one wiped, a spare", voters: 3, nodes: "abcd", seeds: "abc", attempts: 2, wipe: "a", rosters: []string{"abc", "Abd", "Acd"}, mishap: wiped},
	{name: "three, one wiped, b spare", voters: 3, nodes: "abcd", seeds: "abc", attempts: 2, wipe: "a", rosters: []string{"abc", "Abc", "bcd"}, mishap: wiped},
	{name: "two of three, set back", voters: 2, nodes: "abc", seeds: "abc", attempts: 1, rosters: []string{"ab", "ac"}, setBack: 'a', mishap: setBackAfter, calm: true, limit: 60_000},
	{name: "two of three, wiped after everybody knew", voters: 2, nodes: "abc", seeds: "abc", attempts: 2, wipe: "a", rosters: []string{"ab#1", "Ac"}, mishap: wipedAfter},
	{name: "three of five, wiped before the start", voters: 3, nodes: "abcde", seeds: "abc", attempts: 1, wipe: "a", rosters: []string{"abd", "Ace"}, mishap: wipedBefore, calm: true},
	{name: "three of five, wiped after everybody knew", voters: 3, nodes: "abcde", seeds: "abc", attempts: 2, wipe: "a", rosters: []string{"abd#1", "Ace"}, mishap: wipedAfter, calm: true},
}

// searchVariable bounds the states of each world: a number (2500000 comes to more
// than sixteen million states, in eight minutes on four cores), or "all" for the
// whole of it.
const searchVariable = "QUORATE_SEARCH"

// normalStates is the bound of each world in the normal run. The search is
// breadth first, so what is left out is what needs more steps.
const normalStates = 25_000

// TestSearch tries every order of events in named worlds, with the real Decide
// and Apply: no two clusters, and no state from which a node cannot get on.
func TestSearch(t *testing.T) {
	limit := normalStates
	if v := os.Getenv(searchVariable); v == "all" {
		limit = 0
	} else if v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			t.Fatalf("%s=%q is neither a number nor all", searchVariable, v)
		}
		limit = n
	}
	var sum tally
	for _, w := range worlds {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			x := newSearch(w)
			x.limit = limit
			if limit == normalStates && w.limit != 0 {
				x.limit = w.limit
			}
			start := time.Now()
			bad := x.run()
			t.Logf("%d states, %d calls of Decide, %v, plans %v", x.seen.len(), x.calls, time.Since(start), x.kinds)
			sum.add(x)
			if bad != "" {
				t.Fatal(bad)
			}
		})
	}
	t.Cleanup(func() { sum.check(t) }) // runs when all worlds have ended
}

// tally is what the worlds come to together.
type tally struct {
	mu            sync.Mutex
	worlds        int
	states, calls int
	kinds         map[bootstrap.Kind]int
}

func (s *tally) add(x *search) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.worlds++
	s.states += x.seen.len()
	s.calls += int(x.calls)
	if s.kinds == nil {
		s.kinds = map[bootstrap.Kind]int{}
	}
	for k, n := range x.kinds {
		s.kinds[k] += int(n)
	}
}

func (s *tally) check(t *testing.T) {
	t.Logf("%d worlds: %d distinct states, %d calls of Decide", s.worlds, s.states, s.calls)
	if s.worlds < len(worlds) || t.Failed() {
		return // some were not asked for
	}
	if s.calls < s.states {
		t.Errorf("%d calls of Decide for %d states", s.calls, s.states)
	}
	if os.Getenv(searchVariable) == "" && s.states < 300_000 {
		t.Errorf("only %d distinct states", s.states)
	}
	for _, k := range bootstrap.Kinds {
		if s.kinds[k] == 0 {
			t.Errorf("no plan of kind %s was reached", k)
		}
	}
}
