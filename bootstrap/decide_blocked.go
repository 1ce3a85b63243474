package bootstrap

// blocked tells why this node must not act at all: its disk is not what its
// state says, or somebody else is it.
func (d *decision) blocked() []Reason {
	s, v := d.s, d.v
	differ := func(a, b uint64) bool { return a != 0 && b != 0 && a != b }
	switch {
	case v.Voters < 1 || v.Voters > MaxVoters:
		return []Reason{{Code: "voters-range", Have: v.Voters, Want: MaxVoters}}
	case s.Member && v.Data != DataWhole:
		return []Reason{{Code: "data-lost"}}
	case v.Data == DataWhole && !s.Started && !s.Discard:
		return []Reason{{Code: "data-unknown"}}
	case differ(s.EtcdCluster, v.EtcdCluster) || differ(s.EtcdMember, v.EtcdMember):
		return []Reason{{Code: "data-other"}}
	}
	var r []Reason
	for i := range v.Nodes {
		n := &v.Nodes[i]
		if n.Answer == nil || !n.Fresh {
			continue
		}
		if n.ID == s.ID && n.Answer.Boot != s.Boot {
			r = append(r, Reason{Code: "id-twice", Nodes: []NodeRef{{s.ID, n.Answer.Name, n.Addr}}, Addr: n.Addr})
		}
		for j := range n.Answer.Known {
			k := &n.Answer.Known[j]
			if why, bad := s.contradicts(k); bad {
				why.Nodes = []NodeRef{d.ref(n.ID)}
				if k.Starts > s.Starts {
					d.plan.doubt = max(d.plan.doubt, k.Starts)
				}
				r = append(r, why)
			}
		}
	}
	if r == nil && s.Doubt > s.Starts { // somebody said so once, and only a person can say otherwise
		r = []Reason{{Code: "disk-old", Have: int(s.Starts), Want: int(s.Doubt)}}
	}
	return r
}

// contradicts tells whether what another node knows of our start counter shows
// that our disk is old, or that it runs twice. The counter grows on disk before
// anything is started, so a process that finds its own number taken, or passed,
// is not the only one that came from this disk.
func (s State) contradicts(k *Counter) (Reason, bool) {
	if k.ID != s.ID || k.Starts < s.Starts {
		return Reason{}, false
	}
	if k.Starts > s.Starts {
		return Reason{Code: "disk-old", Have: int(s.Starts), Want: int(k.Starts)}, true
	}
	for _, b := range k.Boots {
		if b != s.Boot {
			return Reason{Code: "disk-copied", Have: int(s.Starts)}, true
		}
	}
	return Reason{}, false
}
