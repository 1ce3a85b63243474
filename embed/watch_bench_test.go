package embed

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/storage/mvcc"
)

// 64 goroutines open a watch, take its created response, and cancel it.
func BenchmarkWatchOpenCancel(b *testing.B) {
	m := startWatchMember(b)
	b.Run("own", func(b *testing.B) {
		b.ReportAllocs()
		storm(b, int64(b.N), func(ctx context.Context, key string) { <-m.w.Watch(ctx, key, clientv3.WithCreatedNotify()) })
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "watches/s")
	})
	b.Run("store", func(b *testing.B) {
		b.ReportAllocs()
		storm(b, int64(b.N), func(ctx context.Context, key string) {
			s := m.Watchable().NewWatchStream()
			if _, err := s.Watch(ctx, 0, []byte(key), nil, 0); err != nil {
				b.Error(err)
			}
			s.Rev()
			s.Close()
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "watches/s")
	})
}

func storm(t testing.TB, cycles int64, open func(ctx context.Context, key string)) {
	t.Helper()
	var n atomic.Int64
	var wg sync.WaitGroup
	for g := range 64 {
		wg.Go(func() {
			key := fmt.Sprint("/k", g)
			for n.Add(1) <= cycles {
				ctx, cancel := context.WithCancel(context.Background())
				open(ctx, key)
				cancel()
			}
		})
	}
	wg.Wait()
}

// From the call of Put to the event at the watcher, beside the same read by hand
// from the store's stream.
func BenchmarkWatchPutToEvent(b *testing.B) {
	ctx := context.Background()
	m := startWatchMember(b)
	put := func(b *testing.B) {
		if _, err := m.Put(ctx, &pb.PutRequest{Key: []byte("k"), Value: make([]byte, 128)}); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("store", func(b *testing.B) {
		s := m.Watchable().NewWatchStream()
		defer s.Close()
		if _, err := s.Watch(ctx, 0, []byte("k"), nil, 0); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			put(b)
			r := <-s.Chan()
			mvcc.ReportEventReceived(len(r.Events))
		}
	})
	b.Run("own", func(b *testing.B) {
		wctx, cancel := context.WithCancel(ctx)
		defer cancel()
		ch := m.w.Watch(wctx, "k")
		b.ReportAllocs()
		for b.Loop() {
			put(b)
			<-ch
		}
	})
}
