package nodetest

import (
	"context"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// requestTimeout is etcd's own bound on a write whose caller sets none: 5 s
	// and two election timeouts.
	requestTimeout = 7 * time.Second

	// refusalTime is how long an error takes to come back. It is never zero: a
	// client that repeats a call at once would stop virtual time.
	refusalTime = time.Millisecond
)

// through takes one call over l: do executes it on the server.
func through[T any](ctx context.Context, l *link, method string, at site, do func(context.Context) (T, error)) (T, error) {
	var zero T
	if err := l.pass(); err != nil {
		return zero, err
	}
	if err := ctx.Err(); err != nil {
		return zero, err // it ended in a pause: nothing was sent
	}
	r, err := attempt(ctx, l, method, at, do)
	if perr := l.pass(); perr != nil {
		return zero, perr
	}
	if err == nil && ctx.Err() != nil {
		err = ctx.Err() // executed, and the answer was held too long
	}
	if err != nil {
		return zero, err
	}
	return r, nil
}

func attempt[T any](ctx context.Context, l *link, method string, at site, do func(context.Context) (T, error)) (T, error) {
	var zero T
	d := l.decide(method, at)
	mark(ctx, d.fault)
	if !l.hasLeader() {
		mark(ctx, NoLeader)
		return zero, l.refuse(ctx, rpctypes.ErrGRPCNoLeader)
	}
	switch {
	case d.fault == Error:
		return zero, l.refuse(ctx, refusal(d))
	case d.fault == Unknown:
		return zero, lose(ctx, l, d, do)
	case d.fault == Delay && !d.after:
		if err := l.sleep(ctx, d.wait); err != nil {
			return zero, err // never sent
		}
	}
	r, err := do(ctx)
	if d.fault == Delay && d.after {
		if serr := l.sleep(ctx, d.wait); serr != nil {
			return zero, serr
		}
	}
	return r, err
}

// refuse returns err, after the time an answer takes.
func (l *link) refuse(ctx context.Context, err error) error {
	if serr := l.sleep(ctx, refusalTime); serr != nil {
		return serr
	}
	return err
}

// refusal is an error of a call that was not executed.
func refusal(d verdict) error {
	if d.variant%2 == 0 {
		return rpctypes.ErrGRPCRequestTooManyRequests
	}
	return status.Error(codes.Unavailable, "connection error: desc = \"transport: Error while dialing: connect: connection refused\"")
}

// lose executes a call of which its caller hears an error: now, or, if d says
// so, up to MaxDelay later.
func lose[T any](ctx context.Context, l *link, d verdict, do func(context.Context) (T, error)) error {
	if d.after {
		l.v.later(d.wait, func(ctx context.Context) { do(ctx) })
	} else {
		do(context.WithoutCancel(ctx))
	}
	switch d.variant % 3 {
	case 0: // the connection broke
		return l.refuse(ctx, status.Error(codes.Unavailable, "error reading from server: EOF"))
	case 1: // the leader died
		return l.refuse(ctx, rpctypes.ErrGRPCTimeoutDueToLeaderFail)
	}
	// no answer at all
	if err := l.sleep(ctx, requestTimeout); err != nil {
		return err
	}
	return rpctypes.ErrGRPCTimeout
}
