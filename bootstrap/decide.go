package bootstrap

// Decide says what a node in state s that sees v does next. It is pure: no
// clock, no I/O, nothing kept.
func Decide(s State, v View) Plan { return Plan{Kind: Wait} }

// Apply returns the state that must be on disk before p is carried out.
func Apply(s State, p Plan) State { return s }

// Learn returns the state after a round of answers: addresses and start counters
// of other nodes.
func Learn(s State, nodes []Seen) State { return s }
