package embed

import (
	"time"

	"go.etcd.io/raft/v3/raftpb"
)

// A member that is alone has nobody to wait for, but raft would still let a
// random election timeout pass, up to a second with the usual timing. campaign
// makes it stand at once, by the message with which a leader hands over.
//
// It is safe with any membership, since a campaign only asks for votes; it is
// done for a lone voter, because elsewhere it would disturb. raft ignores the
// message while a change of members is still to be applied, as on a first
// start, so it is repeated for a while; then raft's own clock has to do.
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
