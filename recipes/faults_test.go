package recipes_test

import (
	"context"
	"sync"

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
	cut        bool             // nothing gets through, in either direction
	noRenewals bool             // keep-alives hang
	noGrants   bool             // lease grants hang
	lostReply  func(n int) bool // the nth txn takes effect, its answer is lost
	late       chan struct{}    // while set, txns are carried out only once it closes
	watchGate  chan struct{}    // while set, new watches wait for it
	txns       int
	watches    []context.CancelFunc
	opened     int
}

func newFaults() *faults { return &faults{healed: make(chan struct{})} }

func (f *faults) set(change func(f *faults)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *faults) heal() {
	f.set(func(f *faults) {
		f.cut, f.noRenewals, f.noGrants, f.lostReply, f.watchGate = false, false, false, nil, nil
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
	if err := k.f.pass(ctx, isCut); err != nil {
		return nil, err
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
	return l.LeaseClient.LeaseKeepAlive(ctx, o...)
}

type faultyWatcher struct {
	clientv3.Watcher
	f *faults
}

func (w *faultyWatcher) Watch(ctx context.Context, key string, o ...clientv3.OpOption) clientv3.WatchChan {
	ctx, cancel := context.WithCancel(ctx)
	w.f.set(func(f *faults) { f.opened++; f.watches = append(f.watches, cancel) })
	w.f.mu.Lock()
	gate := w.f.watchGate
	w.f.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
		}
	}
	return w.Watcher.Watch(ctx, key, o...)
}

// loseWatches ends every watch of the process, as a broken connection does.
func (f *faults) loseWatches() {
	f.mu.Lock()
	ws := f.watches
	f.watches = nil
	f.mu.Unlock()
	for _, cancel := range ws {
		cancel()
	}
}
