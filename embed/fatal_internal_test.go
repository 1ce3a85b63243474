package embed

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/zap"

	"github.com/quorate/quorate/internal/problem"
)

// A Fatal or Panic entry holds its goroutine: nothing after it runs, and no
// deferred call either, since one that unlocks would let others go on with what
// the goroutine left half done.
func TestLastWordHolds(t *testing.T) {
	for _, name := range []string{"fatal", "panic"} {
		t.Run(name, func(t *testing.T) {
			w := newLastWord()
			held, release := make(chan struct{}), make(chan struct{})
			w.hold = func() { close(held); <-release; runtime.Goexit() } // the test itself must not leak
			defer close(release)
			lg := newZap(slog.New(slog.DiscardHandler), w)
			ran := make(chan string, 2)
			go func() {
				defer func() { ran <- "deferred call" }()
				if name == "fatal" {
					lg.Fatal("f", zap.Error(syscall.ENOSPC))
				} else {
					lg.Panic("f", zap.Error(syscall.ENOSPC))
				}
				ran <- "next statement"
			}()
			<-held
			<-w.said
			if !errors.Is(w.err, ErrNoSpace) || !errors.Is(w.err, syscall.ENOSPC) {
				t.Errorf("said %v", w.err)
			}
			select {
			case what := <-ran:
				t.Errorf("%s ran", what)
			default:
			}
		})
	}
}

// A Go panic that etcd recovered and logs goes on: the deferred calls between
// have already run, so the member must not live.
func TestLastWordLetsPanicsGoOn(t *testing.T) {
	w := newLastWord()
	told := make(chan error, 1)
	w.doomed = func(err error) { told <- err }
	lg := newZap(slog.New(slog.DiscardHandler), w)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		func() { // as etcd's scheduler does
			defer func() {
				if p := recover(); p != nil {
					lg.Panic("execute job failed", zap.Any("panic", p))
				}
			}()
			panic("page 4: broken")
		}()
	}()
	if err := <-told; err != w.err || !strings.Contains(err.Error(), "page 4: broken") {
		t.Errorf("last word %v", err)
	}
}

func TestClassify(t *testing.T) {
	eof := io.ErrUnexpectedEOF
	for _, tt := range []struct {
		msg   string
		cause error
		want  error
	}{
		{"failed to save Raft hard state and entries", &wrapped{syscall.ENOSPC}, ErrNoSpace},
		{"failed to save Raft hard state and entries", &wrapped{syscall.EIO}, ErrFatal},
		{"failed to read WAL, cannot be repaired", eof, ErrDamaged},
		{"failed to open database", eof, ErrDamaged},
		{"tocommit(7) is out of range [lastIndex(3)]. Was the raft log corrupted, truncated, or lost?", nil, ErrDamaged},
		{"invalid downgrade; server version is lower than determined cluster version", nil, ErrVersion},
		{"failed to purge wal file", nil, ErrFatal},
	} {
		err := classify(tt.msg, tt.cause)
		if !errors.Is(err, tt.want) || tt.cause != nil && !errors.Is(err, tt.cause) {
			t.Errorf("%s: %v, want %v", tt.msg, err, tt.want)
		}
		var p *problem.Error
		if !errors.As(err, &p) || p.What == "" || p.Do == "" || !strings.Contains(p.Why, tt.msg) {
			t.Errorf("%s: %#v", tt.msg, p)
		}
	}
}

type wrapped struct{ error }

func (w *wrapped) Error() string { return fmt.Sprintf("write: %v", w.error) }
func (w *wrapped) Unwrap() error { return w.error }

func TestClassifyStart(t *testing.T) {
	listen := func(errno syscall.Errno) error {
		return fmt.Errorf("start: %w", &net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", errno)})
	}
	for _, tt := range []struct {
		err  error
		want error
		do   string
	}{
		{listen(syscall.EADDRINUSE), ErrPortInUse, "ss -lptn"},
		{listen(syscall.EADDRNOTAVAIL), ErrConfig, "ip addr"},
		{listen(syscall.EACCES), ErrConfig, "1023"},
		{&wrapped{syscall.EACCES}, ErrDir, "chown"},
		{&wrapped{syscall.ENOSPC}, ErrNoSpace, "free space"},
		{errors.New(`version "3.8.0" is not supported`), ErrVersion, "install"},
		{errors.New("database file (/x) of the backend is missing"), ErrDamaged, "snapshot"},
		{errors.New("something else"), ErrConfig, "correct the configuration"},
	} {
		err := classifyStart(tt.err, Config{Dir: "/d", PeerURL: "http://h:1"})
		var p *problem.Error
		if !errors.Is(err, tt.want) || !errors.Is(err, tt.err) || !errors.As(err, &p) || !strings.Contains(p.Do, tt.do) {
			t.Errorf("%v: %v; %#v", tt.err, err, p)
		}
	}
}
