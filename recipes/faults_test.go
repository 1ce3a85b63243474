package recipes_test

import (
	"context"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/quorate/quorate/embed"
)

// faults stands between one process and the server.
type faults struct {
	mu         sync.Mutex
	healed     chan struct{}
	cut        bool                                     // nothing gets through, in either direction
	noRenewals bool                                     // keep-alives hang
	noReads    bool                                     // linearizable reads hang
	oldTerm    bool                                     // keep-alives are answered in the term before
	replyDelay time.Duration                            // of keep-alives
	onWatch    func()                                   // before a watch is opened
	stale      func(*pb.RangeRequest) *pb.RangeResponse // what a range is answered with instead
	noGrants   bool                                     // lease grants hang
	lostReply  func(n int) bool                         // the nth txn takes effect, its answer is lost
	lateOnce   bool                                     // only the next txn is late
	late       chan struct{}                            // while set, txns are carried out only once it closes
	txns       int
	watches    []watch
	opened     int
}

type watch struct {
	ctx    context.Context
	cancel context.CancelFunc
}

func newFaults() *faults { return &faults{healed: make(chan struct{})} }

func (f *faults) set(change func(f *faults)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *faults) heal() {
	f.set(func(f *faults) {
		f.cut, f.noRenewals, f.noGrants, f.noReads, f.oldTerm = false, false, false, false, false
		f.lostReply, f.replyDelay, f.onWatch, f.stale, f.late = nil, 0, nil, nil, nil
		close(f.healed)
		f.healed = make(chan struct{})
	})
}

// pass blocks while is says so.
func (f *faults) pass(ctx context.Context, is func(f *faults) bool) error {
	for {
		f.mu.Lock()
		blocked, healed := is(f), f.healed
		f.mu.Unlock()
		if !blocked {
			return nil
		}
		select {
		case <-healed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func isCut(f *faults) bool { return f.cut }

func (f *faults) seam() embed.Seam {
	return embed.Seam{
		KV:      func(k pb.KVClient) pb.KVClient { return &faultyKV{k, f} },
		Lease:   func(l pb.LeaseClient) pb.LeaseClient { return &faultyLease{l, f} },
		Watcher: func(w clientv3.Watcher) clientv3.Watcher { return &faultyWatcher{w, f} },
	}
}

type faultyKV struct {
	pb.KVClient
	f *faults
}

func (k *faultyKV) Range(ctx context.Context, in *pb.RangeRequest, o ...grpc.CallOption) (*pb.RangeResponse, error) {
	if err := k.f.pass(ctx, func(f *faults) bool { return f.cut || f.noReads }); err != nil {
		return nil, err
	}
	k.f.mu.Lock()
	stale := k.f.stale
	k.f.mu.Unlock()
	if stale != nil {
		if r := stale(in); r != nil {
			return r, nil
		}
	}
	r, err := k.KVClient.Range(ctx, in, o...)
	if e := k.f.pass(ctx, isCut); e != nil {
		return nil, e
	}
	return r, err
}

func (k *faultyKV) Txn(ctx context.Context, in *pb.TxnRequest, o ...grpc.CallOption) (*pb.TxnResponse, error) {
	if err := k.f.pass(ctx, isCut); err != nil {
		return nil, err
	}
	k.f.mu.Lock()
	k.f.txns++
	lose, late := k.f.lostReply != nil && k.f.lostReply(k.f.txns), k.f.late
	if k.f.lateOnce {
		k.f.late = nil
	}
	k.f.mu.Unlock()
	if late != nil {
		go func() {
			<-late
			k.KVClient.Txn(context.Background(), in, o...)
		}()
		return nil, rpctypes.ErrGRPCTimeout
	}
	r, err := k.KVClient.Txn(ctx, in, o...)
	if lose {
		return nil, rpctypes.ErrGRPCTimeout
	}
	if e := k.f.pass(ctx, isCut); e != nil {
		return nil, e
	}
	return r, err
}

type faultyLease struct {
	pb.LeaseClient
	f *faults
}

func (l *faultyLease) LeaseGrant(ctx context.Context, in *pb.LeaseGrantRequest, o ...grpc.CallOption) (*pb.LeaseGrantResponse, error) {
	if err := l.f.pass(ctx, func(f *faults) bool { return f.cut || f.noGrants }); err != nil {
		return nil, err
	}
	return l.LeaseClient.LeaseGrant(ctx, in, o...)
}

func (l *faultyLease) LeaseRevoke(ctx context.Context, in *pb.LeaseRevokeRequest, o ...grpc.CallOption) (*pb.LeaseRevokeResponse, error) {
	if err := l.f.pass(ctx, isCut); err != nil {
		return nil, err
	}
	return l.LeaseClient.LeaseRevoke(ctx, in, o...)
}

func (l *faultyLease) LeaseKeepAlive(ctx context.Context, o ...grpc.CallOption) (pb.Lease_LeaseKeepAliveClient, error) {
	if err := l.f.pass(ctx, func(f *faults) bool { return f.cut || f.noRenewals }); err != nil {
		return nil, err
	}
	s, err := l.LeaseClient.LeaseKeepAlive(ctx, o...)
	if err != nil {
		return nil, err
	}
	return &faultyRenewals{s, l.f}, nil
}

type faultyRenewals struct {
	pb.Lease_LeaseKeepAliveClient
	f *faults
}

func (s *faultyRenewals) Recv() (*pb.LeaseKeepAliveResponse, error) {
	r, err := s.Lease_LeaseKeepAliveClient.Recv()
	s.f.mu.Lock()
	old, delay := s.f.oldTerm, s.f.replyDelay
	s.f.mu.Unlock()
	time.Sleep(delay)
	if old && err == nil {
		r.Header.RaftTerm--
	}
	return r, err
}

type faultyWatcher struct {
	clientv3.Watcher
	f *faults
}

func (w *faultyWatcher) Watch(ctx context.Context, key string, o ...clientv3.OpOption) clientv3.WatchChan {
	ctx, cancel := context.WithCancel(ctx)
	w.f.set(func(f *faults) {
		f.opened++
		f.watches = append(f.watches, watch{ctx, cancel})
	})
	w.f.mu.Lock()
	hook := w.f.onWatch
	w.f.mu.Unlock()
	if hook != nil {
		hook()
	}
	return w.Watcher.Watch(ctx, key, o...)
}

// loseWatches ends every watch of the process, as a broken connection does.
func (f *faults) loseWatches() {
	f.mu.Lock()
	ws := f.watches
	f.watches = nil
	f.mu.Unlock()
	for _, w := range ws {
		w.cancel()
	}
}

// open is how many watches the process has open.
func (f *faults) open() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range f.watches {
		if w.ctx.Err() == nil {
			n++
		}
	}
	return n
}
