package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var fence = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```\n(<!-- checked by [^>]*-->)?")

// Every command of the README works as it stands there, on the node that its
// first command starts; a block that is checked elsewhere says where.
func TestReadmeCommands(t *testing.T) {
	var script strings.Builder
	ran := 0
	for _, block := range fence.FindAllStringSubmatch(readme(t), -1) {
		if block[1] != "console" || block[3] != "" {
			continue
		}
		for line := range strings.Lines(block[2]) {
			command, ok := strings.CutPrefix(strings.TrimSpace(line), "$ ")
			if !ok {
				t.Fatalf("a console block has %q, which is not a command", line)
			}
			ran++
			if command == "go run ./cmd/peer dev" {
				script.WriteString("exec sh -c 'echo $$ >dev.pid; exec peer dev >dev.out 2>dev.err' &dev&\n" +
					"take PEER_SOCKET dev.out '^ *export PEER_SOCKET=(.*)$'\n" +
					"exec peer wait-ready --quorum --timeout 30s\n")
				continue
			}
			fmt.Fprintf(&script, "exec sh -c '%s'\n", command)
		}
	}
	script.WriteString("exec sh -c 'kill -INT $(cat dev.pid)'\nwait dev\n")
	if ran < 5 {
		t.Fatalf("only %d commands found", ran)
	}
	file := filepath.Join(t.TempDir(), "readme.txtar")
	if err := os.WriteFile(file, []byte(script.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, params(testscript.Params{Files: []string{file}}))
}

// Every piece of Go in the README stands in an example, which is compiled and
// run by its own test.
func TestReadmeCode(t *testing.T) {
	var sources []string
	files, err := filepath.Glob("../../examples/*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, string(b))
	}
	pieces := 0
	for _, block := range fence.FindAllStringSubmatch(readme(t), -1) {
		if block[1] != "go" {
			continue
		}
		pieces++
		found := false
		for _, s := range sources {
			found = found || strings.Contains(s, block[2])
		}
		if !found {
			t.Errorf("no example has\n%s", block[2])
		}
	}
	if pieces == 0 {
		t.Error("the README has no Go")
	}
}

// Every relative link of the README leads somewhere.
func TestReadmeLinks(t *testing.T) {
	for _, m := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(readme(t), -1) {
		if _, err := os.Stat(filepath.Join("../..", m[1])); err != nil {
			t.Errorf("link to %s: %v", m[1], err)
		}
	}
}

func readme(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
