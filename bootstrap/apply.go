package bootstrap

import "slices"

// keepAborted is how many aborted rosters are remembered one by one.
const keepAborted = 128

// Apply returns the state that must be on disk before p is carried out, or
// before anybody is told of it. It changes nothing that s shares. A plan that
// changes nothing returns a state that is equal to s.
//
// The start counter grows with every change of what the node is bound to, so
// that who saw the change also sees when the disk is set back to before it. That
// of an old disk stays: it must not come up to the number by which it was found
// out.
func Apply(s State, p Plan) State {
	t := s.apply(p)
	if t.Doubt > t.Starts {
		return t
	}
	if t.Pledge != s.Pledge || t.Started != s.Started || t.Member != s.Member || t.Evidence != s.Evidence || len(t.Aborted) != len(s.Aborted) || t.Floor != s.Floor {
		t.Starts++
	}
	return t
}

func (s State) apply(p Plan) State {
	if s.Evidence == nil && !s.Member {
		s.Evidence = p.Evidence
	}
	s.Doubt = max(s.Doubt, p.doubt)
	switch p.Kind {
	case Pledge:
		s.Attempt = max(s.Attempt, p.Roster.Attempt)
		s.bind(p.Roster)
		s.Discard = false // Decide pledges only once the old directory is gone
	case Start:
		s.Started = true
	case Settle:
		s.Member = true
		s.EtcdCluster, s.EtcdMember = p.etcdCluster, p.etcdMember
	case Abort:
		s.Attempt = max(s.Attempt, p.Roster.Attempt)
		if p.Roster == s.Pledge {
			s = s.abort(s.Pledged())
		} else {
			s = s.abort(p.Roster.Hash())
		}
	case Release:
		if p.Roster == nil { // only the directory was left
			break
		}
		s = s.abort(s.Pledged())
		s.Discard = s.Started
		s.Pledge, s.Started = nil, false
	}
	return s
}

// abort remembers a roster. When the list is full the oldest entries become a
// floor: no roster up to the highest attempt known is ever pledged to again, and
// theirs were no higher.
func (s State) abort(h Hash) State {
	if slices.Contains(s.Aborted, h) {
		return s
	}
	s.Aborted = append(slices.Clip(slices.Clone(s.Aborted)), h)
	if own := s.Pledged(); len(s.Aborted) > keepAborted {
		drop := 0
		if s.Aborted[0] == own { // the floor does not speak for the pledge
			drop = 1
		}
		s.Aborted = slices.Delete(s.Aborted, drop, drop+1)
		s.Floor = max(s.Floor, s.Attempt)
	}
	return s
}
