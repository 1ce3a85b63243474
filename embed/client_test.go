package embed_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"sync/atomic"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quorate/quorate/embed"
	"github.com/quorate/quorate/internal/problem"
)

// failing answers the first n calls of each kind with err, after making them.
type failing struct {
	pb.KVClient
	n     int64
	err   error
	calls atomic.Int64
}

func (f *failing) fail() error {
	if f.calls.Add(1) <= f.n {
		return f.err
	}
	return nil
}

func (f *failing) Range(ctx context.Context, in *pb.RangeRequest, o ...grpc.CallOption) (*pb.RangeResponse, error) {
	if err := f.fail(); err != nil {
		return nil, err
	}
	return f.KVClient.Range(ctx, in, o...)
}

func (f *failing) Put(ctx context.Context, in *pb.PutRequest, o ...grpc.CallOption) (*pb.PutResponse, error) {
	r, err := f.KVClient.Put(ctx, in, o...)
	if e := f.fail(); e != nil {
		return nil, e
	}
	return r, err
}

func (f *failing) Txn(ctx context.Context, in *pb.TxnRequest, o ...grpc.CallOption) (*pb.TxnResponse, error) {
	r, err := f.KVClient.Txn(ctx, in, o...)
	if e := f.fail(); e != nil {
		return nil, e
	}
	return r, err
}

func (f *failing) DeleteRange(ctx context.Context, in *pb.DeleteRangeRequest, o ...grpc.CallOption) (*pb.DeleteRangeResponse, error) {
	r, err := f.KVClient.DeleteRange(ctx, in, o...)
	if e := f.fail(); e != nil {
		return nil, e
	}
	return r, err
}

func TestReadsAreRepeatedWritesAreNot(t *testing.T) {
	leaks(t)
	m := startReady(t, fast(t))
	get, put := clientv3.OpGet("k"), clientv3.OpPut("k", "v")
	for _, tt := range []struct {
		name string
		do   func(context.Context, *clientv3.Client) error
		read bool
	}{
		{"get", func(ctx context.Context, c *clientv3.Client) error { _, err := c.Get(ctx, "k"); return err }, true},
		{"serializable get", func(ctx context.Context, c *clientv3.Client) error {
			_, err := c.Get(ctx, "k", clientv3.WithSerializable())
			return err
		}, true},
		{"reading txn", func(ctx context.Context, c *clientv3.Client) error {
			_, err := c.Txn(ctx).Then(get, clientv3.OpTxn(nil, []clientv3.Op{get}, nil)).Commit()
			return err
		}, true},
		{"put", func(ctx context.Context, c *clientv3.Client) error { _, err := c.Put(ctx, "k", "v"); return err }, false},
		{"delete", func(ctx context.Context, c *clientv3.Client) error { _, err := c.Delete(ctx, "k"); return err }, false},
		{"writing txn", func(ctx context.Context, c *clientv3.Client) error {
			_, err := c.Txn(ctx).Then(put).Commit()
			return err
		}, false},
		{"txn that writes deep down, else", func(ctx context.Context, c *clientv3.Client) error {
			_, err := c.Txn(ctx).Then(get).Else(clientv3.OpTxn(nil, nil, []clientv3.Op{put})).Commit()
			return err
		}, false},
	} {
		for _, passing := range []error{rpctypes.ErrGRPCLeaderChanged, rpctypes.ErrGRPCNoLeader, rpctypes.ErrGRPCTimeout, rpctypes.ErrGRPCTimeoutDueToLeaderFail} {
			f := &failing{n: 3, err: passing}
			c := m.NewClient(embed.Seam{KV: func(kv pb.KVClient) pb.KVClient { f.KVClient = kv; return f }})
			err := tt.do(t.Context(), c)
			c.Close()
			switch calls := f.calls.Load(); {
			case tt.read && (err != nil || calls != 4):
				t.Errorf("%s: %v after %d calls, want success at the fourth", tt.name, err, calls)
			case !tt.read && (err == nil || calls != 1):
				t.Errorf("%s: %v after %d calls, want the error of the only one", tt.name, err, calls)
			}
		}
	}
}

func TestReadEndsWithItsContext(t *testing.T) {
	leaks(t)
	m := startReady(t, fast(t))
	f := &failing{n: 1 << 60, err: rpctypes.ErrGRPCNoLeader}
	c := m.NewClient(embed.Seam{KV: func(kv pb.KVClient) pb.KVClient { f.KVClient = kv; return f }})
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Get(ctx, "k"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want DeadlineExceeded", err)
	}
	if f.calls.Load() < 2 {
		t.Error("not repeated")
	}
	f.err = rpctypes.ErrGRPCCompacted // says nothing that would pass
	f.calls.Store(0)
	if _, err := c.Get(t.Context(), "k"); !errors.Is(err, rpctypes.ErrCompacted) || f.calls.Load() != 1 {
		t.Errorf("got %v after %d calls, want ErrCompacted at once", err, f.calls.Load())
	}
}

