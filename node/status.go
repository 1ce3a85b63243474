package node

import (
	"github.com/quorate/quorate/embed"
)

// StatusVersion is the version of Status in JSON. Fields may be added within a
// version; none is removed or changes its meaning.
const StatusVersion = 1

// A Phase says where a node is in its life.
type Phase string

const (
	Starting Phase = "starting" // Start has not returned
	Running  Phase = "running"  // a member runs in this process
	Stopped  Phase = "stopped"  // closed, or ended by itself: see Problems
)

// Status is how a node is, as this process knows it. It is a copy.
type Status struct {
	Version  int            `json:"version"`  // StatusVersion
	Name     string         `json:"name"`     // Config.Name
	ID       string         `json:"id"`       // the node ID
	Cluster  string         `json:"cluster"`  // the cluster's name
	Phase    Phase          `json:"phase"`    // where in its life
	Quorum   bool           `json:"quorum"`   // this member knows a raft leader, which steps down without a majority
	Leader   string         `json:"leader"`   // the node ID of that leader; empty if none is known
	Members  []MemberStatus `json:"members"`  // etcd's member list
	Problems []Problem      `json:"problems"` // what a person may have to mend; never nil
	Etcd     EtcdStatus     `json:"etcd"`     // the member in this process
}

// MemberStatus is one member of the cluster.
type MemberStatus struct {
	ID      string `json:"id"`       // the node ID
	Name    string `json:"name"`     // what people call it; empty if not known here
	Role    string `json:"role"`     // voter or learner
	Leader  bool   `json:"leader"`   // leads raft
	Self    bool   `json:"self"`     // is this node
	PeerURL string `json:"peer_url"` // where its raft is reached
}

// EtcdStatus is the etcd member of this process. All figures are of this
// member; sizes are bytes.
type EtcdStatus struct {
	Version   string   `json:"version"`
	Socket    string   `json:"socket"` // etcd.sock; stock etcdctl works on it
	MemberID  string   `json:"member_id"`
	ClusterID string   `json:"cluster_id"`
	Term      uint64   `json:"term"`
	Committed uint64   `json:"committed"`
	Applied   uint64   `json:"applied"`
	DBSize    int64    `json:"db_size"`
	DBInUse   int64    `json:"db_in_use"`
	Quota     int64    `json:"quota"`
	FreeDisk  int64    `json:"free_disk"`
	Alarms    []string `json:"alarms"` // NOSPACE, CORRUPT
}

// Status returns how the node is. It never blocks and does no I/O.
func (n *Node) Status() Status {
	f := n.facts()
	s := Status{
		Version: StatusVersion, Name: n.cfg.Name, ID: n.state.ID, Cluster: singleCluster,
		Phase: f.phase, Members: []MemberStatus{}, Problems: diagnose(f),
		Etcd: EtcdStatus{Version: f.member.Version, Socket: n.etcdSocket, Alarms: []string{}},
	}
	if f.phase == Starting {
		return s
	}
	s.Etcd = EtcdStatus{
		Version: f.member.Version, Socket: n.etcdSocket,
		MemberID: hexID(f.member.ID), ClusterID: hexID(f.member.ClusterID), Term: f.member.Term,
		Committed: f.member.Committed, Applied: f.member.Applied,
		DBSize: f.member.DBSize, DBInUse: f.member.DBInUse, Quota: f.member.Quota,
		FreeDisk: f.member.FreeBytes, Alarms: append([]string{}, f.member.Alarms...),
	}
	s.Quorum = f.phase == Running && f.member.Leader != 0
	for _, m := range n.member.Load().Members() {
		s.Members = append(s.Members, memberStatus(m, f.member, n.cfg.Name))
		if s.Quorum && m.ID == f.member.Leader {
			s.Leader = m.Name
		}
	}
	return s
}

func memberStatus(m embed.MemberInfo, local embed.Status, ownName string) MemberStatus {
	s := MemberStatus{ID: m.Name, Role: "voter", Leader: m.ID == local.Leader && local.Leader != 0, Self: m.ID == local.ID}
	if m.Learner {
		s.Role = "learner"
	}
	if s.Self {
		s.Name = ownName
	}
	if len(m.PeerURLs) > 0 {
		s.PeerURL = m.PeerURLs[0]
	}
	return s
}
