package formation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A process is a program that a trial runs, with all that it starts. It never
// outlives the bench's ctx.
type process struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	log   string
	done  chan struct{}
	err   error // of Wait, once done is closed
}

// A launch says how a process is started.
type launch struct {
	args   []string
	log    string    // the file that gets its stderr, and its stdout if there is no other
	stdout io.Writer // if not nil
	hidden bool      // in a network of its own; see boxes.go
}

// start starts a process in a group of its own, with no setting of the caller's
// shell but where programs and temporary files are.
func start(ctx context.Context, l launch) (*process, error) {
	log, err := os.OpenFile(l.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p := &process{cmd: exec.CommandContext(ctx, l.args[0], l.args[1:]...), log: l.log, done: make(chan struct{})}
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "TMPDIR=" + os.TempDir()}
	p.cmd.Stderr, p.cmd.Stdout = log, log
	if l.stdout != nil {
		p.cmd.Stdout = l.stdout
	}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if l.hidden {
		hide(p.cmd.SysProcAttr)
	}
	p.cmd.Cancel = func() error { return p.signal(syscall.SIGKILL) }
	p.cmd.WaitDelay = time.Second
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", filepath.Base(l.args[0]), err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// signal reaches the whole group, or nobody if it has been waited for.
func (p *process) signal(s syscall.Signal) error {
	select {
	case <-p.done:
		return os.ErrProcessDone
	default:
		return syscall.Kill(-p.cmd.Process.Pid, s)
	}
}

// kill ends the process as a power cut would, and waits for its end.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

// wait waits for the end that was asked for.
func (p *process) wait(ctx context.Context) error {
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return fmt.Errorf("it does not end: %w", context.Cause(ctx))
	}
}

// explain adds the last that the process said to err.
func (p *process) explain(err error) error {
	text, rerr := os.ReadFile(p.log)
	if rerr != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	state := "runs"
	select {
	case <-p.done:
		state = fmt.Sprintf("ended: %v", p.err)
	default:
	}
	return fmt.Errorf("%w; the process %s; the last it said:\n%s", err, state, strings.Join(lines[max(0, len(lines)-5):], "\n"))
}

// lines calls f for each line that is written to it.
type lines struct {
	f    func(string)
	rest string
}

func (l *lines) Write(p []byte) (int, error) {
	l.rest += string(p)
	for {
		line, rest, found := strings.Cut(l.rest, "\n")
		if !found {
			return len(p), nil
		}
		l.rest = rest
		l.f(line)
	}
}

// said is a stdout of which each line can be waited for.
func said() (io.Writer, func(ctx context.Context, p *process) (string, error)) {
	got := make(chan string, 16)
	next := func(ctx context.Context, p *process) (string, error) {
		select {
		case s := <-got:
			return s, nil
		case <-p.done:
			select {
			case s := <-got:
				return s, nil
			default:
				return "", p.explain(errors.New("it said nothing more"))
			}
		case <-ctx.Done():
			return "", p.explain(context.Cause(ctx))
		}
	}
	return &lines{f: func(s string) {
		select {
		case got <- s:
		default: // nobody waits for so many
		}
	}}, next
}
