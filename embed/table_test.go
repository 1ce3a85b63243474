package embed_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/embed"
	"github.com/quorate/quorate/internal/problem"
)

const (
	childEnv = "QUORATE_EMBED_ROW" // which row this process is to play
	dirEnv   = "QUORATE_EMBED_DIR" // an empty directory of the row's own

	rowPatience = 10 * time.Second
)

// required are the rows there must be. A row that is lost from the table fails
// the test.
var required = []string{
	"start, stop, start",
	"stop before ready",
	"stop twice",
	"stopped in the first instant, started again",
	"disk full under a running member",
	"disk full at the start",
	"free space under the guard",
	"damaged log",
	"log that lost its end",
	"log gone",
	"damaged database",
	"database cut short",
	"database gone",
	"database cut short under a running member",
	"database overwritten under a running member",
	"database overwritten, found by the backend's timer",
	"directory of another member",
	"directory of a newer version",
	"cluster of a newer version",
	"two processes on one directory",
	"directory not writable",
	"port in use",
	"socket path too long",
	"socket of a killed process",
	"socket of a living process",
	"second start after a death",
	"second start after a death in the start",
	"start again after a refusal",
}

// A row is one thing that can happen to a member, played by a process of its
// own. That process says what it saw; if the row says so, it dies instead.
type row struct {
	play func(dir string) error
	is   error    // what errors.Is must find; nil: no error
	what []string // in the error's What; without an error, in the standard error
	why  []string
	do   []string
	exit int
}

// report is what a child says.
type report struct {
	Is            []string // the sentinels that errors.Is finds
	Code          string
	What, Why, Do string
	Text          string
}

func TestTable(t *testing.T) {
	for _, name := range required {
		if _, ok := rows[name]; !ok {
			t.Errorf("no row %q", name)
		}
	}
	for name, r := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !slices.Contains(required, name) {
				t.Errorf("row %q is not among the required ones", name)
			}
			checkRow(t, name, r)
		})
	}
}

func checkRow(t *testing.T, name string, r row) {
	ctx, cancel := context.WithTimeout(t.Context(), rowPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+name, dirEnv+"="+shortDir(t))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		t.Fatalf("took more than %v\n%s", rowPatience, tail(stderr.String()))
	}
	if code := cmd.ProcessState.ExitCode(); code != r.exit {
		t.Errorf("exit code %d (%v), want %d\n%s", code, err, r.exit, tail(stderr.String()))
	}
	if r.exit > 1 { // it died: only its last words are left
		for _, s := range r.what {
			if !strings.Contains(stderr.String(), s) {
				t.Errorf("last words do not contain %q:\n%s", s, tail(stderr.String()))
			}
		}
		return
	}
	var got report
	if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
		t.Fatalf("the process did not live to report: %v\n%s%s", err, stdout.String(), tail(stderr.String()))
	}
	if r.is == nil {
		if got.Text != "" {
			t.Errorf("error %s", got.Text)
		}
		return
	}
	if !slices.Contains(got.Is, r.is.Error()) {
		t.Errorf("error is %q, want %q: %s", got.Is, r.is, got.Text)
	}
	contains(t, "what", got.What, r.what)
	contains(t, "why", got.Why, r.why)
	contains(t, "do", got.Do, r.do)
	if got.Code == "" {
		t.Error("no code")
	}
}

func contains(t *testing.T, part, text string, want []string) {
	t.Helper()
	if text == "" || len(want) == 0 {
		t.Errorf("%s: %q, want %q in it", part, text, want)
	}
	for _, s := range want {
		if !strings.Contains(text, s) {
			t.Errorf("%s: %q does not contain %q", part, text, s)
		}
	}
}

func tail(s string) string {
	const most = 3000
	if len(s) > most {
		return "…" + s[len(s)-most:]
	}
	return s
}

// child plays a row, reports, and returns the exit code.
func child(name string) int {
	if f, ok := helpers[name]; ok {
		f(os.Getenv(dirEnv))
		return 0
	}
	err := rows[name].play(os.Getenv(dirEnv))
	var rep report
	code := 0
	if err != nil {
		code = 1
		rep.Text = err.Error()
		var p *problem.Error
		if errors.As(err, &p) {
			rep.Code, rep.What, rep.Why, rep.Do = p.Code, p.What, p.Why, p.Do
		}
		for _, s := range sentinels {
			if errors.Is(err, s) {
				rep.Is = append(rep.Is, s.Error())
			}
		}
	}
	out, _ := json.Marshal(rep)
	fmt.Println(string(out))
	return code
}

var sentinels = []error{
	embed.ErrConfig, embed.ErrStopped, embed.ErrRestartProcess, embed.ErrDirInUse, embed.ErrDir, embed.ErrDamaged,
	embed.ErrOtherMember, embed.ErrVersion, embed.ErrPortInUse, embed.ErrSocket, embed.ErrAuthRefused,
	embed.ErrRemoved, embed.ErrFatal, embed.ErrNoSpace,
}
