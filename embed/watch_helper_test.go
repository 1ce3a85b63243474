package embed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.etcd.io/etcd/client/pkg/v3/types"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/config"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/etcdserver/api/etcdhttp"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"go.etcd.io/etcd/server/v3/features"
	"go.uber.org/goleak"
	"go.uber.org/zap"
)

const (
	watchTick     = 10 * time.Millisecond
	watchElection = 10 * watchTick
	watchPatience = 20 * time.Second // a test that waits longer has failed
)

// watchMember is a bare etcd server: no listeners unless it has peers, nothing
// of this package but the watcher.
type watchMember struct {
	*etcdserver.EtcdServer
	kv      *clientv3.Client // for everything but watches
	w       *watcher
	stopped bool
}

// startWatchMember starts a one-member cluster that t stops.
func startWatchMember(t testing.TB) *watchMember {
	t.Helper()
	m := newWatchMember(t, "a", "a=http://127.0.0.1:1")
	<-m.ReadyNotify()
	return m
}

func newWatchMember(t testing.TB, name, cluster string) *watchMember {
	t.Helper()
	dir, err := os.MkdirTemp("", "q")
	if err != nil {
		t.Fatal(err)
	}
	urls, err := types.NewURLsMap(cluster)
	if err != nil {
		t.Fatal(err)
	}
	lg := zap.NewNop()
	s, err := etcdserver.NewServer(config.ServerConfig{
		Name: name, DataDir: dir, PeerURLs: urls[name], ClientURLs: []url.URL{},
		InitialPeerURLsMap: urls, NewCluster: true, InitialClusterToken: "t",
		TickMs: uint(watchTick.Milliseconds()), ElectionTicks: int(watchElection / watchTick),
		InitialElectionTickAdvance: true, PreVote: true,
		MaxTxnOps: 128, MaxRequestBytes: 1 << 20, SnapshotCount: 10000, SnapshotCatchUpEntries: 5000,
		Logger: lg, ServerFeatureGate: features.NewDefaultServerFeatureGate(name, lg),
		UnsafeNoFsync: true, MaxSnapFiles: 5, MaxWALFiles: 5,
		BackendBatchInterval: 100 * time.Millisecond, BackendBatchLimit: 10000,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	m := &watchMember{EtcdServer: s, kv: v3client.New(s), w: newWatcher(s, nil, watchElection)}
	t.Cleanup(func() {
		m.w.Close()
		m.stop()
		os.RemoveAll(dir)
	})
	return m
}

// stop stops the server, not the watcher.
func (m *watchMember) stop() {
	if !m.stopped {
		m.stopped = true
		m.kv.Close()
		m.Stop()
	}
}

// startWatchMembers starts a cluster of n members on loopback ports the kernel chose.
func startWatchMembers(t *testing.T, n int) []*watchMember {
	t.Helper()
	var names []string
	var ls []net.Listener
	for i := range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ls = append(ls, l)
		names = append(names, fmt.Sprintf("m%d=http://%s", i, l.Addr()))
	}
	var ms []*watchMember
	for i, l := range ls {
		m := newWatchMember(t, fmt.Sprintf("m%d", i), strings.Join(names, ","))
		srv := &http.Server{Handler: etcdhttp.NewPeerHandler(zap.NewNop(), m)}
		go srv.Serve(l)
		t.Cleanup(func() { srv.Close() })
		ms = append(ms, m)
	}
	for _, m := range ms {
		waitClosed(t, "readiness", m.ReadyNotify())
	}
	return ms
}

func waitClosed(t testing.TB, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(watchPatience):
		t.Fatalf("%s did not come in %v", what, watchPatience)
	}
}

// until polls, for what nobody announces.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(watchPatience); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("%s did not happen in %v", what, watchPatience)
		}
		time.Sleep(time.Millisecond)
	}
}

// next receives one response; ok is false when the channel is closed.
func next(t testing.TB, ch clientv3.WatchChan) (r clientv3.WatchResponse, ok bool) {
	t.Helper()
	return nextWithin(t, ch, watchPatience)
}

func nextWithin(t testing.TB, ch clientv3.WatchChan, d time.Duration) (r clientv3.WatchResponse, ok bool) {
	t.Helper()
	select {
	case r, ok = <-ch:
		return r, ok
	case <-time.After(d):
		t.Errorf("no response in %v", d) // not Fatal: others than t's goroutine call this
		return r, false
	}
}

// last drains ch to its end and returns the error of the last response.
func last(t testing.TB, ch clientv3.WatchChan) (err error) {
	t.Helper()
	for {
		r, ok := next(t, ch)
		if !ok {
			return err
		}
		err = r.Err()
	}
}

// wantEnd demands that ch ends with want as its last response's error.
func wantEnd(t testing.TB, ch clientv3.WatchChan, want error) {
	t.Helper()
	if err := last(t, ch); !errors.Is(err, want) {
		t.Fatalf("the watch ended with %v, want %v", err, want)
	}
}

// noWatches waits until m's watcher and store have none.
func (m *watchMember) noWatches(t testing.TB, watchers float64) {
	t.Helper()
	until(t, "end of all watches", func() bool {
		m.w.mu.Lock()
		defer m.w.mu.Unlock()
		return len(m.w.watches) == 0
	})
	if n := gauge(t, watchersGauge); n != watchers {
		t.Errorf("the store has %v watchers, had %v before", n, watchers)
	}
}

func (m *watchMember) put(t testing.TB, key, val string) int64 {
	t.Helper()
	r, err := m.kv.Put(context.Background(), key, val)
	if err != nil {
		t.Fatal(err)
	}
	return r.Header.Revision
}

func (m *watchMember) compact(t testing.TB, rev int64) {
	t.Helper()
	if _, err := m.kv.Compact(context.Background(), rev, clientv3.WithCompactPhysical()); err != nil {
		t.Fatal(err)
	}
}

// gauge reads one of etcd's gauges; they count for the whole process.
func gauge(t testing.TB, name string) float64 {
	t.Helper()
	fs, err := prometheus.DefaultGatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fs {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no gauge %s", name)
	return 0
}

const (
	watchersGauge = "etcd_debugging_mvcc_watcher_total"
	streamsGauge  = "etcd_debugging_mvcc_watch_stream_total"
	slowGauge     = "etcd_debugging_mvcc_slow_watcher_total"
	pendingGauge  = "etcd_debugging_mvcc_pending_events_total" // wrong where there are filters
)

// leavesNothing checks, when t ends (after the cleanups registered later), that
// the process has the goroutines and the store the watchers of now.
func leavesNothing(t testing.TB) {
	t.Helper()
	gauges := map[string]float64{}
	for _, n := range []string{watchersGauge, streamsGauge, slowGauge} {
		gauges[n] = gauge(t, n)
	}
	goroutines := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		if err := goleak.Find(goroutines); err != nil {
			t.Error(err)
		}
		for n, was := range gauges {
			if is := gauge(t, n); is != was {
				t.Errorf("%s is %v, was %v", n, is, was)
			}
		}
	})
}
