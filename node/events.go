package node

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"sync"
	"time"
)

// eventsKept is how many events a node remembers for those who come late.
const eventsKept = 1024

// An Event is something that happened at this node.
//
// Types: started, ready, leader_changed, quorum_lost, quorum_restored, problem,
// problem_solved, cert_renewed, address_changed, lock_acquired, lock_released, lock_lost,
// session_lost, stopping, stopped; on the way into a cluster pledged,
// member_started, member, and aborted, released, joining, blocked, unblocked; and
// reset, the first event for a reader whose position is no longer known: what
// happened in between is to be read from Status. More may come.
type Event struct {
	ID    string    `json:"id"` // <boot>-<n>: boot is new with each start, n counts from 1
	Time  time.Time `json:"time"`
	Type  string    `json:"type"`
	Name  string    `json:"name,omitempty"`  // of the lock, the problem's code, …
	Text  string    `json:"text"`            // for people
	Fence int64     `json:"fence,omitempty"` // of the lock
}

// EventOptions says where a stream of events starts and ends.
type EventOptions struct {
	// After is the ID of the last event already seen. If it is not known here
	// any more, a reset event comes first and then all events that are kept. If
	// empty, the stream starts with the events that are kept, the last 1,024.
	After string
	// Backlog ends the stream after the events that have already happened. If
	// false, it goes on until its ctx or the node ends.
	Backlog bool
}

// Events streams what happens at this node, in order, from the events that are
// kept on. Breaking out of the loop ends it. A reader too slow for the memory
// of 1,024 events gets a reset event and goes on from the oldest kept. The last
// element has an error only if ctx ended; after Close the stream ends without
// one.
func (n *Node) Events(ctx context.Context, opts ...EventOptions) iter.Seq2[Event, error] {
	return n.events.stream(ctx, first(opts))
}

func first[T any](opts []T) T {
	var zero T
	if len(opts) > 0 {
		return opts[0]
	}
	return zero
}

// eventLog is a ring of the last events. It is owned by mu.
type eventLog struct {
	boot string
	now  func() time.Time

	mu     sync.Mutex
	ring   []Event
	next   uint64        // n of the next event, from 1
	wake   chan struct{} // closed and replaced when an event is added or the log is closed
	closed bool
}

func newEventLog() *eventLog {
	var b [4]byte
	rand.Read(b[:])
	return &eventLog{boot: hex.EncodeToString(b[:]), now: time.Now, next: 1, wake: make(chan struct{})}
}

// add gives e its ID and time. It never blocks on readers.
func (l *eventLog) add(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	e.ID, e.Time = fmt.Sprintf("%s-%d", l.boot, l.next), l.now()
	l.next++
	if len(l.ring) == eventsKept {
		copy(l.ring, l.ring[1:])
		l.ring = l.ring[:eventsKept-1]
	}
	l.ring = append(l.ring, e)
	close(l.wake)
	l.wake = make(chan struct{})
}

// close ends all streams once they have delivered what was added before.
func (l *eventLog) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		close(l.wake)
	}
}

func (l *eventLog) stream(ctx context.Context, opts EventOptions) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		pos, known := l.position(opts.After)
		if !known && !yield(l.reset(pos), nil) {
			return
		}
		for {
			batch, lost, wake, closed := l.after(pos)
			if lost {
				pos = batch[0].n() - 1
				if !yield(l.reset(pos), nil) {
					return
				}
			}
			for _, e := range batch {
				if !yield(e, nil) {
					return
				}
				pos = e.n()
			}
			if closed || opts.Backlog {
				return
			}
			select {
			case <-wake:
			case <-ctx.Done():
				yield(Event{}, context.Cause(ctx))
				return
			}
		}
	}
}

// position is the number of the event with that ID, and whether the stream can
// go on from there.
func (l *eventLog) position(id string) (uint64, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	oldest := l.next - uint64(len(l.ring))
	if id == "" {
		return oldest - 1, true
	}
	boot, num, _ := strings.Cut(id, "-")
	n, err := strconv.ParseUint(num, 10, 64)
	if err != nil || boot != l.boot || n >= l.next || n+1 < oldest {
		return oldest - 1, false
	}
	return n, true
}

// after returns copies of the events behind pos, whether some in between are
// gone, and a channel that closes when there are more.
func (l *eventLog) after(pos uint64) (batch []Event, lost bool, wake <-chan struct{}, closed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	oldest := l.next - uint64(len(l.ring))
	from := max(pos+1, oldest)
	batch = append(batch, l.ring[from-oldest:]...)
	return batch, pos+1 < oldest, l.wake, l.closed
}

func (l *eventLog) reset(pos uint64) Event {
	return Event{ID: fmt.Sprintf("%s-%d", l.boot, pos), Time: l.now(), Type: "reset",
		Text: "earlier events are not known here; read the status"}
}

func (e Event) n() uint64 {
	_, num, _ := strings.Cut(e.ID, "-")
	n, _ := strconv.ParseUint(num, 10, 64)
	return n
}
