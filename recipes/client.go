package recipes

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// TTLs: how long a crashed holder's claims outlive it.
const (
	DefaultTTL = 10 * time.Second
	MinTTL     = 2 * time.Second
)

// A Source is anything that leads to a Client: a *Client, a node, a test's node.
type Source interface{ Recipes() *Client }

// Options for New; the zero value is usable.
type Options struct {
	// TTL of the session's lease: how long what this process holds outlives a
	// crash of it. Whole seconds, rounded up. If zero, DefaultTTL; a TTL below
	// MinTTL is refused with ErrTTL. A shorter TTL frees a dead holder's locks
	// sooner and loses a live one's in a shorter pause.
	TTL time.Duration

	// Owner is shown to others as the holder. If empty, "<hostname>:<pid>".
	// Longer than 255 bytes it is cut.
	Owner string

	// Logger; if nil, nothing is logged.
	Logger *slog.Logger

	// Remember is called with all leases this client may own, each time that
	// set changes, and with a new one before any key is put under it. Kept on
	// disk and given to RevokeLeases at the next start, they free at once what
	// a crash left behind. It is called by one goroutine at a time and must not
	// call the Client.
	Remember func(leases []int64)

	// Missing says who is missing, for errors that wrap ErrNoQuorum.
	Missing func() string

	// Notify is told what happens to sessions and locks. It must not block.
	Notify func(Event)

	// CloseEtcd makes Close close the etcd client too.
	CloseEtcd bool
}

// An Event is something that happened to a session or a lock of this client:
// session_lost, lock_acquired, lock_lost, lock_released.
type Event struct {
	Type  string
	Name  string // of the lock; empty for session_lost
	Text  string // for people
	Fence int64
}

// A Client is one process's access to the recipes. It outlives leases; all its
// methods may be used by many goroutines.
type Client struct {
	etcd *clientv3.Client
	opt  Options
	log  *slog.Logger
	clk  *clock

	ctx    context.Context // ends when the last background work must
	cancel context.CancelFunc
	bg     sync.WaitGroup // goroutines of ours

	intake     context.Context // ends when Close begins
	endIntake  context.CancelFunc
	keep       context.Context // ends when no lease is kept any more
	endKeeping context.CancelFunc
	keeping    sync.WaitGroup
	closed     chan struct{} // closed when Close has ended

	mu        sync.Mutex
	isClosing bool
	closeErr  error
	hasEnded  bool           // nothing may be started any more
	ops       sync.WaitGroup // calls in progress that may still put keys
	keepers   map[time.Duration]*keeper
	lines     map[string]*line // by prefix
	held      map[*Held]struct{}
	callbacks map[clientv3.LeaseID]int // that run under a lease
	returned  chan struct{}            // a callback returned
	pending   map[*withdrawal]struct{}

	rememberMu sync.Mutex
	remembered map[clientv3.LeaseID]struct{}
}

// New returns a Client on an etcd client, which the caller keeps unless
// Options.CloseEtcd is set. It asks nothing of the cluster; the first recipe
// that is used does.
func New(c *clientv3.Client, opts ...Options) (*Client, error) {
	var o Options
	if len(opts) > 0 {
		o = opts[0]
	}
	ttl, err := wholeTTL(o.TTL, DefaultTTL)
	if err != nil {
		return nil, err
	}
	o.TTL = ttl
	if o.Owner == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "unknown"
		}
		o.Owner = fmt.Sprintf("%s:%d", host, os.Getpid())
	}
	o.Owner = o.Owner[:min(len(o.Owner), maxOwner)]
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	cl := &Client{
		etcd: c, opt: o, log: o.Logger, clk: newClock(suspended),
		closed: make(chan struct{}), returned: make(chan struct{}, 1),
		keepers: map[time.Duration]*keeper{}, lines: map[string]*line{}, held: map[*Held]struct{}{}, pending: map[*withdrawal]struct{}{},
		callbacks: map[clientv3.LeaseID]int{}, remembered: map[clientv3.LeaseID]struct{}{},
	}
	cl.ctx, cl.cancel = context.WithCancel(context.Background())
	cl.keep, cl.endKeeping = context.WithCancel(cl.ctx)
	cl.intake, cl.endIntake = context.WithCancel(cl.ctx)
	return cl, nil
}

// wholeTTL is ttl in whole seconds, or def where there is none.
func wholeTTL(ttl, def time.Duration) (time.Duration, error) {
	if ttl == 0 {
		return def, nil
	}
	if ttl < MinTTL {
		return 0, ttlError(ttl)
	}
	return (ttl + time.Second - 1).Truncate(time.Second), nil
}

// Recipes returns c: a Client is its own Source.
func (c *Client) Recipes() *Client { return c }

// Etcd returns the etcd client beneath.
func (c *Client) Etcd() *clientv3.Client { return c.etcd }

func (c *Client) tell(e Event) {
	if c.opt.Notify != nil {
		c.opt.Notify(e)
	}
}

// begin admits a call that may put keys; end must follow.
func (c *Client) begin() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isClosing {
		return closedError()
	}
	c.ops.Add(1)
	return nil
}

func (c *Client) end() { c.ops.Done() }

// background starts a goroutine that Close joins; it must end with c.ctx. false
// means that Close has ended and nothing was started.
func (c *Client) background(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.backgroundLocked(f)
}

func (c *Client) backgroundLocked(f func()) bool {
	if c.hasEnded {
		return false
	}
	c.bg.Go(f)
	return true
}

func (c *Client) keeper(ttl time.Duration) *keeper {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.keepers[ttl]
	if k == nil {
		k = newKeeper(c, ttl)
		c.keepers[ttl] = k
		c.keeping.Go(func() { k.run(c.keep) })
	}
	return k
}
