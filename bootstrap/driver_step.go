package bootstrap

import (
	"fmt"
	"reflect"
	"time"
)

const (
	againFirst = 500 * time.Millisecond // after this machine refused something
	againMost  = 15 * time.Second
)

// step makes one decision of the view, saves what comes of it, and has it
// carried out. It says whether the state moved, beside what is known of others.
func (d *Driver) step() (moved bool) {
	if !d.complete() {
		d.show()
		return false
	}
	was := d.state
	learned := Learn(was, d.view.Nodes)
	plan := Decide(learned, d.view)
	next := Apply(learned, plan)
	d.settle() // what the answers of this round proved, they proved to this decision only
	if !reflect.DeepEqual(next, was) {
		// Saved first, then told, then done: whatever crash comes between, this
		// node never knows less than it said or did.
		if d.failed.save = d.cfg.Save(next); d.failed.save != nil {
			d.log.Error("save the state", "err", d.failed.save)
			d.retryLater()
			d.show()
			return false
		}
		d.state = next
		moved = movedOn(was, next)
		if moved {
			d.news.Add(1)
			d.stir()
		}
		d.reveal()
		d.targetsOf(was, next)
	}
	before := d.plan
	d.plan = plan
	d.tell(before, was)
	d.act(plan)
	d.show()
	return moved && d.failed.act == nil
}

// complete fills in what the view says of the member. Without it nothing can be
// decided.
func (d *Driver) complete() bool {
	if time.Now().Before(d.failed.again) {
		return false
	}
	d.view.Own = d.cfg.Own
	if d.running {
		d.view.Data = DataWhole
		select {
		case <-d.cfg.Member.Ready():
			d.view.Ready = true
		default:
		}
		d.view.EtcdCluster, d.view.EtcdMember = d.cfg.Member.IDs()
		return true
	}
	if d.failed.look != nil || d.failed.act != nil {
		data, err := d.cfg.Member.Look()
		if d.failed.look = err; err != nil {
			d.log.Error("look at the member directory", "err", err)
			d.retryLater()
			return false
		}
		d.data = data
	}
	d.view.Data, d.view.EtcdCluster, d.view.EtcdMember, d.view.Ready = d.data.Data, d.data.EtcdCluster, d.data.EtcdMember, false
	return true
}

// settle ends the freshness of the view's answers, which served one decision.
// Show still tells who answered.
func (d *Driver) settle() {
	for i := range d.view.Nodes {
		d.view.Nodes[i].Fresh = false
	}
}

// movedOn tells whether others should hear of the change.
func movedOn(was, next State) bool {
	next.Peers = was.Peers
	return !reflect.DeepEqual(was, next)
}

// act carries the plan out. A step that fails is tried again later, from what
// the state and the directory then say.
func (d *Driver) act(p Plan) {
	err := d.carryOut(p)
	d.failed.act = err
	if err == nil {
		d.failed.wait, d.failed.again = 0, time.Time{}
		return
	}
	if d.ctx.Err() == nil {
		d.log.Error("carry out a plan", "plan", p.Kind, "err", err)
	}
	d.retryLater()
}

func (d *Driver) retryLater() {
	d.failed.wait = min(max(2*d.failed.wait, againFirst), againMost)
	d.failed.again = time.Now().Add(d.failed.wait)
}

func (d *Driver) carryOut(p Plan) error {
	m := d.cfg.Member
	switch p.Kind {
	case Start, Restart:
		if d.running {
			return nil
		}
		if err := m.Start(d.ctx, d.state.Pledge, p.Kind == Start); err != nil {
			return fmt.Errorf("start the member: %w", err)
		}
		d.running, d.ready = true, m.Ready()
	case Blocked:
		if !d.running {
			return nil
		}
		if err := m.Stop(d.ctx); err != nil {
			return fmt.Errorf("stop the member: %w", err)
		}
		if err := d.stopped(); err != nil {
			// One that died may hold its directory until this process ends. Its data
			// is what it ran on.
			d.log.Warn("stop the member", "err", err)
			d.data = MemberData{Data: d.view.Data, EtcdCluster: d.view.EtcdCluster, EtcdMember: d.view.EtcdMember}
		}
	case Release:
		if err := m.Discard(d.ctx); err != nil {
			return fmt.Errorf("move the member directory aside: %w", err)
		}
		return d.stopped()
	}
	return nil
}

func (d *Driver) stopped() error {
	d.running, d.ready = false, nil
	data, err := d.cfg.Member.Look()
	if err != nil {
		return fmt.Errorf("look at the member directory: %w", err)
	}
	d.data = data
	return nil
}

// reveal lets others know the state that is on disk.
func (d *Driver) reveal() {
	s := d.state
	d.saved.Store(&s)
}

// targetsOf hands addresses that were learned to gossip.
func (d *Driver) targetsOf(was, next State) {
	if d.cfg.Gossip == nil {
		return
	}
	for _, p := range next.Peers {
		if at, known := find(was.Peers, p.ID); !known || was.Peers[at].Gossip != p.Gossip {
			d.cfg.Gossip.AddTargets(p.Gossip)
		}
	}
}

// phaseOf is how gossip and people call where a node stands.
func phaseOf(s State, k Kind) string {
	switch {
	case k == Blocked:
		return "blocked"
	case s.Member:
		return "member"
	case k == Join:
		return "joining"
	case s.Started:
		return "started"
	case s.Pledge != nil:
		return "pledged"
	}
	return "waiting"
}

// tell makes events of a step.
func (d *Driver) tell(before Plan, was State) {
	say := func(kind, text string, h Hash) { d.cfg.Notify(DriverEvent{Type: kind, Text: text, Roster: h}) }
	s := d.state
	h := d.state.Pledged()
	switch {
	case was.Pledge == nil && s.Pledge != nil:
		say("pledged", fmt.Sprintf("agreed on roster %s of %d voters, attempt %d", h.Short(), s.Pledge.Voters, s.Pledge.Attempt), h)
	case was.Pledge != nil && s.Pledge == nil:
		say("released", "left roster "+was.Pledged().Short()+": enough of its nodes will never start it", was.Pledged())
	}
	if !was.Started && s.Started {
		say("started", "all have agreed on roster "+h.Short()+": starting", h)
	}
	if !was.Member && s.Member {
		say("member", "a quorum runs: this node is a member of cluster "+s.MemberOf().Short(), s.MemberOf())
	}
	if d.plan.Kind == Abort && len(s.Aborted) > len(was.Aborted) {
		say("aborted", "this node will not start roster "+d.plan.Roster.Hash().Short(), d.plan.Roster.Hash())
	}
	if before.Kind == d.plan.Kind {
		return
	}
	switch {
	case d.plan.Kind == Join:
		say("joining", "a cluster exists of which this node is not", Hash{})
	case d.plan.Kind == Blocked:
		say("blocked", reasonsText(d.plan), Hash{})
	case before.Kind == Blocked:
		say("unblocked", "what had blocked this node is gone", Hash{})
	}
}
