package bootstrap_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden traces anew; read the difference before you commit it")

// TestGoldenTraces plays each script of testdata/f*.txt: lines with ">" are
// events, and the lines below them are what the real Decide and Apply make of
// them. They are written for people: this is what a node does in each of the
// failures that the design is about.
//
//	> nodes a b c voters=3 join=a,b,c     begins nodes, one on each machine
//	> a sees b c                          a round: both answer now. Others do not
//	> a sees b c, d silent                d did not for 60 s
//	> a sees b c, seed d by c             c answers at the join address of d
//	> a sees b, old c                     c's answer is of before its last change, and of an earlier round
//	> a sees b, late c                    c's answer is of an earlier round
//	> a sees b, just c                    c was not there at the look before
//	> a sees b c, dies before saving      ... or: dies before acting, dies in the start
//	> a sees b c, ready                   its member is part of a quorum
//	> a begins                            its process begins (again)
//	> a keeps 1, a gives back 1           a copy of its disk, and its return
//	> a goes on as x                      a copy of its disk begins on machine x
//	> a is trusted                        a person set its counter to what others know
//	> a was single                      it is a member of a cluster that began without a roster
//	> a loses its disk                    the machine comes back as A
//	> a configured voters=5 join=a,b      ... and begins
func TestGoldenTraces(t *testing.T) {
	files, err := filepath.Glob("testdata/f*_*.txt")
	if err != nil || len(files) < 14 {
		t.Fatalf("%d traces, %v", len(files), err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			got := playScript(t, string(b))
			switch {
			case got == string(b):
			case *update:
				if err := os.WriteFile(f, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			default:
				t.Errorf("%s differs; it plays as\n%s", f, got)
			}
		})
	}
}

// playScript returns the script with the answers of this build.
func playScript(t *testing.T, text string) string {
	var out strings.Builder
	s := &stage{t: t, nodes: map[byte]*actor{}, kept: map[string]disk{}}
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "> "):
			out.WriteString(line)
			for _, l := range s.event(strings.Fields(line[2:])) {
				out.WriteString("  " + l + "\n")
			}
		case strings.HasPrefix(line, "  "): // what the last build said
		default:
			out.WriteString(line)
		}
	}
	return out.String()
}
