package command

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode"
)

const exampleFile = "../../../systemd/peer.yaml"

// example is the example configuration, made of the table of keys.
func example() string {
	var b strings.Builder
	b.WriteString(`# /etc/peer/peer.yaml: the configuration of peer run, the same file on all machines.
# README.md tells the rest. Behind # stand keys that need not be set, each with
# an example. Flags and the environment (PEER_ and the key in upper case) come
# before what stands here; peer config show --origin says what came from where,
# and peer config check what is wrong.

`)
	was := ""
	for _, k := range keys {
		switch g := k.group(); {
		case k.path == "cluster" || k.path == "join":
			fmt.Fprintf(&b, "# %s.\n%s\n", upper(k.usage), k.inFile(k.sample))
		case g == k.path:
			fmt.Fprintf(&b, "# %s.\n#%s\n", upper(k.usage), k.inFile(k.sample))
		default:
			if g != was {
				fmt.Fprintf(&b, "#%s:\n", g)
			}
			was = g
			fmt.Fprintf(&b, "#  %-36s # %s\n", strings.TrimPrefix(k.path, g+".")+": "+k.sample, k.usage)
			if i := index(k.path); i+1 == len(keys) || keys[i+1].group() != g {
				b.WriteString("\n")
			}
		}
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func index(path string) int {
	for i, k := range keys {
		if k.path == path {
			return i
		}
	}
	return -1
}

func upper(s string) string {
	r := []rune(s)
	r[0] = unicode.ToUpper(r[0])
	return string(r)
}

// The example has every key, and works as it stands. UPDATE=1 writes it.
func TestExample(t *testing.T) {
	want := example()
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(exampleFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the table of keys says; UPDATE=1 go test writes it", exampleFile)
	}
	s := fresh()
	if err := s.readFile("example", got); err != nil {
		t.Fatal(whole(err))
	}
	if err := s.complete(); err != nil {
		t.Error(whole(err))
	}

	// With every key in use it can still be read; that some exclude each other is
	// not a matter of reading.
	var all strings.Builder
	for line := range strings.Lines(want) {
		if rest, ok := strings.CutPrefix(line, "#"); ok && !strings.HasPrefix(rest, " /") && (rest[0] != ' ' || strings.HasPrefix(rest, "  ")) {
			line = rest
		}
		all.WriteString(line)
	}
	s = fresh()
	if err := s.readFile("example", []byte(all.String())); err != nil {
		t.Fatal(whole(err))
	}
	for _, k := range keys {
		if s.origins[k.path] == "" {
			t.Errorf("the example does not have %s", k.path)
		}
	}
}
