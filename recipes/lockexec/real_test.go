//go:build unix

package lockexec

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/quorate/quorate/embed"
	"github.com/quorate/quorate/recipes"
)

// deaf lets no renewal through while it is set, as a network that is gone.
type deaf struct {
	pb.LeaseClient
	is *atomic.Bool
}

func (d deaf) LeaseKeepAlive(ctx context.Context, o ...grpc.CallOption) (pb.Lease_LeaseKeepAliveClient, error) {
	if d.is.Load() {
		return nil, rpctypes.ErrGRPCNotLeader
	}
	return d.LeaseClient.LeaseKeepAlive(ctx, o...)
}

// The whole promise, on a real member and in real time: the holder's renewals
// stop, and the stubborn command is gone before its lock is anybody else's.
func TestGoneBeforeTheLockIsAnothers(t *testing.T) {
	ctx := t.Context()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	l.Close()
	m, err := embed.Start(ctx, embed.Config{
		Name: "a", Dir: t.TempDir(), PeerURL: url, NoFsync: true, MinFreeBytes: -1,
		Tick: 10 * time.Millisecond, Election: 100 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Stop(context.Background())
	<-m.Ready()
	var cut atomic.Bool
	c, err := recipes.New(m.NewClient(embed.Seam{
		Lease: func(l pb.LeaseClient) pb.LeaseClient { return deaf{l, &cut} },
	}), recipes.Options{TTL: 2 * time.Second, CloseEtcd: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	h, err := c.Mutex("x").Lock(ctx)
	if err != nil {
		t.Fatal(err)
	}
	vanished := make(chan time.Time, 1)
	watch := m.Client().Watch(ctx, h.Key(), clientv3.WithCreatedNotify(), clientv3.WithFilterPut())
	<-watch
	go func() {
		for r := range watch {
			if len(r.Events) > 0 {
				vanished <- time.Now()
				return
			}
		}
	}()
	cmd, notes := self(t, "stubborn")
	go func() {
		await(t, notes, "started")
		cut.Store(true)
	}()
	exit, err := Run(ctx, h, cmd)
	gone := time.Now()
	if exit != 128+9 || !errors.Is(err, recipes.ErrLost) {
		t.Errorf("exit %d, %v", exit, err)
	}
	before := (<-vanished).Sub(gone)
	t.Logf("TERM %v, the last process %v before the lock was free", before+gone.Sub(notes()["terminated"]), before)
	if before <= 0 {
		t.Errorf("the last process ended %v after the lock was free", -before)
	}
}
