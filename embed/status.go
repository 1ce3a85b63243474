package embed

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/version"
	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/etcdserver/api/membership"
)

// Status is how a member is. Sizes are in bytes. What etcd keeps behind a lock
// (sizes, alarms, members) is as of the last look, at most about a second ago.
type Status struct {
	ID, ClusterID uint64
	Leader        uint64 // 0: none is known
	Term          uint64
	Applied       uint64 // index of the last log entry that took effect here
	Committed     uint64
	DBSize        int64 // of the file; it does not shrink by itself
	DBInUse       int64
	Quota         int64
	FreeBytes     int64 // on the fullest of the member's disks; -1: not looked at
	SpaceLow      bool  // writes are refused for lack of FreeBytes
	Learner       bool
	Alarms        []string // "NOSPACE" (past Quota), "CORRUPT"; of any member
	Version       string   // of etcd
}

// MemberInfo is a member of the cluster as this one knows it. Name is empty
// until the member has started.
type MemberInfo struct {
	ID       uint64
	Name     string
	PeerURLs []string
	Learner  bool
}

// Status never blocks.
func (m *Member) Status() Status {
	s := Status{
		ID: uint64(m.srv.MemberID()), ClusterID: uint64(m.srv.Cluster().ID()),
		Leader: uint64(m.srv.Leader()), Term: m.srv.Term(),
		Applied: m.srv.AppliedIndex(), Committed: m.srv.CommittedIndex(),
		Quota: m.cfg.QuotaBytes, FreeBytes: m.guard.free.Load(), SpaceLow: m.guard.low.Load(),
		Version: version.Version,
	}
	if at := m.clocks.last.Load(); at != nil {
		s.DBSize, s.DBInUse, s.Learner, s.Alarms = at.dbSize, at.dbInUse, at.learner, slices.Clone(at.alarms)
	}
	return s
}

// Members are the members of the cluster as this one knows them, by ID. It
// never blocks.
func (m *Member) Members() []MemberInfo {
	at := m.clocks.last.Load()
	if at == nil {
		return nil
	}
	out := slices.Clone(at.members)
	for i := range out {
		out[i].PeerURLs = slices.Clone(out[i].PeerURLs)
	}
	return out
}

// LeaderChanged is closed when this member next learns of a new leader.
func (m *Member) LeaderChanged() <-chan struct{} { return m.srv.LeaderChangedNotify() }

// CheckCorruption compares this member's data with the others'. It needs a
// quorum, and returns an error that wraps ErrDamaged if this member differs,
// and ErrStopped or what Err says when the member ends before the answer. It is
// not part of Start: members that do not answer hold it up for seconds each, and
// a Stop meanwhile too.
func (m *Member) CheckCorruption() error {
	result := make(chan error, 1)
	// Attached to the server, which therefore does not close its store while the
	// check reads it: that would be a panic. A server that stops attaches nothing.
	m.srv.GoAttach(func() { result <- m.srv.CorruptionChecker().InitialCheck() })
	select {
	case err := <-result:
		if err != nil {
			return damaged("a comparison with the other members failed: "+err.Error(), err)
		}
		return nil
	case <-m.life.Done():
		return context.Cause(m.life)
	}
}

// SetPeerURL changes the address under which the others reach this member. It
// needs a quorum. It does not change what the member listens on.
func (m *Member) SetPeerURL(ctx context.Context, url string) error {
	urls, err := types.NewURLs([]string{url})
	if err != nil {
		return fmt.Errorf("parse peer URL: %w", err)
	}
	_, err = once(ctx, caller{life: m.life}, func(ctx context.Context) ([]*membership.Member, error) {
		return m.srv.UpdateMember(ctx, membership.Member{
			ID:             m.srv.MemberID(),
			RaftAttributes: membership.RaftAttributes{PeerURLs: urls.StringSlice()},
		})
	})
	if err != nil {
		return fmt.Errorf("set peer URL: %w", err)
	}
	m.clocks.look()
	return nil
}

// sampler keeps what etcd guards by locks that may be held for long, while it
// defragments or waits for a disk, so that Status need not wait.
type sampler struct {
	s    *etcdserver.EtcdServer
	last atomic.Pointer[sampled]
}

type sampled struct {
	dbSize, dbInUse int64
	learner         bool
	alarms          []string
	members         []MemberInfo
}

func newSampler(s *etcdserver.EtcdServer) *sampler {
	p := &sampler{s: s}
	p.look()
	return p
}

func (p *sampler) look() {
	be := p.s.Backend()
	at := &sampled{dbSize: be.Size(), dbInUse: be.SizeInUse()}
	for _, a := range p.s.Alarms() {
		if a.Alarm != pb.AlarmType_NONE && !slices.Contains(at.alarms, a.Alarm.String()) {
			at.alarms = append(at.alarms, a.Alarm.String())
		}
	}
	slices.Sort(at.alarms)
	for _, x := range p.s.Cluster().Members() {
		if x.ID == p.s.MemberID() {
			// Not Server.IsLearner: that panics while the member is not yet in
			// its own list, which lasts until the log is replayed.
			at.learner = x.IsLearner
		}
		at.members = append(at.members, MemberInfo{ID: uint64(x.ID), Name: x.Name, PeerURLs: x.PeerURLs, Learner: x.IsLearner})
	}
	slices.SortFunc(at.members, func(a, b MemberInfo) int {
		return strings.Compare(fmt.Sprintf("%016x", a.ID), fmt.Sprintf("%016x", b.ID))
	})
	p.last.Store(at)
}

// sampleEvery is how old a sample gets. A disk that fills at 100 MB/s loses
// less than the guard's minimum in this time.
const sampleEvery = time.Second

func (m *Member) sample() {
	t := time.NewTicker(sampleEvery)
	defer t.Stop()
	ready := m.srv.ReadyNotify()
	for {
		select {
		case <-m.life.Done():
			return
		case <-ready:
			ready = nil
		case <-t.C:
			m.guard.look()
		}
		m.clocks.look()
	}
}
