package embed

import (
	"context"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// seatWatcher watches on whatever member is in the seat when Watch is called. A
// watch that was opened without a member is registered when one comes; one whose
// member goes ends as all watches of a stopped member do.
type seatWatcher struct {
	seat    *Seat
	closing chan struct{}
	once    sync.Once
	waiting sync.WaitGroup // goroutines of watches that were opened without a member
}

// Watch is clientv3.Watcher's.
func (w *seatWatcher) Watch(ctx context.Context, key string, opts ...clientv3.OpOption) clientv3.WatchChan {
	select {
	case <-w.closing:
		return closedWatch()
	default:
	}
	if m := w.seat.now(); m != nil {
		return m.client.Watcher.Watch(ctx, key, opts...)
	}
	out := make(chan clientv3.WatchResponse)
	w.waiting.Go(func() {
		defer close(out)
		m, err := w.seat.wait(ctx)
		if err != nil {
			return
		}
		w.forward(ctx, m.client.Watcher.Watch(ctx, key, opts...), out)
	})
	return out
}

func (w *seatWatcher) forward(ctx context.Context, in clientv3.WatchChan, out chan<- clientv3.WatchResponse) {
	for r := range in { // ends with ctx, with the member, or with the watch
		select {
		case out <- r:
		case <-ctx.Done():
		case <-w.closing:
		}
	}
}

// RequestProgress is clientv3.Watcher's. Without a member there is nothing to
// report.
func (w *seatWatcher) RequestProgress(ctx context.Context) error {
	m, err := w.seat.wait(ctx)
	if err != nil {
		return err
	}
	return m.client.Watcher.RequestProgress(ctx)
}

// Close joins the watches that were opened without a member. The member ends
// the others, so it must stop before.
func (w *seatWatcher) Close() error {
	w.once.Do(func() { close(w.closing) })
	w.waiting.Wait()
	return nil
}

func closedWatch() clientv3.WatchChan {
	c := make(chan clientv3.WatchResponse)
	close(c)
	return c
}
