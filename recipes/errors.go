package recipes

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quorate/quorate/internal/problem"
)

// Sentinels for errors.Is. The errors themselves say what is wrong, why, and
// what to do next.
var (
	ErrLocked         = errors.New("locked")              // TryLock: another claim holds the lock
	ErrLost           = errors.New("lock lost")           // the claim ended before its holder released it
	ErrReleased       = errors.New("lock released")       // cause of a context that ended by Release
	ErrClosed         = errors.New("client closed")       // Close was called
	ErrNoQuorum       = errors.New("no quorum")           // the wait ended while no majority answered
	ErrUnknownOutcome = errors.New("outcome not known")   // a request may or may not have taken effect; the rest is done in the background
	ErrName           = errors.New("name not acceptable") // empty or too long
	ErrTTL            = errors.New("TTL not acceptable")  // below MinTTL
)

func nameError(kind, name string, err error) error {
	p := problem.Problem{Code: "name", What: fmt.Sprintf("the %s's name is empty", kind), Why: "an empty name names every " + kind, Do: "give a name of 1 to 255 bytes"}
	if name != "" {
		p.What = fmt.Sprintf("the %s's name is %d bytes long", kind, len(name))
		p.Why = fmt.Sprintf("names have at most %d bytes", maxName)
	}
	return &problem.Error{Problem: p, Err: err}
}

func ttlError(ttl time.Duration) error {
	return &problem.Error{Problem: problem.Problem{
		Code: "ttl",
		What: fmt.Sprintf("a TTL of %v is refused", ttl),
		Why:  fmt.Sprintf("etcd keeps no lease shorter than an election takes; the minimum is %v", MinTTL),
		Do:   fmt.Sprintf("give a TTL of %v or more, or none for %v", MinTTL, DefaultTTL),
	}, Err: ErrTTL}
}

func lockedError(name string, holder holder) error {
	return &problem.Error{Problem: problem.Problem{
		Code: "locked",
		What: fmt.Sprintf("lock %q is held", name),
		Why:  "by " + holder.String(),
		Do:   "wait for it with Lock, or try again later",
	}, Err: ErrLocked}
}

func closedError() error {
	return &problem.Error{Problem: problem.Problem{
		Code: "closed", What: "this client is closed", Why: "Close was called", Do: "use a new client",
	}, Err: ErrClosed}
}

// lostError wraps ErrLost, or ErrClosed where this client was closed.
func lostError(name string, why error) error {
	if errors.Is(why, ErrClosed) {
		return fmt.Errorf("lock %q: %w", name, why)
	}
	return fmt.Errorf("lock %q: %w: %w", name, ErrLost, why)
}

// waitError is what a wait for a lock returns when its context ended: ErrNoQuorum
// where the cluster did not answer, ErrUnknownOutcome where a request may still
// take effect.
func (c *Client) waitError(ctx context.Context, name, during string, quorum, known bool) error {
	err := ctx.Err()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, err) {
		err = errors.Join(err, cause)
	}
	why, do := during, "wait longer, or look who holds it: peer kv ls "+lockPrefix(name)
	if !known {
		err = errors.Join(err, ErrUnknownOutcome)
		why += "; the request may still arrive and is withdrawn in the background"
	}
	if !quorum {
		err = errors.Join(err, ErrNoQuorum)
		why += "; no majority of the members answers"
		if c.opt.Missing != nil {
			if m := c.opt.Missing(); m != "" {
				why += "; missing: " + m
			}
		}
		do = "look who is missing: peer status"
	}
	return &problem.Error{Problem: problem.Problem{
		Code: "not-acquired",
		What: fmt.Sprintf("lock %q was not acquired before the caller's context ended (%v)", name, ctx.Err()),
		Why:  why, Do: do,
	}, Err: err}
}

// refused reports whether err says that a write was refused and so has not
// taken effect and never will. Every other error leaves the outcome open.
func refused(err error) bool {
	if errors.Is(err, rpctypes.ErrTooManyRequests) || errors.Is(err, rpctypes.ErrGRPCRequestTooManyRequests) {
		return false // the server asks for another try
	}
	switch code(err) {
	case codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.PermissionDenied,
		codes.Unauthenticated, codes.FailedPrecondition, codes.ResourceExhausted, codes.Unimplemented:
		return true
	}
	return false
}

func leaseGone(err error) bool {
	return errors.Is(err, rpctypes.ErrLeaseNotFound) || errors.Is(err, rpctypes.ErrGRPCLeaseNotFound)
}

func code(err error) codes.Code {
	var e rpctypes.EtcdError
	if errors.As(err, &e) {
		return e.Code()
	}
	return status.Code(err)
}
