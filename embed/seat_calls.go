package embed

import (
	"context"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
)

// The halves of a seat's client: each call goes to the same call of the member
// in the seat, with all that the member's own client adds to it.

type seatKV struct{ seat *Seat }

func (k *seatKV) Range(ctx context.Context, in *pb.RangeRequest, o ...grpc.CallOption) (*pb.RangeResponse, error) {
	return on(ctx, k.seat, func(m *Member) (*pb.RangeResponse, error) { return m.calls.kv.Range(ctx, in, o...) })
}

func (k *seatKV) RangeStream(ctx context.Context, in *pb.RangeRequest, o ...grpc.CallOption) (grpc.ServerStreamingClient[pb.RangeStreamResponse], error) {
	return on(ctx, k.seat, func(m *Member) (grpc.ServerStreamingClient[pb.RangeStreamResponse], error) {
		return m.calls.kv.RangeStream(ctx, in, o...)
	})
}

func (k *seatKV) Put(ctx context.Context, in *pb.PutRequest, o ...grpc.CallOption) (*pb.PutResponse, error) {
	return on(ctx, k.seat, func(m *Member) (*pb.PutResponse, error) { return m.calls.kv.Put(ctx, in, o...) })
}

func (k *seatKV) DeleteRange(ctx context.Context, in *pb.DeleteRangeRequest, o ...grpc.CallOption) (*pb.DeleteRangeResponse, error) {
	return on(ctx, k.seat, func(m *Member) (*pb.DeleteRangeResponse, error) { return m.calls.kv.DeleteRange(ctx, in, o...) })
}

func (k *seatKV) Txn(ctx context.Context, in *pb.TxnRequest, o ...grpc.CallOption) (*pb.TxnResponse, error) {
	return on(ctx, k.seat, func(m *Member) (*pb.TxnResponse, error) { return m.calls.kv.Txn(ctx, in, o...) })
}

func (k *seatKV) Compact(ctx context.Context, in *pb.CompactionRequest, o ...grpc.CallOption) (*pb.CompactionResponse, error) {
	return on(ctx, k.seat, func(m *Member) (*pb.CompactionResponse, error) { return m.calls.kv.Compact(ctx, in, o...) })
}

type seatLease struct{ seat *Seat }

func (l *seatLease) LeaseGrant(ctx context.Context, in *pb.LeaseGrantRequest, o ...grpc.CallOption) (*pb.LeaseGrantResponse, error) {
	return on(ctx, l.seat, func(m *Member) (*pb.LeaseGrantResponse, error) { return m.calls.lease.LeaseGrant(ctx, in, o...) })
}

func (l *seatLease) LeaseRevoke(ctx context.Context, in *pb.LeaseRevokeRequest, o ...grpc.CallOption) (*pb.LeaseRevokeResponse, error) {
	return on(ctx, l.seat, func(m *Member) (*pb.LeaseRevokeResponse, error) { return m.calls.lease.LeaseRevoke(ctx, in, o...) })
}

func (l *seatLease) LeaseKeepAlive(ctx context.Context, o ...grpc.CallOption) (pb.Lease_LeaseKeepAliveClient, error) {
	return on(ctx, l.seat, func(m *Member) (pb.Lease_LeaseKeepAliveClient, error) { return m.calls.lease.LeaseKeepAlive(ctx, o...) })
}

func (l *seatLease) LeaseTimeToLive(ctx context.Context, in *pb.LeaseTimeToLiveRequest, o ...grpc.CallOption) (*pb.LeaseTimeToLiveResponse, error) {
	return on(ctx, l.seat, func(m *Member) (*pb.LeaseTimeToLiveResponse, error) {
		return m.calls.lease.LeaseTimeToLive(ctx, in, o...)
	})
}

func (l *seatLease) LeaseLeases(ctx context.Context, in *pb.LeaseLeasesRequest, o ...grpc.CallOption) (*pb.LeaseLeasesResponse, error) {
	return on(ctx, l.seat, func(m *Member) (*pb.LeaseLeasesResponse, error) { return m.calls.lease.LeaseLeases(ctx, in, o...) })
}

type seatCluster struct{ seat *Seat }

func (c *seatCluster) MemberAdd(ctx context.Context, in *pb.MemberAddRequest, o ...grpc.CallOption) (*pb.MemberAddResponse, error) {
	return on(ctx, c.seat, func(m *Member) (*pb.MemberAddResponse, error) { return m.calls.cluster.MemberAdd(ctx, in, o...) })
}

