package nodetest_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/node/nodetest"
	"github.com/quorate/quorate/recipes"
)

// asChild is set in the child processes of TestCaught.
const asChild = "QUORATE_NODETEST_CHILD"

// children are tests that must fail, and what their output must have in it.
var children = map[string]struct {
	fn   func(t *testing.T, v *nodetest.VirtualNode)
	want []string
}{
	"careless": {careless, []string{"a write with fence", "lease", "expires"}},
	"stopped":  {func(t *testing.T, v *nodetest.VirtualNode) { t.FailNow() }, nil},
	"panicked": {func(t *testing.T, v *nodetest.VirtualNode) { panic("out of luck") }, []string{"out of luck"}},
	"stuck": {func(t *testing.T, v *nodetest.VirtualNode) {
		go func() { <-make(chan int) }()
	}, []string{"deadlock"}},
}

// careless keeps writing after it has lost the lock.
func careless(t *testing.T, v *nodetest.VirtualNode) {
	p := v.Process("careless", recipes.Options{TTL: recipes.MinTTL})
	h, err := p.Recipes().Mutex("x").Lock(p.Context())
	if err != nil {
		t.Fatal(err)
	}
	var last int64
	write := func(fence int64) {
		if fence < last {
			t.Errorf("a write with fence %d came after one with %d", fence, last)
		}
		last = fence
	}
	v.ExpireLease(v.LeaseOf(h.Key()))
	next, err := v.Recipes().Mutex("x").Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	write(next.Fence())
	time.Sleep(time.Second)
	write(h.Fence()) // without a look at h.Valid
}

// A test that should fail does, and says which seed it was and how to repeat
// it; no more seeds are started once a few have failed.
func TestCaught(t *testing.T) {
	if name := os.Getenv(asChild); name != "" {
		nodetest.Virtual(t, 100, children[name].fn)
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, child := range children {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(self, "-test.run=^TestCaught$", "-test.v")
			cmd.Env = append(os.Environ(), asChild+"="+name, "TMPDIR="+t.TempDir()) // a panic leaves files
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatalf("it passed:\n%s", out)
			}
			replay := regexp.MustCompile(`seed (\d+) failed; repeat it with: QUORATE_SEED=(\d+) go test -count=1 -run '\^TestCaught\$' \.`)
			m := replay.FindSubmatch(out)
			if m == nil || string(m[1]) != string(m[2]) {
				t.Errorf("no line says how to repeat it:\n%s", out)
			}
			for _, want := range child.want {
				if !strings.Contains(string(out), want) {
					t.Errorf("no %q in:\n%s", want, out)
				}
			}
			if n := strings.Count(string(out), "=== RUN   TestCaught/seed="); n > 50 {
				t.Errorf("%d of 100 seeds were run", n)
			}
		})
	}
}

// QUORATE_SEED picks seeds, beyond the number of the call too, and refuses what
// it cannot read.
func TestSeedVariable(t *testing.T) {
	for text, want := range map[string]string{
		"17": "17", "3, 5,8-10": "3 5 8 9 10", "1000-1001": "1000 1001",
	} {
		t.Setenv(nodetest.SeedVariable, text)
		var ran seeds
		nodetest.Virtual(t, 2, func(t *testing.T, v *nodetest.VirtualNode) { ran.add(v.Seed()) })
		if got := ran.String(); got != want {
			t.Errorf("%s=%q ran %s, want %s", nodetest.SeedVariable, text, got, want)
		}
	}
	for _, text := range []string{"x", "5-3", "1-", "-1", "1,,2", "1-99999999999"} {
		if _, err := nodetest.ChosenSeeds(text, 2); err == nil {
			t.Errorf("%s=%q is taken", nodetest.SeedVariable, text)
		}
	}
}
