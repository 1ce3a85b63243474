package nodetest

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// SeedVariable is the environment variable that names the seeds [Virtual] runs
// instead of all: "17", or a list such as "3,17,100-200".
const SeedVariable = "QUORATE_SEED"

// enough is how many seeds may fail before Virtual starts no more: a fault of
// the code under test often fails all of them.
const enough = 3

// Virtual runs fn once for each seed from 1 to seeds, as the subtests seed=1,
// seed=2 and so on, each on a fresh etcd server in virtual time: fn runs inside
// a testing/synctest bubble, and the rules of that package hold in it. In
// particular, every goroutine that fn starts must end; the ones that use v are
// told to when fn returns, since v's processes end then (see
// [Process.Context]). fn may leave locks held.
//
// Seeds run on all cores at the same time, so fn must not share state between
// seeds without care. Virtual returns when all have ended. A seed that fails
// prints how to repeat it:
//
//	QUORATE_SEED=17 go test -run '^TestFailover$' .
//
// which runs that seed alone; QUORATE_SEED takes lists and ranges too, also
// beyond seeds: QUORATE_SEED=1000-9999 looks further. After three failed seeds
// no more are started.
func Virtual(t *testing.T, seeds int, fn func(t *testing.T, v *VirtualNode)) {
	t.Helper()
	list, err := chosenSeeds(os.Getenv(SeedVariable), seeds)
	if err != nil {
		t.Fatal(err)
	}
	var next, failed atomic.Int64
	var workers sync.WaitGroup
	for range min(2*runtime.GOMAXPROCS(0), len(list)) { // twice: some wait for files
		workers.Go(func() {
			for failed.Load() < enough {
				i := int(next.Add(1)) - 1
				if i >= len(list) {
					return
				}
				seed := list[i]
				if !t.Run("seed="+strconv.FormatInt(seed, 10), func(t *testing.T) { runSeed(t, seed, fn) }) {
					failed.Add(1)
				}
			}
		})
	}
	workers.Wait()
	if started := min(int(next.Load()), len(list)); failed.Load() >= enough && started < len(list) {
		t.Logf("%d seeds failed; %d of %d were not run", failed.Load(), len(list)-started, len(list))
	}
}

func runSeed(t *testing.T, seed int64, fn func(t *testing.T, v *VirtualNode)) {
	dir, err := virtualDir()
	if err != nil {
		t.Fatalf("make a data directory: %v", err)
	}
	defer os.RemoveAll(dir)
	replay := fmt.Sprintf("seed %d failed; repeat it with: %s", seed, replayLine(t.Name(), seed))
	var v *VirtualNode
	ended := false
	defer func() {
		if ended && !t.Failed() {
			return
		}
		if v != nil {
			t.Log(v.story())
		}
		t.Log(replay)
	}()
	synctest.Test(t, func(t *testing.T) {
		defer func() {
			if p := recover(); p != nil {
				fmt.Fprintln(os.Stderr, replay) // the process ends before the test's log is written
				panic(p)
			}
		}()
		v = startVirtual(t, seed, dir)
		fn(t, v)
	})
	ended = true
}

// replayLine is for a shell in the directory of the test's package.
func replayLine(test string, seed int64) string {
	parts := strings.Split(test, "/")
	parts = parts[:len(parts)-1] // seed=N: the variable says that
	for i, p := range parts {
		parts[i] = "^" + p + "$"
	}
	return fmt.Sprintf("%s=%d go test -count=1 -run '%s' .", SeedVariable, seed, strings.Join(parts, "/"))
}

// chosenSeeds are 1 to n, or what the variable's text names.
func chosenSeeds(text string, n int) ([]int64, error) {
	if text == "" {
		list := make([]int64, max(n, 0))
		for i := range list {
			list[i] = int64(i) + 1
		}
		return list, nil
	}
	var list []int64
	for part := range strings.SplitSeq(text, ",") {
		from, to, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			to = from
		}
		a, errA := strconv.ParseInt(from, 10, 64)
		b, errB := strconv.ParseInt(to, 10, 64)
		if errA != nil || errB != nil || b < a || b-a >= maxSeeds {
			return nil, fmt.Errorf("%s=%q names no seeds: write numbers and ranges, such as 17 or 3,17,100-200", SeedVariable, text)
		}
		for ; a <= b; a++ {
			list = append(list, a)
		}
	}
	return list, nil
}

const maxSeeds = 10_000_000 // in one range
