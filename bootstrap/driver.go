package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// A Member is the etcd member of this node, as the caller runs it. The Driver
// calls it from one goroutine, one call at a time.
type Member interface {
	// Look says what the member directory holds. It is not called while the
	// member runs.
	Look() (MemberData, error)

	// Start runs the member. Fresh says that it begins on r with an empty
	// directory; what is in it was never part of a quorum and is moved aside
	// first. Otherwise it runs from its directory, and r is the roster with
	// which it began, nil for a single voter of old. It does not wait for
	// others. After an error the directory is looked at and it is tried again.
	Start(ctx context.Context, r *Roster, fresh bool) error

	// Ready is closed once the started member has published its name through
	// raft, which proves that a quorum runs. It is called after Start.
	Ready() <-chan struct{}

	// IDs are etcd's cluster and member ID of the started member.
	IDs() (cluster, member uint64)

	// Stop stops the member and keeps its directory: it is blocked.
	Stop(ctx context.Context) error

	// Discard stops the member if it runs and moves its directory aside: it was
	// never part of a quorum.
	Discard(ctx context.Context) error
}

// MemberData is what [Member.Look] finds.
type MemberData struct {
	Data                    Data
	EtcdCluster, EtcdMember uint64 // 0 if not known
}

// Finder is what the Driver uses of [Gossip].
type Finder interface {
	Peers() []Peer
	Changed() <-chan struct{}
	SetPhase(phase, member string)
	AddTargets(...netip.AddrPort)
	Conflicts() []Conflict
}

// DriverConfig is what [StartDriver] needs. All but Boot, Gossip, Notify and
// Logger is demanded.
type DriverConfig struct {
	State  State             // as loaded, or of [NewState]
	Boot   string            // of this process, as gossip tells it; of [NewBoot] if empty
	Save   func(State) error // returns nil once it is on disk; see [SaveState]
	Own    Own               // this node's configuration and addresses
	Seeds  []netip.AddrPort  // of [ParseJoin]; Own.Join is their texts
	Member Member
	Ask    func(ctx context.Context, addr netip.AddrPort, from Caller) (Answer, error) // of [Asker]
	Gossip Finder                                                                      // nil for a single node
	Notify func(DriverEvent)                                                           // must not block
	Logger *slog.Logger
}

// A DriverEvent is a step that a person would want to know of.
type DriverEvent struct {
	Type   string // "pledged", "started", "member", "aborted", "released", "joining", "blocked", "unblocked"
	Text   string
	Roster Hash
}

// Driver brings this node into a cluster. One goroutine owns its state: it asks
// all that are known, hands what they attest to [Decide], saves what [Apply]
// makes of the plan, and only then tells it to anybody or has it carried out.
//
// It goes on once the node is a member, for copies of its disk and for other
// clusters. It never ends the member of its own accord except as a plan says;
// after Close the member still runs.
type Driver struct {
	cfg    DriverConfig
	log    *slog.Logger
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	// What others may know: the last state that is on disk.
	saved atomic.Pointer[State]
	news  atomic.Uint64
	shown atomic.Pointer[DriverStatus]

	boot    string // of this process
	hints   hints
	results chan result
	poke    chan struct{}

	// Owned by the goroutine.
	state   State
	view    View
	plan    Plan
	data    MemberData
	running bool
	ready   <-chan struct{}
	failed  failures
	addrs   map[netip.AddrPort]*addrMemory
	nodes   map[string]*nodeMemory
	seeds   map[netip.AddrPort]*seedMemory
	round   uint64
	began   time.Time
	moved   time.Time // when the last news came
	pause   time.Duration

	mu      sync.Mutex
	changed chan struct{}
}

// failures is what this machine refuses to do.
type failures struct {
	save, look, act error
	again           time.Time // not before
	wait            time.Duration
}

// StartDriver counts this start in the state, saves that, and begins. A member
// with data is started before anybody is asked. It returns the error of looking
// at the member directory or of saving.
func StartDriver(cfg DriverConfig) (*Driver, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Notify == nil {
		cfg.Notify = func(DriverEvent) {}
	}
	if cfg.Own.Advertise.ID != cfg.State.ID {
		return nil, errors.New("start driver: the own addresses are not of this node's ID")
	}
	data, err := cfg.Member.Look()
	if err != nil {
		return nil, fmt.Errorf("look at the member directory: %w", err)
	}
	if cfg.Boot == "" {
		cfg.Boot = NewBoot()
	}
	s := Begin(cfg.State, cfg.Boot, data.Data)
	if err := cfg.Save(s); err != nil {
		return nil, fmt.Errorf("count this start: %w", err)
	}
	now := time.Now()
	d := &Driver{
		cfg: cfg, log: cfg.Logger, state: s, boot: s.Boot, data: data, began: now, moved: now, results: make(chan result), poke: make(chan struct{}, 1),
		addrs: map[netip.AddrPort]*addrMemory{}, nodes: map[string]*nodeMemory{}, seeds: map[netip.AddrPort]*seedMemory{}, changed: make(chan struct{}),
	}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	d.reveal()
	d.remember(nil)
	d.show()
	if cfg.Gossip != nil {
		for _, p := range s.Peers {
			cfg.Gossip.AddTargets(p.Gossip)
		}
	}
	d.wg.Go(d.run)
	return d, nil
}

// Close ends the Driver and waits for its goroutines. The member runs on.
func (d *Driver) Close() {
	d.cancel()
	d.wg.Wait()
}

// Answer is what this node attests now: what is on its disk.
func (d *Driver) Answer() Answer { return Attest(*d.saved.Load(), d.cfg.Own) }

// State is the state that is on disk.
func (d *Driver) State() State { return *d.saved.Load() }

// Asked tells the Driver who asked, for [RPCConfig]. It does not block.
func (d *Driver) Asked(by Caller) {
	if by.Boot == d.boot {
		return // we asked ourselves
	}
	if d.hints.add(by) {
		d.wake()
	}
}

func (d *Driver) wake() {
	select {
	case d.poke <- struct{}{}:
	default:
	}
}

func (d *Driver) run() {
	// Data needs nobody's word, and where there is nobody to ask there is no
	// need to wait for them.
	if d.state.Started || d.state.Member || len(d.cfg.Seeds) == 0 {
		d.step()
	}
	for d.ctx.Err() == nil {
		d.ask()
		if d.ctx.Err() != nil {
			return
		}
		for moved := d.step(); !moved; moved = d.step() {
			if ready := d.rest(); !ready {
				break
			}
		}
	}
}
