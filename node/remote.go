package node

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/quorate/quorate/recipes"
)

// Remote is a node seen from another process of the same box, through its
// control socket. The zero value is not usable: Socket is the path.
type Remote struct {
	Socket string
}

// Status is [Node.Status] of the remote node. It returns [ErrSocket] when
// nothing answers.
func (r Remote) Status(ctx context.Context) (Status, error) {
	var s Status
	resp, err := r.get(ctx, "/v1/status", "")
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&s); err != nil {
		return s, fmt.Errorf("read status: %w", err)
	}
	if s.Version != StatusVersion {
		return s, fmt.Errorf("read status: its version is %d, this build knows %d", s.Version, StatusVersion)
	}
	return s, nil
}

// Events is [Node.Events] of the remote node. Its last element has an error
// when ctx ended or the connection did; the stream can be resumed after the
// last ID.
func (r Remote) Events(ctx context.Context, opts ...EventOptions) iter.Seq2[Event, error] {
	o := first(opts)
	return func(yield func(Event, error) bool) {
		path := "/v1/events"
		if o.Backlog {
			path += "?follow=false"
		}
		resp, err := r.get(ctx, path, o.After)
		if err != nil {
			yield(Event{}, err)
			return
		}
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			data, ok := strings.CutPrefix(lines.Text(), "data: ")
			if !ok {
				continue
			}
			var e Event
			if err := json.Unmarshal([]byte(data), &e); err != nil {
				yield(Event{}, fmt.Errorf("read event: %w", err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
		switch err := lines.Err(); {
		case ctx.Err() != nil:
			yield(Event{}, context.Cause(ctx))
		case err != nil:
			yield(Event{}, fmt.Errorf("read events: %w", err))
		case !o.Backlog:
			yield(Event{}, fmt.Errorf("read events: the node closed the stream: %w", io.EOF))
		}
	}
}

// WaitReady waits until Start has returned in the remote node, and with quorum
// until [Node.Ready] would return nil there. It also waits for a node that has
// not been started yet. It returns an error that wraps ctx's when ctx ends
// first, and [ErrNoQuorum] too if it was quorum that was missing.
func (r Remote) WaitReady(ctx context.Context, quorum bool) error {
	var missing error // what the last try that ctx did not cut short said
	for {
		err := r.ready(ctx, quorum)
		if err == nil {
			return nil
		}
		if missing == nil || ctx.Err() == nil {
			missing = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)", missing, context.Cause(ctx))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (r Remote) ready(ctx context.Context, quorum bool) error {
	s, err := r.Status(ctx)
	if err != nil {
		return err
	}
	if s.Phase == Starting || s.Phase == Stopped {
		return fmt.Errorf("wait for node: it is %s", s.Phase)
	}
	if !quorum {
		return nil
	}
	resp, err := r.get(ctx, "/readyz", "")
	if err != nil {
		return fmt.Errorf("wait for quorum: %w: %w", ErrNoQuorum, err)
	}
	resp.Body.Close()
	return nil
}

// get returns the response only if its code is 200.
func (r Remote) get(ctx context.Context, path, lastID string) (*http.Response, error) {
	if r.Socket == "" {
		return nil, socketProblem("no socket is named", "Remote.Socket is empty", "set it to the node's control socket", ErrSocket)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://node"+path, nil)
	if err != nil {
		return nil, fmt.Errorf("ask node: %w", err)
	}
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	t := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", r.Socket)
	}}
	resp, err := t.RoundTrip(req)
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" && ctx.Err() == nil {
		return nil, socketProblem("no node answers on "+r.Socket, op.Err.Error(), "start one with peer dev or peer run, or name its socket with --socket or PEER_SOCKET", errors.Join(ErrSocket, err))
	}
	if err != nil {
		return nil, fmt.Errorf("ask node on %s: %w", r.Socket, err)
	}
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
		resp.Body.Close()
		return nil, fmt.Errorf("ask node on %s: %s", r.Socket, strings.TrimSpace(string(b)))
	}
	return resp, nil
}

// Dial connects to the node whose control socket is at that path, from another
// process of the same box, and returns a client for the same recipes that the
// node has. The client is the caller's to close; closing it frees what it
// holds. It returns [ErrSocket] when no node answers; ctx bounds the dialling
// only.
func Dial(ctx context.Context, socket string, opts ...recipes.Options) (*recipes.Client, error) {
	s, err := Remote{Socket: socket}.Status(ctx)
	if err != nil {
		return nil, err
	}
	if s.Etcd.Socket == "" {
		return nil, socketProblem("the node on "+socket+" has no etcd socket", "it is "+string(s.Phase), "wait for it: peer wait-ready --socket "+socket, ErrSocket)
	}
	c, err := clientv3.New(clientv3.Config{
		Endpoints:   []string{(&url.URL{Scheme: "unix", Path: s.Etcd.Socket}).String()},
		DialTimeout: 5 * time.Second,
		Logger:      zap.NewNop(),
	})
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", s.Etcd.Socket, err)
	}
	o := first(opts)
	o.CloseEtcd = true
	rc, err := recipes.New(c, o)
	if err != nil {
		c.Close()
		return nil, err
	}
	return rc, nil
}
