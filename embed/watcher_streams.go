package embed

import "go.etcd.io/etcd/server/v3/storage/mvcc"

// idleStreams is how many streams are kept for watches to come: half a megabyte.
const idleStreams = 64

// stream returns a stream of the store without a watch on it.
func (w *watcher) stream() mvcc.WatchStream {
	select {
	case s := <-w.idle:
		return s
	default:
		return w.server.Watchable().NewWatchStream()
	}
}

// giveBack takes a stream whose watch is cancelled: the store sends nothing more
// on it. A stream is 8 KB, nearly all of what a watch costs.
func (w *watcher) giveBack(s mvcc.WatchStream) {
	for len(s.Chan()) > 0 {
		r := <-s.Chan()
		mvcc.ReportEventReceived(len(r.Events)) // the store counts them as pending
	}
	select {
	case w.idle <- s:
	default:
		s.Close()
	}
}

// dropIdle closes the streams that are kept.
func (w *watcher) dropIdle() {
	for {
		select {
		case s := <-w.idle:
			s.Close()
		default:
			return
		}
	}
}
