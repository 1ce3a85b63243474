package embed

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/pkg/v3/featuregate"
	"go.etcd.io/etcd/server/v3/config"
	etcdembed "go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/features"
	"go.uber.org/zap"
	"google.golang.org/grpc"
)

// etcdConfig is the one place where our configuration becomes etcd's. Each line
// has its reason; what is not named here keeps etcd's default.
func etcdConfig(c Config, lg *zap.Logger, opts []grpc.ServerOption) (*etcdembed.Config, error) {
	peer, err := url.Parse(c.PeerURL)
	if err != nil {
		return nil, fmt.Errorf("parse peer URL: %w", err)
	}
	e := etcdembed.NewConfig()
	e.Name = c.Name // never etcd's "default": equal names merge into one member (etcd#13757)
	e.Dir = c.Dir
	if c.WALDir != "" {
		e.WalDir = walDir(c)
	}
	listen := peer
	if c.ListenURL != "" {
		if listen, err = url.Parse(c.ListenURL); err != nil {
			return nil, fmt.Errorf("parse listen URL: %w", err)
		}
	}
	e.ListenPeerUrls = []url.URL{*listen}
	e.AdvertisePeerUrls = []url.URL{*peer}
	e.InitialCluster = initialCluster(c)
	e.InitialClusterToken = c.Token // part of the cluster's ID: two foundings can never talk
	e.TickMs = uint(c.Tick / time.Millisecond)
	e.ElectionMs = uint(c.Election / time.Millisecond)
	e.PreVote = true             // a member that was cut off does not depose a working leader on its return
	e.StrictReconfigCheck = true // refuses membership changes that would lose quorum
	e.QuotaBackendBytes = c.QuotaBytes
	e.AutoCompactionRetention = "0" // off: its shortest period is five minutes, ours is in compact.go
	e.UnsafeNoFsync = c.NoFsync     // only when asked for
	e.EnableGRPCGateway = false     // a JSON door nobody asked for
	e.EnablePprof = false           // no debug handlers
	e.Logger = "zap"
	e.ZapLoggerBuilder = etcdembed.NewZapLoggerBuilder(lg) // never etcd's own, whose Fatal ends the process
	e.GRPCAdditionalServerOptions = opts                   // guards the socket like the in-process client

	// No client port on the network. etcd demands something to advertise for a
	// listener, and its check against founding twice needs a client URL too.
	e.ListenClientUrls, e.AdvertiseClientUrls = nil, nil
	if c.Socket != "" {
		u := url.URL{Scheme: "unix", Path: c.Socket}
		e.ListenClientUrls, e.AdvertiseClientUrls = []url.URL{u}, []url.URL{u}
	}

	if peer.Scheme == "https" {
		e.PeerTLSInfo = transport.TLSInfo{
			CertFile: c.PeerTLS.CertFile, KeyFile: c.PeerTLS.KeyFile,
			ClientCertFile: c.PeerTLS.ClientCertFile, ClientKeyFile: c.PeerTLS.ClientKeyFile,
			TrustedCAFile:  c.PeerTLS.CAFile,
			ClientCertAuth: true, // both sides prove themselves
			ServerName:     c.PeerTLS.ServerName,
			AllowedCNs:     c.PeerTLS.AllowedCNs, // the role is in the common name
			// Names in a client certificate would be held against the address it
			// comes from, and addresses are never identity here.
			SkipClientSANVerify: true,
		}
	}
	gates, ok := e.ServerFeatureGate.(featuregate.MutableFeatureGate)
	if !ok {
		return nil, fmt.Errorf("set feature gates: %T cannot be changed", e.ServerFeatureGate)
	}
	if err := setGates(gates); err != nil {
		return nil, err
	}
	if c.EtcdConfig != nil {
		c.EtcdConfig(e)
	}
	return e, nil
}

// setGates: CompactHashCheck finds a member whose data differs at each
// compaction, for free. InitialCorruptCheck stays off: with silent peers it
// holds the start for 14 s; see CheckCorruption. FastLeaseKeepAlive stays on.
func setGates(g featuregate.MutableFeatureGate) error {
	err := g.SetFromMap(map[string]bool{
		string(features.CompactHashCheck):    true,
		string(features.InitialCorruptCheck): false,
	})
	if err != nil {
		return fmt.Errorf("set feature gates: %w", err)
	}
	return nil
}

func initialCluster(c Config) string {
	if c.InitialCluster == nil {
		return c.Name + "=" + c.PeerURL
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(c.InitialCluster)) {
		parts = append(parts, name+"="+c.InitialCluster[name])
	}
	return strings.Join(parts, ",")
}

// virtualURL is never listened on or dialled: a virtual member is alone.
const virtualURL = "http://127.0.0.1:1"

// virtualConfig is what StartEtcd would hand to the bare server, without
// listeners and without fsync.
func virtualConfig(c Config, lg *zap.Logger) (config.ServerConfig, error) {
	peers, err := types.NewURLs([]string{virtualURL})
	if err != nil {
		return config.ServerConfig{}, fmt.Errorf("parse peer URL: %w", err)
	}
	cluster, err := types.NewURLsMap(c.Name + "=" + virtualURL)
	if err != nil {
		return config.ServerConfig{}, fmt.Errorf("parse cluster: %w", err)
	}
	gate := features.NewDefaultServerFeatureGate(c.Name, lg)
	gates, ok := gate.(featuregate.MutableFeatureGate)
	if !ok {
		return config.ServerConfig{}, fmt.Errorf("set feature gates: %T cannot be changed", gate)
	}
	if err := setGates(gates); err != nil {
		return config.ServerConfig{}, err
	}
	return config.ServerConfig{
		Name: c.Name, DataDir: c.Dir,
		PeerURLs: peers, InitialPeerURLsMap: cluster,
		NewCluster: true, InitialClusterToken: c.Token,
		TickMs:                     uint(c.Tick / time.Millisecond),
		ElectionTicks:              int(c.Election / c.Tick),
		InitialElectionTickAdvance: true,
		PreVote:                    true,
		StrictReconfigCheck:        true,
		QuotaBackendBytes:          c.QuotaBytes,
		MaxTxnOps:                  etcdembed.DefaultMaxTxnOps,
		MaxRequestBytes:            etcdembed.DefaultMaxRequestBytes,
		MaxConcurrentStreams:       etcdembed.DefaultMaxConcurrentStreams,
		SnapshotCount:              etcdserver.DefaultSnapshotCount,
		SnapshotCatchUpEntries:     etcdserver.DefaultSnapshotCatchUpEntries,
		MaxSnapFiles:               etcdembed.DefaultMaxSnapshots,
		MaxWALFiles:                etcdembed.DefaultMaxWALs,
		CompactHashCheckTime:       etcdembed.DefaultCompactHashCheckTime,
		DowngradeCheckTime:         etcdembed.DefaultDowngradeCheckTime,
		WarningApplyDuration:       etcdembed.DefaultWarningApplyDuration,
		AuthToken:                  "simple",
		BackendBatchInterval:       100 * time.Millisecond,
		BackendBatchLimit:          10000,
		UnsafeNoFsync:              true,
		Logger:                     lg,
		ServerFeatureGate:          gate,
	}, nil
}