func (c *seatCluster) MemberRemove(ctx context.Context, in *pb.MemberRemoveRequest, o ...grpc.CallOption) (*pb.MemberRemoveResponse, error) {
	return on(ctx, c.seat, func(m *Member) (*pb.MemberRemoveResponse, error) { return m.calls.cluster.MemberRemove(ctx, in, o...) })
}

func (c *seatCluster) MemberUpdate(ctx context.Context, in *pb.MemberUpdateRequest, o ...grpc.CallOption) (*pb.MemberUpdateResponse, error) {
	return on(ctx, c.seat, func(m *Member) (*pb.MemberUpdateResponse, error) { return m.calls.cluster.MemberUpdate(ctx, in, o...) })
}

func (c *seatCluster) MemberList(ctx context.Context, in *pb.MemberListRequest, o ...grpc.CallOption) (*pb.MemberListResponse, error) {
	return on(ctx, c.seat, func(m *Member) (*pb.MemberListResponse, error) { return m.calls.cluster.MemberList(ctx, in, o...) })
}

func (c *seatCluster) MemberPromote(ctx context.Context, in *pb.MemberPromoteRequest, o ...grpc.CallOption) (*pb.MemberPromoteResponse, error) {
	return on(ctx, c.seat, func(m *Member) (*pb.MemberPromoteResponse, error) {
		return m.calls.cluster.MemberPromote(ctx, in, o...)
	})
}

type seatMaintenance struct{ seat *Seat }

func (c *seatMaintenance) Alarm(ctx context.Context, in *pb.AlarmRequest, o ...grpc.CallOption) (*pb.AlarmResponse, error) {
	return on(ctx, c.seat, func(m *Member) (*pb.AlarmResponse, error) { return m.calls.maintenance.Alarm(ctx, in, o...) })
}

func (c *seatMaintenance) Status(ctx context.Context, in *pb.StatusRequest, o ...grpc.CallOption) (*pb.StatusResponse, error) {
	return on(ctx, c.seat, func(m *Member) (*pb.StatusResponse, error) { return m.calls.maintenance.Status(ctx, in, o...) })
}

func (c *seatMaintenance) Defragment(ctx context.Context, in *pb.DefragmentRequest, o ...grpc.CallOption) (*pb.DefragmentResponse, error) {
	return on(ctx, c.seat, func(m *Member) (*pb.DefragmentResponse, error) { return m.calls.maintenance.Defragment(ctx, in, o...) })
}

func (c *seatMaintenance) Hash(ctx context.Context, in *pb.HashRequest, o ...grpc.CallOption) (*pb.HashResponse, error) {
	return on(ctx, c.seat, func(m *Member) (*pb.HashResponse, error) { return m.calls.maintenance.Hash(ctx, in, o...) })
}

func (c *seatMaintenance) HashKV(ctx context.Context, in *pb.HashKVRequest, o ...grpc.CallOption) (*pb.HashKVResponse, error) {
	return on(ctx, c.seat, func(m *Member) (*pb.HashKVResponse, error) { return m.calls.maintenance.HashKV(ctx, in, o...) })
}

func (c *seatMaintenance) Snapshot(ctx context.Context, in *pb.SnapshotRequest, o ...grpc.CallOption) (grpc.ServerStreamingClient[pb.SnapshotResponse], error) {
	return on(ctx, c.seat, func(m *Member) (grpc.ServerStreamingClient[pb.SnapshotResponse], error) {
		return m.calls.maintenance.Snapshot(ctx, in, o...)
	})
}

func (c *seatMaintenance) MoveLeader(ctx context.Context, in *pb.MoveLeaderRequest, o ...grpc.CallOption) (*pb.MoveLeaderResponse, error) {
	return on(ctx, c.seat, func(m *Member) (*pb.MoveLeaderResponse, error) { return m.calls.maintenance.MoveLeader(ctx, in, o...) })
}

func (c *seatMaintenance) Downgrade(ctx context.Context, in *pb.DowngradeRequest, o ...grpc.CallOption) (*pb.DowngradeResponse, error) {
	return on(ctx, c.seat, func(m *Member) (*pb.DowngradeResponse, error) { return m.calls.maintenance.Downgrade(ctx, in, o...) })
}
