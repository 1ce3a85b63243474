package quorate_test

import (
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/quorate/quorate"

// listed is one package of the module as `go list` shows it: without its tests,
// which may import what they like.
type listed struct {
	ImportPath string
	Imports    []string // direct
	Deps       []string // direct and indirect
	Standard   bool
}

// rule is one sentence about who may know whom. Paths of this module are written
// from its root ("recipes"); a pattern that ends in "/..." stands for the package
// and everything below it.
type rule struct {
	from   string   // which of our packages it speaks about
	except []string // and which of them it does not
	direct bool     // only what they import themselves, not what they reach
	forbid []string // what they may not import or reach
	only   []string // if set, all that they may import or reach beside the standard library
	why    string
}

var rules = []rule{
	{from: "recipes/...", forbid: []string{"go.etcd.io/etcd/server/v3/...", "github.com/hashicorp/memberlist/...", "go.etcd.io/bbolt/...", "go.etcd.io/raft/v3/..."},
		why: "the recipes run on any etcd client, so a program without a member must not pay for a server"},
	{from: "recipes/...", forbid: ours("embed", "bootstrap", "node", "cmd/..."),
		why: "leaves do not know each other; node joins them"},
	{from: "bootstrap/...", forbid: []string{"go.etcd.io/etcd/...", "go.etcd.io/raft/v3/...", "go.etcd.io/bbolt/..."},
		why: "how a process gets into a cluster is decided before any etcd exists, and proved without one"},
	{from: "bootstrap/...", forbid: ours("embed", "recipes/...", "node", "cmd/..."),
		why: "leaves do not know each other; node joins them"},
	{from: "embed/...", forbid: ours("bootstrap", "recipes/...", "node", "cmd/..."),
		why: "leaves do not know each other; node joins them"},
	{from: "internal/pki/...", only: ours("internal/pki/...", "internal/problem"),
		why: "keys and certificates are reviewed as one small whole on the standard library"},
	{from: "internal/problem", only: ours("internal/problem"),
		why: "everybody imports it, so it imports nobody"},
	{from: "...", except: []string{"embed/..."}, direct: true, forbid: []string{"go.etcd.io/etcd/server/v3/...", "go.etcd.io/raft/v3/..."},
		why: "each foreign giant is known by exactly one package: etcd's server by embed"},
	{from: "...", except: []string{"bootstrap/..."}, direct: true, forbid: []string{"github.com/hashicorp/memberlist/..."},
		why: "each foreign giant is known by exactly one package: memberlist by bootstrap"},
	{from: "...", except: []string{"cmd/peer/...", "examples/..."}, forbid: []string{"github.com/urfave/cli/v2/..."},
		why: "a program that links a node must not get a command-line library with it"},
	{from: "...", except: []string{"cmd/peer/...", "examples/..."}, forbid: ours("cmd/..."),
		why: "library first: whatever peer does is an exported call below it"},
	{from: "...", except: []string{"node/nodetest/...", "examples/..."}, forbid: []string{"testing", "testing/...", "go.uber.org/goleak/...", "github.com/rogpeppe/go-internal/...", module + "/node/nodetest/..."},
		why: "what serves tests stays out of programs"},
}

func ours(patterns ...string) []string {
	for i, p := range patterns {
		patterns[i] = module + "/" + p
	}
	return patterns
}

// TestDirection holds who may know whom (the map is in doc.go).
func TestDirection(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Deps,Standard", "./...").Output()
	if err != nil {
		t.Fatalf("list the module's packages: %v\n%s", err, stderr(err))
	}
	pkgs, err := parseList(strings.NewReader(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	std, err := standardLibrary()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range violations(pkgs, rules, std) {
		t.Error(v)
	}
}

func parseList(r io.Reader) ([]listed, error) {
	var pkgs []listed
	for d := json.NewDecoder(r); ; {
		var p listed
		if err := d.Decode(&p); err == io.EOF {
			return pkgs, nil
		} else if err != nil {
			return nil, fmt.Errorf("read go list's answer: %w", err)
		}
		pkgs = append(pkgs, p)
	}
}

func standardLibrary() (map[string]bool, error) {
	out, err := exec.Command("go", "list", "std").Output()
	if err != nil {
		return nil, fmt.Errorf("list the standard library: %w\n%s", err, stderr(err))
	}
	std := map[string]bool{"C": true}
	for _, p := range strings.Fields(string(out)) {
		std[p] = true
	}
	return std, nil
}

func stderr(err error) string {
	if e, ok := err.(*exec.ExitError); ok {
		return string(e.Stderr)
	}
	return ""
}

// violations is the whole check, without the go command: what the rules say
// against this list. A rule that speaks about no package is itself a violation,
// for it would hold forever after a rename.
func violations(pkgs []listed, rules []rule, std map[string]bool) []string {
	var out []string
	for _, r := range rules {
		met := false
		for _, p := range pkgs {
			if !matches(ours(r.from)[0], p.ImportPath) || slices.ContainsFunc(r.except, func(e string) bool { return matches(ours(e)[0], p.ImportPath) }) {
				continue
			}
			met = true
			verb, deps := "reaches", p.Deps
			if r.direct {
				verb, deps = "imports", p.Imports
			}
			for _, d := range deps {
				bad := slices.ContainsFunc(r.forbid, func(f string) bool { return matches(f, d) && !matches(f, p.ImportPath) })
				if r.only != nil && !std[d] && !slices.ContainsFunc(r.only, func(o string) bool { return matches(o, d) }) {
					bad = true
				}
				if bad {
					out = append(out, fmt.Sprintf("%s %s %s: %s", p.ImportPath, verb, d, r.why))
				}
			}
		}
		if !met {
			out = append(out, fmt.Sprintf("no package is called %q, so its rule holds nothing: %s", r.from, r.why))
		}
	}
	return out
}

func matches(pattern, path string) bool {
	base, all := strings.CutSuffix(pattern, "...")
	if !all {
		return path == pattern
	}
	return path+"/" == base || strings.HasPrefix(path, base)
}

// TestDirectionCanFail breaks each rule once, on a made-up list.
func TestDirectionCanFail(t *testing.T) {
	std := map[string]bool{"fmt": true, "testing": true}
	sound := func() []listed {
		var pkgs []listed
		for _, p := range []string{"recipes", "bootstrap", "embed", "node", "node/nodetest", "internal/pki", "internal/problem", "cmd/peer", "cmd/peer/command"} {
			pkgs = append(pkgs, listed{ImportPath: module + "/" + p, Imports: []string{"fmt"}, Deps: []string{"fmt"}})
		}
		return pkgs
	}
	if v := violations(sound(), rules, std); len(v) != 0 {
		t.Fatalf("a sound list is refused: %q", v)
	}
	for _, c := range []struct {
		pkg, dep string
		indirect bool
		want     string
	}{
		{"recipes", "go.etcd.io/etcd/server/v3/mvcc", true, "on any etcd client"},
		{"recipes", "github.com/hashicorp/memberlist", true, "on any etcd client"},
		{"recipes", module + "/embed", false, "leaves do not know"},
		{"bootstrap", "go.etcd.io/etcd/api/v3/mvccpb", true, "before any etcd exists"},
		{"embed", module + "/recipes/lockexec", true, "leaves do not know"},
		{"internal/pki", "golang.org/x/crypto/hkdf", true, "on the standard library"},
		{"internal/problem", module + "/internal/pki", false, "imports nobody"},
		{"cmd/peer/command", "go.etcd.io/etcd/server/v3/embed", false, "etcd's server by embed"},
		{"node", "github.com/hashicorp/memberlist", false, "memberlist by bootstrap"},
		{"node", "github.com/urfave/cli/v2", true, "command-line library"},
		{"node", module + "/cmd/peer/command", true, "library first"},
		{"embed", "testing", true, "stays out of programs"},
	} {
		pkgs := sound()
		i := slices.IndexFunc(pkgs, func(p listed) bool { return p.ImportPath == module+"/"+c.pkg })
		pkgs[i].Deps = append(pkgs[i].Deps, c.dep)
		if !c.indirect {
			pkgs[i].Imports = append(pkgs[i].Imports, c.dep)
		}
		got := violations(pkgs, rules, std)
		if !slices.ContainsFunc(got, func(v string) bool { return strings.Contains(v, c.want) && strings.Contains(v, c.dep) }) {
			t.Errorf("%s with %s: the rule %q stays silent; said: %q", c.pkg, c.dep, c.want, got)
		}
	}
	if v := violations(sound()[1:], rules, std); !slices.ContainsFunc(v, func(s string) bool { return strings.Contains(s, `"recipes/..."`) }) {
		t.Errorf("a rule about a package that is gone stays silent: %q", v)
	}
	// An indirect path to the server is node's and peer's right.
	pkgs := sound()
	pkgs[3].Deps = append(pkgs[3].Deps, "go.etcd.io/etcd/server/v3/embed")
	if v := violations(pkgs, rules, std); len(v) != 0 {
		t.Errorf("node may reach the server through embed, but: %q", v)
	}
}
