package embed

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap/zapcore"
)

// lastWord is what etcd's logger calls after a Fatal or Panic entry, in place
// of os.Exit or panic. It records the first one and then holds the calling
// goroutine for ever.
//
// Why holding is safe, and ending it by runtime.Goexit is not: to every other
// goroutine a held one is a slow one, which etcd must bear anyway. No lock it
// holds is released, and none of its deferred calls runs. Goexit runs them, and
// etcd's deferred calls assume success: batchTx.Unlock, for one, lets the
// backend commit half of an applied entry, which the restarted member would
// then apply a second time on top.
//
// A held goroutine is never freed. That is the price, and why a member that
// died cannot be started again in this process.
type lastWord struct {
	once sync.Once
	said chan struct{} // closed once err is set
	err  error
	// doomed is told of a panic that goes on, on the panicking goroutine.
	doomed func(error)
	hold   func() // never returns
}

func newLastWord() *lastWord {
	return &lastWord{said: make(chan struct{}), hold: func() { select {} }}
}

// OnWrite implements zapcore.CheckWriteHook.
func (w *lastWord) OnWrite(ce *zapcore.CheckedEntry, fields []zapcore.Field) {
	err := classify(ce.Message, errorField(fields))
	if ce.Level == zapcore.PanicLevel && panicking() {
		// etcd's scheduler recovers a Go panic of the apply loop and logs it
		// with Panic. By then the deferred calls between have run, locks are
		// released, and the argument above does not hold: the process must end
		// before the backend's next commit.
		w.say(err)
		if w.doomed != nil {
			saySoon(func() { w.doomed(err) })
		}
		panic(ce.Message)
	}
	w.say(err)
	w.hold()
}

func (w *lastWord) say(err error) {
	w.once.Do(func() {
		w.err = err
		close(w.said)
	})
}

// saySoon runs f and returns when it does, or after a second.
func saySoon(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(time.Second):
	}
}

// panicking reports whether this goroutine is inside a deferred call of a Go
// panic. A deferred call that recovered still runs on top of it.
func panicking() bool {
	pcs := make([]uintptr, 256)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		f, more := frames.Next()
		if f.Function == "runtime.gopanic" {
			return true
		}
		if !more {
			return false
		}
	}
}

func errorField(fields []zapcore.Field) error {
	for _, f := range fields {
		if f.Type == zapcore.ErrorType {
			if err, ok := f.Interface.(error); ok {
				return err
			}
		}
		if f.Key == "panic" { // what etcd recovered
			if f.Type == zapcore.StringType {
				return errors.New(f.String)
			}
			return fmt.Errorf("%v", f.Interface)
		}
	}
	return nil
}

// classify turns etcd's last word into our error.
func classify(msg string, cause error) error {
	why := msg
	if cause != nil {
		why += ": " + cause.Error()
	}
	switch {
	case isNoSpace(cause):
		return refuseCause(ErrNoSpace, cause, "disk-full", "the member died because the disk is full", why,
			"free space on the disk of the data directory, then restart the process")
	case strings.Contains(msg, "WAL") && !errors.Is(cause, syscall.EACCES),
		strings.Contains(msg, "failed to open database"),
		strings.Contains(msg, "recover v3 backend from snapshot"),
		strings.Contains(msg, "unmarshal"),
		strings.Contains(msg, "out of range"): // raft: tocommit(n) is out of range: the log lost entries
		return damaged(why, cause)
	case strings.Contains(msg, "invalid downgrade"):
		return newerVersion(why, cause)
	}
	return refuseCause(ErrFatal, cause, "member-died", "the member died", why,
		"restart the process; if it happens again, keep the data directory and the log and report it")
}

func isNoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

func damaged(why string, cause error) error {
	return refuseCause(ErrDamaged, cause, "data-damaged", "the member's data is damaged", why,
		"check the disk (dmesg, smartctl -a); move the data directory aside and restore a snapshot, or let this node join anew")
}

func newerVersion(why string, cause error) error {
	return refuseCause(ErrVersion, cause, "data-newer", "the data was written by a newer version", why,
		"install that version again, or restore a snapshot made with this one")
}

// classifyStart turns what etcd returned from its start into our error.
func classifyStart(err error, c Config) error {
	msg := err.Error()
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return refuseCause(ErrPortInUse, err, "port-in-use", fmt.Sprintf("the address of %s is in use", c.PeerURL), msg,
			"stop what listens there (see: ss -lptn), or choose another port")
	case isNoSpace(err):
		return refuseCause(ErrNoSpace, err, "disk-full", "the member cannot start because the disk is full", msg,
			"free space on the disk of "+c.Dir+", then start again")
	case errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EROFS):
		return notWritable(c.Dir, err)
	case strings.Contains(msg, "version") && strings.Contains(msg, "is not supported"):
		return newerVersion(msg, err)
	case strings.Contains(msg, "database file"), strings.Contains(msg, "wal: "), strings.Contains(msg, "snap: "):
		return damaged(msg, err)
	}
	return refuseCause(ErrConfig, err, "start-refused", "etcd refused to start the member", msg, "correct the configuration and start again")
}

func notWritable(dir string, err error) error {
	return refuseCause(ErrDir, err, "dir-not-writable", fmt.Sprintf("the directory %s cannot be used", dir), err.Error(),
		fmt.Sprintf("make it writable for this user: chown -R $(id -un) %s && chmod 0700 %s", dir, dir))
}
