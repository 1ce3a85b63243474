package embed

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sort"
	"strings"
	"sync"
	"testing"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/protobuf/proto"
)

// watchHistory is what a member did, computed from the commands alone: its only
// writer knows which revision each command gets and which events it makes.
type watchHistory struct {
	rnd  *rand.Rand
	live map[string]*mvccpb.KeyValue

	mu        sync.Mutex
	moved     *sync.Cond
	rev       int64
	compacted int64
	over      bool
	events    []*clientv3.Event // with PrevKv
}

func newWatchHistory(seed, rev int64) *watchHistory {
	h := &watchHistory{rnd: rand.New(rand.NewPCG(uint64(seed), 1)), live: map[string]*mvccpb.KeyValue{}, rev: rev}
	h.moved = sync.NewCond(&h.mu)
	return h
}

func (h *watchHistory) now() (rev, compacted int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.rev, h.compacted
}

// wait returns when the history has reached rev or is over.
func (h *watchHistory) wait(rev int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.rev < rev && !h.over {
		h.moved.Wait()
	}
}

func (h *watchHistory) finish() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = true
	h.moved.Broadcast()
}

func (h *watchHistory) finished() (last int64, over bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.rev, h.over
}

// key is one of few, so that keys are written again and again; a third of them
// is a prefix of another.
func (h *watchHistory) key() string { return watchKey(h.rnd) }

func watchKey(rnd *rand.Rand) string {
	k := string(rune('a' + rnd.IntN(4)))
	for rnd.IntN(3) > 0 && len(k) < 3 {
		k += string(rune('a' + rnd.IntN(3)))
	}
	return k
}

// write does one transaction and checks that the member and the history agree
// on its revision.
func (h *watchHistory) write(t *testing.T, m *watchMember) {
	t.Helper()
	rev := h.rev + 1
	ops, events := h.command(rev)
	h.mu.Lock()
	h.events = append(h.events, events...) // before watches can see them
	h.mu.Unlock()
	r, err := m.kv.Txn(context.Background()).Then(ops...).Commit()
	if err != nil {
		t.Fatal(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(events) > 0 {
		h.rev = rev
	}
	if r.Header.Revision != h.rev {
		t.Fatalf("the member is at revision %d, the history at %d", r.Header.Revision, h.rev)
	}
	h.moved.Broadcast()
}

// command makes up a transaction for rev, which it does to live.
func (h *watchHistory) command(rev int64) (ops []clientv3.Op, events []*clientv3.Event) {
	if h.rnd.IntN(40) == 0 { // a whole range, alone, since it may overlap
		p := h.key()
		for _, k := range h.sorted() {
			if strings.HasPrefix(k, p) {
				events = h.del(events, rev, k)
			}
		}
		return []clientv3.Op{clientv3.OpDelete(p, clientv3.WithPrefix())}, events
	}
	touched := map[string]bool{}
	for range 1 + h.rnd.IntN(4)*h.rnd.IntN(2) {
		k := h.key()
		if touched[k] {
			continue
		}
		touched[k] = true
		if h.rnd.IntN(4) == 0 {
			ops, events = append(ops, clientv3.OpDelete(k)), h.del(events, rev, k)
			continue
		}
		v := ""
		if h.rnd.IntN(8) > 0 {
			v = fmt.Sprint(h.rnd.Int64())
		}
		ops, events = append(ops, clientv3.OpPut(k, v)), h.put(events, rev, k, v)
	}
	return ops, events
}

func (h *watchHistory) put(events []*clientv3.Event, rev int64, k, v string) []*clientv3.Event {
	prev := h.live[k]
	kv := &mvccpb.KeyValue{Key: []byte(k), Value: []byte(v), CreateRevision: rev, ModRevision: rev, Version: 1}
	if prev != nil {
		kv.CreateRevision, kv.Version = prev.CreateRevision, prev.Version+1
	}
	h.live[k] = kv
	return append(events, &clientv3.Event{Type: mvccpb.Event_PUT, Kv: kv, PrevKv: prev})
}

func (h *watchHistory) del(events []*clientv3.Event, rev int64, k string) []*clientv3.Event {
	prev := h.live[k]
	if prev == nil {
		return events
	}
	delete(h.live, k)
	return append(events, &clientv3.Event{
		Type: mvccpb.Event_DELETE, Kv: &mvccpb.KeyValue{Key: []byte(k), ModRevision: rev}, PrevKv: prev,
	})
}

func (h *watchHistory) sorted() (keys []string) {
	for k := range h.live {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// compactSome compacts to somewhere in the last revisions.
func (h *watchHistory) compactSome(t *testing.T, m *watchMember) {
	t.Helper()
	rev := h.rev - int64(h.rnd.IntN(50))
	if rev <= h.compacted {
		return
	}
	h.mu.Lock()
	h.compacted = rev // before it is: what watchers see may be compacted from now on
	h.mu.Unlock()
	m.compact(t, rev)
}

// between returns the events of revisions first to last that match.
func (h *watchHistory) between(first, last int64, match func(*clientv3.Event) bool) (es []*clientv3.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	from := sort.Search(len(h.events), func(i int) bool { return h.events[i].Kv.ModRevision >= first })
	for _, e := range h.events[from:] {
		if e.Kv.ModRevision > last {
			break
		}
		if match(e) {
			es = append(es, e)
		}
	}
	return es
}

// sameEvent compares what a watch with or without WithPrevKV got with the
// history; a previous value may be missing if it may have been compacted.
func sameEvent(got, want *clientv3.Event, prevKV bool, compacted int64) bool {
	if got.Type != want.Type || !proto.Equal(normal(got.Kv), normal(want.Kv)) {
		return false
	}
	switch {
	case !prevKV:
		return got.PrevKv == nil
	case got.PrevKv == nil:
		return want.PrevKv == nil || want.Kv.ModRevision-1 < compacted
	}
	return proto.Equal(normal(got.PrevKv), normal(want.PrevKv))
}

// normal has no difference between no value and an empty one.
func normal(kv *mvccpb.KeyValue) *mvccpb.KeyValue {
	if kv == nil {
		return nil
	}
	c := proto.Clone(kv).(*mvccpb.KeyValue)
	if len(c.Value) == 0 {
		c.Value = nil
	}
	return c
}
