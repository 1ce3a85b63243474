package embed

import (
	"time"

	"go.etcd.io/raft/v3/raftpb"
)

// A member that founds its cluster alone has nobody to wait for, but raft would
// still let a random election timeout pass, up to a second and a half with the
// usual timing. campaign makes it stand at once, by the message with which a
// leader hands over. raft ignores the message until the entry that makes the
// member a voter is applied, so it is repeated for a while; then raft's own
// clock has to do.
//
// It is only for a member without a past. raft panics if it is to stand for
// election while entries that it does not yet know to be applied are gone from
// memory, and etcd drops them a moment before it tells raft, once there are a
// hundred. A new member has one.
func (m *Member) campaign() {
	const tries, pause = 20, 2 * time.Millisecond
	self := m.srv.MemberID()
	t := time.NewTicker(pause)
	defer t.Stop()
	for range tries {
		if ms := m.srv.Cluster().Members(); len(ms) != 1 || ms[0].ID != self || ms[0].IsLearner || m.srv.Leader() != 0 {
			return
		}
		id := uint64(self)
		err := m.srv.Process(m.life, &raftpb.Message{Type: raftpb.MsgTimeoutNow.Enum(), To: &id, From: &id})
		if err != nil {
			return
		}
		select {
		case <-t.C:
		case <-m.life.Done():
			return
		}
	}
}
