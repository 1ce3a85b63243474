package recipes

import (
	"context"
	"sync"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// A claim is one attempt's key in a line. The key is put at most once and never
// again after it is gone; the lowest create revision holds.
type claim struct {
	l      *line
	s      *session
	key    string
	void   string        // while this key exists, the claim cannot be put
	wake   chan struct{} // head or gone changed
	forget func()        // leaves the line, once

	tries   int  // how often the put was sent; its owner's, then the withdrawal's
	refused bool // the last of them was, for sure

	once sync.Once // for out
	out  *withdrawal

	// guarded by l.mu
	rev  int64 // create revision, once known
	head bool
	gone bool
	held *Held
}

// enter makes a claim known to its line before the key can exist, so that
// nothing that happens to the key is missed.
func (l *line) enter(s *session) *claim {
	id := claimID(s.id, s.claims.Add(1))
	cl := &claim{l: l, s: s, key: l.prefix + id, void: voidRoot + id, wake: make(chan struct{}, 1)}
	cl.forget = sync.OnceFunc(func() {
		l.mu.Lock()
		delete(l.claims, cl.key)
		l.mu.Unlock()
		l.c.closeLine(l)
	})
	l.mu.Lock()
	l.claims[cl.key] = cl
	l.mu.Unlock()
	return cl
}

func (cl *claim) nudge() {
	select {
	case cl.wake <- struct{}{}:
	default:
	}
}

func (cl *claim) goneLocked(hs []*Held) []*Held {
	if cl.gone {
		return hs
	}
	cl.gone = true
	cl.nudge()
	if cl.held != nil {
		hs = append(hs, cl.held)
	}
	return hs
}

func (cl *claim) look() (rev int64, head, gone bool) {
	cl.l.mu.Lock()
	defer cl.l.mu.Unlock()
	return cl.rev, cl.head, cl.gone
}

// confirm takes the server's word that the claim stands in line since rev.
func (cl *claim) confirm(rev int64, head bool) {
	l := cl.l
	l.mu.Lock()
	defer l.mu.Unlock()
	cl.rev = rev
	cl.head = cl.head || head
	if l.rev >= rev { // the copy is newer than the put
		for _, e := range l.order {
			if e.key == cl.key {
				return
			}
		}
		cl.gone = true
	}
}

// absent holds while nobody and nothing is at the key.
func absent(key string) clientv3.Cmp {
	return clientv3.Compare(clientv3.CreateRevision(key), "=", 0)
}

// put sends the claim once. If an earlier try got through, it finds that one
// instead of standing in line twice. With onlyFree it stands in line only if
// nobody does.
func (cl *claim) put(ctx context.Context, value string, onlyFree bool) error {
	tctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	prefix := cl.l.prefix
	first := clientv3.OpGet(prefix, append(clientv3.WithFirstCreate(), clientv3.WithKeysOnly())...)
	free := absent(cl.key)
	if onlyFree {
		free = absent(prefix).WithPrefix()
	}
	then := []clientv3.Op{clientv3.OpPut(cl.key, value, clientv3.WithLease(cl.s.id))}
	if _, empty, _ := cl.l.look(); empty {
		then = append(then, first) // else the line's own copy tells, and spares the server a sort
	}
	cl.tries++
	r, err := cl.l.c.etcd.Txn(tctx).If(free, absent(cl.void)).Then(then...).Else(clientv3.OpGet(cl.key)).Commit()
	if err != nil {
		cl.refused = refused(err) && cl.tries == 1
		return err
	}
	switch {
	case r.Succeeded && len(r.Responses) > 1:
		kvs := ranged(r, 1)
		cl.confirm(r.Header.Revision, len(kvs) > 0 && string(kvs[0].Key) == cl.key)
	case r.Succeeded:
		cl.confirm(r.Header.Revision, false)
	case len(ranged(r, 0)) > 0:
		// With onlyFree it was put into an empty line, so it is the head.
		cl.confirm(ranged(r, 0)[0].CreateRevision, onlyFree)
	case onlyFree:
		cl.refused = cl.tries == 1
		return ErrLocked
	default: // void: cannot be, since only a withdrawal makes it so
		cl.markGone()
	}
	return nil
}

func (cl *claim) markGone() {
	cl.l.mu.Lock()
	cl.gone = true
	cl.l.mu.Unlock()
}

func ranged(r *clientv3.TxnResponse, i int) []*mvccpb.KeyValue {
	if i >= len(r.Responses) {
		return nil
	}
	x, ok := r.Responses[i].Response.(*pb.ResponseOp_ResponseRange)
	if !ok {
		return nil
	}
	return x.ResponseRange.Kvs
}
