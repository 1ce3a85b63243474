package command

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// While Start runs it asks every startBeat for startMore, so that a long log
// may be replayed in peace.
const (
	startBeat = 10 * time.Second
	startMore = 30 * time.Second
)

// tell sends lines to the supervisor.
func (s supervisor) tell(lines ...string) {
	for i, l := range lines {
		lines[i] = strings.ReplaceAll(l, "\n", " ") // a line end would begin another message
	}
	if _, err := daemon.SdNotify(false, strings.Join(lines, "\n")); err != nil {
		s.log.Warn("tell systemd", "err", err)
	}
}

// starting keeps the supervisor patient until the returned function is called.
func (s supervisor) starting() (started func()) {
	more := fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", startMore.Microseconds())
	s.tell("STATUS=starting", more)
	done := make(chan struct{})
	var beat sync.WaitGroup
	beat.Go(func() {
		t := time.NewTicker(startBeat)
		defer t.Stop()
		for {
			select {
			case <-done:
				return
			case <-t.C:
				s.tell(more)
			}
		}
	})
	return func() {
		close(done)
		beat.Wait()
	}
}

// feed keeps the watchdog quiet if the node is healthy, within limit.
func (s supervisor) feed(ctx context.Context, limit time.Duration, healthy func(context.Context) error) {
	try, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := healthy(try); err == nil {
		s.tell("WATCHDOG=1")
	} else if ctx.Err() == nil {
		s.log.Error("not healthy: the watchdog is not fed", "err", err)
	}
}

// watchdog is how often the supervisor wants to be fed, or 0.
func watchdog() (time.Duration, error) { return daemon.SdWatchdogEnabled(false) }

// forJournal gives every line its level if w leads to the journal, which then
// has no need of the time.
func forJournal(w io.Writer) io.Writer {
	f, ok := w.(*os.File)
	if !ok {
		return w
	}
	var st syscall.Stat_t
	if syscall.Fstat(int(f.Fd()), &st) != nil || os.Getenv("JOURNAL_STREAM") != fmt.Sprintf("%d:%d", st.Dev, st.Ino) {
		return w
	}
	return &journal{w: w}
}

// journal writes whole lines with the prefix that journald reads a level from.
// What has no level is a message to a person, and that is an error.
type journal struct{ w io.Writer }

var journalLevels = map[string]string{"DEBUG": "<7>", "INFO": "<6>", "WARN": "<4>", "ERROR": "<3>"}

func (j *journal) Write(text []byte) (int, error) {
	var out bytes.Buffer
	for line := range bytes.Lines(text) {
		prefix := "<3>"
		if rest, ok := bytes.CutPrefix(line, []byte("level=")); ok {
			name, rest, _ := bytes.Cut(rest, []byte(" "))
			name, _, _ = bytes.Cut(name, []byte("+")) // INFO+2
			name, _, _ = bytes.Cut(name, []byte("-"))
			if p, ok := journalLevels[string(name)]; ok {
				prefix, line = p, rest
			}
		}
		out.WriteString(prefix)
		out.Write(line)
	}
	if _, err := j.w.Write(out.Bytes()); err != nil {
		return 0, err
	}
	return len(text), nil
}
