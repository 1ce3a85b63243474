package bootstrap

import (
	"encoding/json"
	"fmt"
)

// rosterJSON is a roster in files and answers. The hash is written too, so that
// a build that would hash it otherwise, or a file that somebody edited, is
// noticed and not obeyed.
type rosterJSON struct {
	Cluster  string    `json:"cluster"`
	Voters   int       `json:"voters"`
	Seeds    Hash      `json:"seeds"`
	Attempt  int       `json:"attempt"`
	Founders []Founder `json:"founders"`
	Hash     Hash      `json:"hash"`
}

// MarshalJSON writes the roster and its hash.
func (r Roster) MarshalJSON() ([]byte, error) {
	return json.Marshal(rosterJSON{r.Cluster, r.Voters, r.Seeds, r.Attempt, r.Founders, r.Hash()})
}

// UnmarshalJSON reads what MarshalJSON wrote. It returns an error that wraps
// [ErrRoster] for one that cannot be a roster or does not have the hash that is
// written in it.
func (r *Roster) UnmarshalJSON(b []byte) error {
	var j rosterJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return fmt.Errorf("read roster: %w", err)
	}
	got := Roster{j.Cluster, j.Voters, j.Seeds, j.Attempt, j.Founders}
	if err := got.Check(); err != nil {
		return fmt.Errorf("read roster: %w", err)
	}
	if h := got.Hash(); h != j.Hash {
		return fmt.Errorf("read roster: %w: its hash is %s, it says %s", ErrRoster, h.Short(), j.Hash.Short())
	}
	*r = got
	return nil
}