// Whatever the answer to a renewal says about revision and term was so before
// the renewal: a header from after it could name a later leader's term.
func TestKeepAlive(t *testing.T) {
	leaks(t)
	m := startReady(t, fast(t))
	c, ctx := m.Client(), t.Context()
	l, err := c.Grant(ctx, 60)
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.KeepAliveOnce(ctx, l.ID)
	if err != nil || r.TTL != 60 || r.ID != l.ID || r.RaftTerm != m.Status().Term || r.Revision == 0 ||
		r.ClusterId != m.Status().ClusterID || r.MemberId != m.Status().ID {
		t.Errorf("got %+v, %v", r, err)
	}
	ch, err := c.KeepAlive(ctx, l.ID)
	if err != nil {
		t.Fatal(err)
	}
	if r := <-ch; r == nil || r.TTL != 60 {
		t.Errorf("keep-alive said %+v", r)
	}
	if _, err := c.Revoke(ctx, l.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := c.KeepAliveOnce(ctx, l.ID); !errors.Is(err, rpctypes.ErrLeaseNotFound) {
		t.Errorf("got %v, want ErrLeaseNotFound", err)
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := c.KeepAliveOnce(done, l.ID); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want Canceled", err)
	}
}

func TestAuthIsRefused(t *testing.T) {
	leaks(t)
	cfg := fast(t)
	cfg.Socket = shortDir(t) + "/s"
	m := startReady(t, cfg)
	_, err := m.Client().AuthEnable(t.Context())
	var p *problem.Error
	if !errors.Is(err, embed.ErrAuthRefused) || !errors.As(err, &p) || p.Do == "" {
		t.Errorf("in process: %v", err)
	}
	out := dial(t, cfg.Socket)
	if _, err := out.AuthEnable(t.Context()); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("on the socket: %v", err)
	}
	if r, err := m.Client().AuthStatus(t.Context()); err != nil || r.Enabled {
		t.Errorf("status %v, %v", r, err)
	}
}

func TestSocket(t *testing.T) {
	leaks(t)
	for _, mode := range []fs.FileMode{0, 0o660} {
		cfg := fast(t)
		cfg.Socket, cfg.SocketMode = shortDir(t)+"/s", mode
		m := startReady(t, cfg)
		want := mode
		if want == 0 {
			want = 0o600
		}
		if fi, err := os.Stat(cfg.Socket); err != nil || fi.Mode().Perm() != want {
			t.Errorf("mode %v, %v, want %v", fi.Mode(), err, want)
		}
		out := dial(t, cfg.Socket)
		w := out.Watch(t.Context(), "k")
		if _, err := m.Client().Put(t.Context(), "k", "v"); err != nil {
			t.Error(err)
		}
		if r := <-w; len(r.Events) != 1 {
			t.Errorf("watch said %+v", r)
		}
		began := time.Now()
		stop(t, m) // with a client and its watch open
		if d := time.Since(began); d > time.Second {
			t.Errorf("stop took %v", d)
		}
		if _, err := os.Stat(cfg.Socket); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the socket is left behind: %v", err)
		}
		out.Close()
	}
}

func dial(t *testing.T, socket string) *clientv3.Client {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{"unix://" + socket}, DialTimeout: patience, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// Close with a hundred watches open and further clients that nobody closes.
func TestStopWithEverythingOpen(t *testing.T) {
	leaks(t)
	m := startReady(t, fast(t))
	other := m.NewClient(embed.Seam{})
	ended := make(chan struct{})
	for i := range 100 {
		c := m.Client()
		if i%2 == 1 {
			c = other
		}
		w := c.Watch(context.Background(), "k", clientv3.WithPrefix(), clientv3.WithCreatedNotify())
		<-w
		go func() {
			for range w {
			}
			ended <- struct{}{}
		}()
	}
	l, err := other.Grant(t.Context(), 60)
	if err != nil {
		t.Fatal(err)
	}
	alive, err := other.KeepAlive(context.Background(), l.ID)
	if err != nil {
		t.Fatal(err)
	}
	<-alive
	began := time.Now()
	stop(t, m)
	if d := time.Since(began); d > 300*time.Millisecond {
		t.Errorf("stop took %v", d)
	}
	for range 100 {
		waitFor(t, "a watch to end", ended)
	}
	for range alive {
	}
}
