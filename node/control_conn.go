package node

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// limitListener accepts at most cap(slots) connections at a time; further ones
// wait in the kernel's backlog, so that a flood costs no memory here.
type limitListener struct {
	net.Listener
	slots chan struct{}
	done  <-chan struct{}
}

func (l *limitListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.done:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &limitConn{Conn: c, release: sync.OnceFunc(func() { <-l.slots })}, nil
}

type limitConn struct {
	net.Conn
	release func()
}

func (c *limitConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}

// eventWriter writes server-sent events. mu owns the response writer, which is
// shared with the keep-alive's goroutine.
type eventWriter struct {
	mu sync.Mutex
	w  http.ResponseWriter
	rc *http.ResponseController
}

func (o *eventWriter) event(e Event) error {
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, err := fmt.Fprintf(o.w, "id: %s\nevent: %s\ndata: %s\n\n", e.ID, e.Type, b); err != nil {
		return err
	}
	return o.rc.Flush()
}

func (o *eventWriter) flush() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.rc.Flush()
}

// keepAlive writes a comment now and then, so that a reader that went away
// without a word is noticed. The returned function joins its goroutine.
func (o *eventWriter) keepAlive(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		t := time.NewTicker(eventHeartbeat)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				o.mu.Lock()
				_, err := fmt.Fprint(o.w, ":\n\n")
				if err == nil {
					err = o.rc.Flush()
				}
				o.mu.Unlock()
				if err != nil {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() { cancel(); <-done }
}
