package quorate_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Each row of SECURITY.md's table but that of who can do everything names tests,
// and they exist.
func TestSecurityRows(t *testing.T) {
	tests := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := filepath.WalkDir(".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range declared.FindAllStringSubmatch(string(text), -1) {
			tests[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	named := regexp.MustCompile("`(Test\\w+)`")
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) != 7 || strings.HasPrefix(cells[1], "---") || strings.TrimSpace(cells[1]) == "who" {
			continue
		}
		rows++
		found := named.FindAllStringSubmatch(cells[5], -1)
		if len(found) == 0 && strings.TrimSpace(cells[3]) != "everything, and read traffic to come" {
			t.Errorf("row%sis shown by no test", cells[1])
		}
		for _, m := range found {
			if !tests[m[1]] {
				t.Errorf("row%snames %s, which is no test", cells[1], m[1])
			}
		}
	}
	if rows < 7 {
		t.Errorf("%d rows", rows)
	}
}
