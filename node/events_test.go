package node

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
)

// collect reads a stream to its end.
func collect(l *eventLog, opts EventOptions) (got []string) {
	for e := range l.stream(context.Background(), opts) {
		got = append(got, e.Type)
	}
	return got
}

func TestEventsResume(t *testing.T) {
	l := newEventLog()
	for i := range 5 {
		l.add(Event{Type: fmt.Sprint(i + 1)})
	}
	for _, tt := range []struct{ name, after, want string }{
		{"from the start", "", "[1 2 3 4 5]"},
		{"after the third", l.boot + "-3", "[4 5]"},
		{"after the last", l.boot + "-5", "[]"},
		{"before the first", l.boot + "-0", "[1 2 3 4 5]"},
		{"another boot", "deadbeef-3", "[reset 1 2 3 4 5]"},
		{"from the future", l.boot + "-6", "[reset 1 2 3 4 5]"},
		{"nonsense", "x", "[reset 1 2 3 4 5]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := fmt.Sprint(collect(l, EventOptions{After: tt.after, Backlog: true})); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestEventsForgetTheOldest(t *testing.T) {
	l := newEventLog()
	for i := range eventsKept + 2 {
		l.add(Event{Type: fmt.Sprint(i + 1)})
	}
	got := collect(l, EventOptions{Backlog: true})
	if len(got) != eventsKept || got[0] != "3" {
		t.Fatalf("%d events from %s on", len(got), got[0])
	}
	if got := collect(l, EventOptions{After: l.boot + "-1", Backlog: true}); got[0] != "reset" || got[1] != "3" {
		t.Errorf("after a forgotten event: %v …", got[:2])
	}
	if got := collect(l, EventOptions{After: l.boot + "-2", Backlog: true}); got[0] != "3" {
		t.Errorf("after the last forgotten event nothing is missing, yet: %v …", got[:1])
	}
}

// A reader that is overtaken learns that it missed something.
func TestEventsSlowReader(t *testing.T) {
	l := newEventLog()
	l.add(Event{Type: "1"})
	var got []string
	for e := range l.stream(context.Background(), EventOptions{}) {
		got = append(got, e.Type)
		if len(got) == 1 {
			for i := range eventsKept + 10 {
				l.add(Event{Type: fmt.Sprint(i + 2)})
			}
			l.close()
		}
	}
	if len(got) != 1+1+eventsKept || got[1] != "reset" || got[2] != "12" {
		t.Errorf("%d events: %v …", len(got), got[:3])
	}
}

func TestEventsFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newEventLog()
		l.add(Event{Type: "before"})
		ctx, cancel := context.WithCancel(context.Background())
		var got []string
		var last error
		done := make(chan struct{})
		go func() {
			defer close(done)
			for e, err := range l.stream(ctx, EventOptions{}) {
				got, last = append(got, e.Type), err
			}
		}()
		synctest.Wait() // the reader waits now
		l.add(Event{Type: "after"})
		synctest.Wait()
		cancel()
		<-done
		if fmt.Sprint(got) != "[before after ]" || last != context.Canceled {
			t.Errorf("got %q, %v", got, last)
		}
	})
}
