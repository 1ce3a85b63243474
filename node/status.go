package node

import (
	"time"
)

// StatusVersion is the version of Status in JSON. Fields may be added within a
// version; none is removed or changes its meaning.
const StatusVersion = 1

// A Phase says where a node is in its life.
type Phase string

const (
	Starting Phase = "starting" // Start has not returned
	Waiting  Phase = "waiting"  // it looks for the other nodes, or a cluster exists without it
	Forming  Phase = "forming"  // it has agreed with others on a cluster that has no quorum yet
	Running  Phase = "running"  // it is a member of a cluster, which may lack quorum at the moment
	Blocked  Phase = "blocked"  // a person must act: see Problems
	Stopped  Phase = "stopped"  // closed, or ended by itself: see Problems
)

// Status is how a node is, as this process knows it. It is a copy.
type Status struct {
	Version      int            `json:"version"`      // StatusVersion
	Name         string         `json:"name"`         // Config.Name
	ID           string         `json:"id"`           // the node ID
	Cluster      string         `json:"cluster"`      // the cluster's name
	Phase        Phase          `json:"phase"`        // where in its life
	Quorum       bool           `json:"quorum"`       // this member knows a raft leader, which steps down without a majority
	Leader       string         `json:"leader"`       // the node ID of that leader; empty if none is known
	Members      []MemberStatus `json:"members"`      // etcd's member list; before there is one, the nodes that are known
	Problems     []Problem      `json:"problems"`     // what a person may have to mend; never nil
	Etcd         EtcdStatus     `json:"etcd"`         // the member in this process
	Certificates CertStatus     `json:"certificates"` // what members trust each other by
}

// MemberStatus is one member of the cluster, or a node that is to be one, as
// raft, gossip and the cluster RPC show it.
type MemberStatus struct {
	ID      string `json:"id"`       // the node ID
	Name    string `json:"name"`     // what people call it; empty if not known here
	Role    string `json:"role"`     // voter or learner; empty if it is no member
	Leader  bool   `json:"leader"`   // leads raft
	Self    bool   `json:"self"`     // is this node
	PeerURL string `json:"peer_url"` // where its raft is reached

	// Of other nodes of a cluster, and empty for a single node:
	Gossip  string     `json:"gossip,omitempty"`  // alive, dead, or never (not seen since this node started)
	Since   *time.Time `json:"since,omitempty"`   // since when so
	RPC     string     `json:"rpc,omitempty"`     // ok, or why it does not answer
	Address string     `json:"address,omitempty"` // its gossip address
	Phase   string     `json:"phase,omitempty"`   // what it says of itself
	Version string     `json:"version,omitempty"` // of its program
}

// CertStatus says by what certificates this node speaks to others.
type CertStatus struct {
	Authority string     `json:"authority"`      // fingerprint of the derived authority, the same on all nodes; empty with certificates of one's own
	Ends      *time.Time `json:"ends,omitempty"` // when this node's certificates end; none if they have no practical end
}

// EtcdStatus is the etcd member of this process. All figures are of this
// member; sizes are bytes.
type EtcdStatus struct {
	Version   string   `json:"version"`
	Socket    string   `json:"socket"` // etcd.sock; stock etcdctl works on it while a member runs
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
		Version: StatusVersion, Name: n.cfg.Name, ID: n.state.ID, Cluster: n.clusterName(),
		Phase: f.phase, Members: f.members(n.state.ID, n.cfg.Name), Problems: diagnose(f),
		Etcd: EtcdStatus{Socket: n.etcdSocket, Alarms: []string{}},
	}
	if c := n.identity.load(); c != nil {
		if c.keys != nil {
			s.Certificates.Authority = c.keys.Fingerprint()
		}
		if !c.end.IsZero() {
			s.Certificates.Ends = &c.end
		}
	}
	if !f.running {
		return s
	}
	s.Etcd = EtcdStatus{
		Version: f.member.Version, Socket: n.etcdSocket,
		MemberID: hexID(f.member.ID), ClusterID: hexID(f.member.ClusterID), Term: f.member.Term,
		Committed: f.member.Committed, Applied: f.member.Applied,
		DBSize: f.member.DBSize, DBInUse: f.member.DBInUse, Quota: f.member.Quota,
		FreeDisk: f.member.FreeBytes, Alarms: append([]string{}, f.member.Alarms...),
	}
	s.Quorum = f.phase != Stopped && f.member.Leader != 0
	for _, m := range s.Members {
		if s.Quorum && m.Leader {
			s.Leader = m.ID
		}
	}
	return s
}
