package embed

import "time"

// leaderlessElections is how many election timeouts in a row without a leader
// end the watches that require one; etcd's own server uses the same number for
// the streams of remote clients.
const leaderlessElections = 3

// supervise ends the watches when the watcher closes, the server stops, or,
// those that require it, when the leader stays away. It counts elections only
// while a watch requires a leader.
func (w *watcher) supervise() {
	defer close(w.supervised)
	ticker := time.NewTicker(w.election)
	ticker.Stop()
	defer ticker.Stop()
	ticking, leaderless := false, 0
	for {
		select {
		case <-w.closing:
			w.endAll(w.closingCause())
			return
		case <-w.server.StoppingNotify():
			w.endAll(causeStopped)
			return
		case <-w.life:
			w.endAll(causeStopped)
			return
		case <-w.require:
			if !ticking {
				ticking, leaderless = true, 0
				ticker.Reset(w.election)
			}
		case <-ticker.C:
			switch seen := w.leaderSeen(); {
			case w.leader() != 0:
				leaderless = 0
			case seen: // and lost since the last tick
				leaderless = 1
			default:
				leaderless++
			}
			if leaderless >= leaderlessElections {
				w.endRequiring()
			}
			if w.unrequired() {
				ticking = false
				ticker.Stop()
			}
		}
	}
}

// closingCause is why the watcher is closed: a server that stopped is the better
// answer than its client's end, which follows from it.
func (w *watcher) closingCause() cause {
	select {
	case <-w.server.StoppingNotify():
		return causeStopped
	case <-w.life:
		return causeStopped
	default:
		return causeClosed
	}
}

// unrequired reports that no watch requires a leader. One that is added just
// after it leaves its mark in w.require.
func (w *watcher) unrequired() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.required == 0
}

func (w *watcher) leaderSeen() (seen bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen, w.seen = w.seen, false
	return seen
}

func (w *watcher) endRequiring() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for h := range w.watches {
		if h.requires {
			h.end(causeNoLeader)
		}
	}
}

// endAll ends every watch and returns when none touches the store any more.
func (w *watcher) endAll(c cause) {
	w.mu.Lock()
	w.ended = c
	for h := range w.watches {
		h.end(c)
	}
	w.mu.Unlock()
	w.pumps.Wait()
}
