package embed

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
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
// etcd's deferred calls assume success: txn.End, for one, lets the backend
// commit half of an entry with the index that says it was applied, and the
// restarted member would skip the other half.
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
