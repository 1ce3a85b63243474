package main

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// mutant is one entry of mutants.txt: a promise, the change that breaks it, and
// the test that must notice.
type mutant struct {
	Name    string
	Line    int // where it stands in mutants.txt
	Promise string
	Package string // as the go command takes it, from the module's root
	Test    string // the test's name, subtests after slashes
	Hunks   []hunk
}

// hunk replaces one run of whole lines of a file by another.
type hunk struct {
	File     string
	Old, New []string
}

var nameForm = regexp.MustCompile(`^\[([a-z0-9][a-z0-9-]*)\]$`)

// parse reads mutants.txt; its head says what the format is.
func parse(r io.Reader) ([]mutant, error) {
	var all []mutant
	seen := map[string]int{}
	fail := func(n int, format string, args ...any) ([]mutant, error) {
		return nil, fmt.Errorf("mutants.txt line %d: %s", n, fmt.Sprintf(format, args...))
	}
	sc := bufio.NewScanner(r)
	n := 0
	for sc.Scan() {
		n++
		line := sc.Text()
		if strings.TrimSpace(line) == "" || line[0] == '#' {
			continue
		}
		if m := nameForm.FindStringSubmatch(line); m != nil {
			if first, ok := seen[m[1]]; ok {
				return fail(n, "the name %s is taken by line %d", m[1], first)
			}
			seen[m[1]] = n
			all = append(all, mutant{Name: m[1], Line: n})
			continue
		}
		if len(all) == 0 {
			return fail(n, "an entry starts with [name]")
		}
		if err := all[len(all)-1].add(line); err != nil {
			return fail(n, "%v", err)
		}
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("read mutants.txt: %w", err)
	}
	for _, m := range all {
		if err := m.whole(); err != nil {
			return fail(m.Line, "%s: %v", m.Name, err)
		}
	}
	return all, nil
}

// add takes one line of an entry.
func (m *mutant) add(line string) error {
	switch line[0] {
	case '-', '+', ' ':
		if len(m.Hunks) == 0 {
			return fmt.Errorf("a changed line comes after its file")
		}
		h := &m.Hunks[len(m.Hunks)-1]
		if line[0] != '+' {
			h.Old = append(h.Old, line[1:])
		}
		if line[0] != '-' {
			h.New = append(h.New, line[1:])
		}
		return nil
	}
	key, value, _ := strings.Cut(line, " ")
	value = strings.TrimSpace(value)
	if value == "" {
		return fmt.Errorf("%q says nothing", key)
	}
	switch key {
	case "promise":
		m.Promise = value
	case "test":
		pkg, test, _ := strings.Cut(value, " ")
		m.Package, m.Test = pkg, strings.TrimSpace(test)
	case "file":
		m.Hunks = append(m.Hunks, hunk{File: value})
	default:
		return fmt.Errorf("unknown word %q; an entry has promise, test, file and lines that start with '-', '+' or a space", key)
	}
	return nil
}

func (m mutant) whole() error {
	switch {
	case m.Promise == "":
		return fmt.Errorf("no promise")
	case m.Package == "" || m.Test == "":
		return fmt.Errorf("no test: the line is `test ./package TestName`")
	case len(m.Hunks) == 0:
		return fmt.Errorf("no file")
	}
	for _, h := range m.Hunks {
		if len(h.Old) == 0 {
			return fmt.Errorf("%s: no old text (lines that start with '-' or a space)", h.File)
		}
		if strings.Join(h.Old, "\n") == strings.Join(h.New, "\n") {
			return fmt.Errorf("%s: the change changes nothing", h.File)
		}
	}
	return nil
}

// apply returns src with the hunk's old lines replaced. Lines are compared
// whole, without the white space around them, so that an entry survives a
// change of indentation; the old text must occur exactly once.
func (h hunk) apply(src string) (string, error) {
	lines := strings.Split(src, "\n")
	var at []int
	for i := 0; i+len(h.Old) <= len(lines); i++ {
		same := true
		for k, o := range h.Old {
			same = same && strings.TrimSpace(lines[i+k]) == strings.TrimSpace(o)
		}
		if same {
			at = append(at, i)
		}
	}
	if len(at) != 1 {
		return "", fmt.Errorf("%s: the old text occurs %d times, not once: %q", h.File, len(at), strings.Join(h.Old, "\n"))
	}
	var out []string
	out = append(out, lines[:at[0]]...)
	out = append(out, h.New...)
	out = append(out, lines[at[0]+len(h.Old):]...)
	return strings.Join(out, "\n"), nil
}
