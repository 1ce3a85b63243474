package bootstrap

import (
	"cmp"
	"slices"
)

// keepBoots is how many boot IDs of a node are remembered; two prove that it runs
// twice.
const keepBoots = 4

// Learn returns the state after a round of questions: where other nodes answer,
// and their start counters. Every question of the round must have been sent
// after the state was learned, or a node that restarts would seem to run twice.
// The result is to be saved where it differs, and is what this node attests.
func Learn(s State, nodes []Seen) State {
	before := s.Peers
	s.Peers = slices.Clone(s.Peers)
	for i := range nodes {
		n := &nodes[i]
		if n.Answer == nil || !n.Fresh || n.ID == s.ID {
			continue
		}
		at, known := find(s.Peers, n.ID)
		if !known {
			if len(s.Peers) >= maxKnown {
				continue
			}
			s.Peers = slices.Insert(s.Peers, at, KnownNode{ID: n.ID})
		}
		s.Peers[at] = s.Peers[at].learn(n.Answer, before)
	}
	return s
}

func find(l []KnownNode, id string) (int, bool) {
	return slices.BinarySearchFunc(l, id, func(k KnownNode, id string) int { return cmp.Compare(k.ID, id) })
}

func (k KnownNode) learn(a *Answer, before []KnownNode) KnownNode {
	var old uint64 // the counter when the question was sent
	if at, ok := find(before, k.ID); ok {
		old = before[at].Starts
	}
	switch {
	case a.Starts > k.Starts:
		k.Starts, k.Boots = a.Starts, []string{a.Boot}
	case a.Starts < k.Starts && a.Starts >= old: // it restarted during the round
		return k
	case !slices.Contains(k.Boots, a.Boot) && len(k.Boots) < keepBoots:
		// The same counter in another process, or a lower one after a higher.
		k.Boots = append(slices.Clip(k.Boots), a.Boot)
	}
	k.Name, k.Gossip, k.RPC = a.Name, a.Advertise.Gossip, a.Advertise.RPC
	return k
}
