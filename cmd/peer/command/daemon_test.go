package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorate/quorate/bootstrap"
	"github.com/quorate/quorate/internal/problem"
	"github.com/quorate/quorate/node"
)

// systemd returns what has been said to it so far, a message a line.
func systemd(t *testing.T) (supervisor, func() string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "q") // a socket's path has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "n"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", filepath.Join(dir, "n"))
	s := supervisor{log: slog.New(slog.DiscardHandler)}
	return s, func() string {
		s.tell("END=1") // what was sent before it is there before it
		var all strings.Builder
		buf := make([]byte, 4096)
		for conn.SetReadDeadline(time.Now().Add(10 * time.Second)); ; {
			n, err := conn.Read(buf)
			if err != nil {
				t.Fatalf("%v; said was:\n%s", err, &all)
			}
			if string(buf[:n]) == "END=1" {
				return all.String()
			}
			all.WriteString(strings.ReplaceAll(string(buf[:n]), "\n", " ") + "\n")
		}
	}
}

// The watchdog is fed by a healthy node, and by nothing else.
func TestWatchdogFood(t *testing.T) {
	up, said := systemd(t)
	up.feed(t.Context(), time.Second, func(context.Context) error { return errors.New("the state loop is stuck") })
	up.feed(t.Context(), time.Millisecond, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	if got := said(); got != "" {
		t.Errorf("a sick node said %q", got)
	}
	up.feed(t.Context(), time.Second, func(context.Context) error { return nil })
	if got := said(); got != "WATCHDOG=1\n" {
		t.Errorf("a healthy node said %q", got)
	}
}

// While Start runs, systemd is asked for more time before the last one is over.
func TestPatience(t *testing.T) {
	up, said := systemd(t)
	synctest.Test(t, func(*testing.T) {
		started := up.starting()
		time.Sleep(25 * time.Second)
		started()
		time.Sleep(time.Minute)
	})
	if got, want := said(), "STATUS=starting EXTEND_TIMEOUT_USEC=30000000\n"+strings.Repeat("EXTEND_TIMEOUT_USEC=30000000\n", 2); got != want {
		t.Errorf("said was\n%swant\n%s", got, want)
	}
}

// A line end in a status would begin another message.
func TestTellOneLine(t *testing.T) {
	up, said := systemd(t)
	up.tell("STATUS=waiting\nREADY=1")
	if got := said(); got != "STATUS=waiting READY=1\n" {
		t.Errorf("said was %q", got)
	}
}

// 78 stays down until a person has mended something; 1 is started again.
func TestStartErrorCode(t *testing.T) {
	told := func(err error) error {
		return &problem.Error{Problem: problem.Problem{Code: "x", What: "it is wrong", Why: "so", Do: "mend it"}, Err: err}
	}
	for _, tt := range []struct {
		name string
		s    settings
		err  error
		code int
	}{
		{"a configuration", settings{}, told(node.ErrConfig), 78},
		{"a data directory", settings{}, told(node.ErrDataDir), 78},
		{"a port in use", settings{}, told(syscall.EADDRINUSE), 78},
		{"a network that is not up", settings{}, told(bootstrap.ErrAdvertise), 1},
		{"an own address that cannot be", settings{Config: node.Config{Advertise: "::"}}, told(bootstrap.ErrAdvertise), 78},
		{"an address that is not up", settings{Config: node.Config{Listen: "10.0.0.1"}}, told(syscall.EADDRNOTAVAIL), 1},
		{"a process that is worn out", settings{}, told(node.ErrRestartProcess), 1},
		{"anything else", settings{}, errors.New("no luck"), 1},
	} {
		if got := codeOf(tt.s.startError(tt.err)); got != tt.code {
			t.Errorf("%s: code %d, want %d", tt.name, got, tt.code)
		}
	}
}

func TestJournal(t *testing.T) {
	var out bytes.Buffer
	j := &journal{w: &out}
	log := slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	log.Debug("d")
	log.Info("i", "k", "two\nlines")
	log.Log(t.Context(), slog.LevelInfo+2, "notice")
	log.Warn("w")
	log.Error("e")
	fmt.Fprint(j, "peer: first\npeer: second\n")
	want := "<7>msg=d\n<6>msg=i k=\"two\\nlines\"\n<6>msg=notice\n<4>msg=w\n<3>msg=e\n<3>peer: first\n<3>peer: second\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", &out, want)
	}
}
