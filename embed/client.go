package embed

import (
	"context"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3rpc"
	"go.etcd.io/etcd/server/v3/proxy/grpcproxy/adapter"
	"google.golang.org/grpc"
)

// A Seam puts something between an in-process client and the server, for tests
// that inject faults. Each function gets what it stands in front of; nil means
// nothing in between. What a KV seam returns is subject to the client's own
// read-retry, like an answer of the server.
type Seam struct {
	KV      func(pb.KVClient) pb.KVClient
	Lease   func(pb.LeaseClient) pb.LeaseClient
	Watcher func(clientv3.Watcher) clientv3.Watcher
}

// server is one etcd server as clients see it: the shared half of them all.
type server struct {
	s        *etcdserver.EtcdServer
	kv       pb.KVClient
	lease    pb.LeaseClient
	life     context.Context // ends with the member; its cause says why
	election time.Duration
}

// newServer builds what all in-process clients of s share. life ends when the
// member stops or dies.
func newServer(s *etcdserver.EtcdServer, g *spaceGuard, life context.Context, election time.Duration) *server {
	return &server{
		s: s, life: life, election: election,
		kv:    &guardKV{KVClient: adapter.KvServerToKvClient(v3rpc.NewQuotaKVServer(s)), guard: g},
		lease: &directLease{LeaseClient: adapter.LeaseServerToLeaseClient(v3rpc.NewQuotaLeaseServer(s)), s: s, guard: g},
	}
}

// remotes are the server's services as a client calls them.
type remotes struct {
	kv          pb.KVClient
	lease       pb.LeaseClient
	cluster     pb.ClusterClient
	maintenance pb.MaintenanceClient
}

// remotes puts what a client needs around the server: the seam inside, then
// reads that outlive a change of leader, no write that is sent twice, no call
// that outlives the member.
func (v *server) remotes(seam Seam) remotes {
	kv, lease := v.kv, v.lease
	if seam.KV != nil {
		kv = seam.KV(kv)
	}
	if seam.Lease != nil {
		lease = seam.Lease(lease)
	}
	calls := caller{life: v.life}
	return remotes{
		kv:          &retryKV{KVClient: kv, caller: calls},
		lease:       &retryLease{LeaseClient: lease, caller: calls},
		cluster:     adapter.ClusterServerToClusterClient(v3rpc.NewClusterServer(v.s)),
		maintenance: &maintenance{adapter.MaintenanceServerToMaintenanceClient(v3rpc.NewMaintenanceServer(v.s, nil)), calls, v.s},
	}
}

// firstKeepAlive is clientv3's "answer to the first keep-alive"; one second
// stands for its default of five.
const firstKeepAlive = time.Second

// newClient is v3client.New with its faults mended: see remotes, and a watcher
// that cannot deadlock, and lease renewals without goroutines.
func (v *server) newClient(seam Seam) *clientv3.Client {
	c := clientv3.NewCtxClient(v.life, clientv3.WithZapLogger(v.s.Logger().Named("client")))
	r := v.remotes(seam)
	c.KV = clientv3.NewKVFromKVClient(r.kv, c)
	c.Lease = clientv3.NewLeaseFromLeaseClient(r.lease, c, firstKeepAlive)
	c.Watcher = newWatcher(v.s, v.life.Done(), v.election)
	if seam.Watcher != nil {
		c.Watcher = seam.Watcher(c.Watcher)
	}
	c.Maintenance = clientv3.NewMaintenanceFromMaintenanceClient(r.maintenance, c)
	c.Cluster = clientv3.NewClusterFromClusterClient(r.cluster, c)
	c.Auth = clientv3.NewAuthFromAuthClient(
		noAuth{adapter.AuthServerToAuthClient(v3rpc.NewAuthServer(v.s))}, c)

	// What the client opened must not outlive the member, even if its owner
	// never closes it: a keep-alive would spin on a stopped server.
	context.AfterFunc(c.Ctx(), func() {
		c.Watcher.Close()
		c.Lease.Close()
	})
	return c
}

// maintenance answers Status only while the member is in its own list: before,
// etcd panics.
type maintenance struct {
	pb.MaintenanceClient
	caller
	s *etcdserver.EtcdServer
}

func (m *maintenance) Status(ctx context.Context, in *pb.StatusRequest, o ...grpc.CallOption) (*pb.StatusResponse, error) {
	return read(ctx, m.caller, func(ctx context.Context) (*pb.StatusResponse, error) {
		if !m.s.IsMemberExist(m.s.MemberID()) {
			return nil, rpctypes.ErrGRPCNoLeader
		}
		return m.MaintenanceClient.Status(ctx, in, o...)
	})
}

// noAuth refuses to turn on etcd's users and roles. In process there is no
// token to check, so a member with them on would refuse its own host.
type noAuth struct{ pb.AuthClient }

func (noAuth) AuthEnable(context.Context, *pb.AuthEnableRequest, ...grpc.CallOption) (*pb.AuthEnableResponse, error) {
	return nil, errAuth()
}

func errAuth() error {
	return refuse(ErrAuthRefused, "auth-refused", "etcd's users and roles cannot be turned on",
		"the member is used in process, where there is no user", "protect the socket by its mode and its directory's, and the peer port by certificates")
}
