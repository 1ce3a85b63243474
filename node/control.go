package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// The control socket speaks HTTP/1 from the moment Start has taken the data
// directory, before any etcd runs, so that a node that cannot go on can say so:
//
//	GET /v1/status            Status as JSON
//	GET /v1/events            server-sent events; Last-Event-ID or ?after=ID
//	                          resumes, ?follow=false ends after the backlog
//	GET /livez                200 while Node.Healthy returns nil
//	GET /readyz               200 if a linearizable read succeeds within 2 s
const (
	maxHeaderBytes  = 16 << 10
	readTimeout     = 5 * time.Second
	readyTimeout    = 2 * time.Second
	maxControlConns = 256
	eventHeartbeat  = 15 * time.Second
)

// control serves the control socket. It owns its goroutines: stop joins them.
type control struct {
	server *http.Server
	cancel context.CancelFunc
	done   chan struct{}
}

func serveControl(l net.Listener, n *Node, log *slog.Logger) *control {
	ctx, cancel := context.WithCancel(context.Background())
	c := &control{cancel: cancel, done: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", n.serveStatus)
	mux.HandleFunc("GET /v1/events", n.serveEvents)
	mux.HandleFunc("GET /livez", n.serveLive)
	mux.HandleFunc("GET /readyz", n.serveReady)
	c.server = &http.Server{
		Handler:           mux,
		MaxHeaderBytes:    maxHeaderBytes,
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout, // no request has a body to speak of
		IdleTimeout:       time.Minute,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	go func() {
		defer close(c.done)
		if err := c.server.Serve(&limitListener{Listener: l, slots: make(chan struct{}, maxControlConns), done: ctx.Done()}); !errors.Is(err, http.ErrServerClosed) {
			log.Error("serve control socket", "err", err)
		}
	}()
	return c
}

// stop ends all requests, and returns when none is left.
func (c *control) stop() {
	c.cancel() // streams end by their ctx
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if c.server.Shutdown(ctx) != nil {
		c.server.Close()
	}
	<-c.done
}

func (n *Node) serveStatus(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.Encode(n.Status())
}

func (n *Node) serveEvents(w http.ResponseWriter, r *http.Request) {
	opts := EventOptions{After: r.Header.Get("Last-Event-ID"), Backlog: r.URL.Query().Get("follow") == "false"}
	if after := r.URL.Query().Get("after"); after != "" {
		opts.After = after
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := &eventWriter{w: w, rc: http.NewResponseController(w)}
	// The server's read timeout would end the stream with its first silence.
	if out.rc.SetReadDeadline(time.Time{}) != nil || out.flush() != nil {
		return
	}
	stop := out.keepAlive(r.Context())
	defer stop()
	for e, err := range n.events.stream(r.Context(), opts) {
		if err != nil || out.event(e) != nil {
			return
		}
	}
}

func (n *Node) serveLive(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	if n.phase.Load() == Starting {
		fmt.Fprintln(w, "ok: starting")
		return
	}
	if err := n.Healthy(ctx); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

func (n *Node) serveReady(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	if err := n.Ready(ctx); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}
