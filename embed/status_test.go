package embed_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/embed"
)

func TestStatus(t *testing.T) {
	leaks(t)
	cfg := fast(t)
	cfg.MinFreeBytes = 1
	m := startReady(t, cfg)
	c, ctx := m.Client(), t.Context()
	for range 10 {
		if _, err := c.Put(ctx, "k", strings.Repeat("v", 1000)); err != nil {
			t.Fatal(err)
		}
	}
	s := m.Status()
	if s.ID == 0 || s.ClusterID == 0 || s.Leader != s.ID || s.Term == 0 || s.Applied < 10 || s.Committed < s.Applied ||
		s.DBSize == 0 || s.DBInUse == 0 || s.Quota != 512<<20 || s.FreeBytes <= 0 || s.SpaceLow || s.Learner ||
		len(s.Alarms) != 0 || !strings.HasPrefix(s.Version, "3.") {
		t.Errorf("%+v", s)
	}
	eventually(t, "the member is known by its name", func() bool {
		ms := m.Members()
		return len(ms) == 1 && ms[0].Name == "a" && ms[0].ID == s.ID && slices.Equal(ms[0].PeerURLs, []string{cfg.PeerURL}) && !ms[0].Learner
	})
	if err := m.SetPeerURL(ctx, "http://127.0.0.1:9"); err != nil {
		t.Fatal(err)
	}
	if got := m.Members()[0].PeerURLs; !slices.Equal(got, []string{"http://127.0.0.1:9"}) {
		t.Errorf("peer URLs %v", got)
	}
	if err := m.CheckCorruption(); err != nil {
		t.Error(err)
	}
}

// A database past its quota refuses writes, shows it, and takes writes again
// when the alarm is lifted.
func TestQuota(t *testing.T) {
	leaks(t)
	cfg := fast(t)
	cfg.QuotaBytes = 1 << 20
	m := startReady(t, cfg)
	c, ctx := m.Client(), t.Context()
	eventually(t, "a write is refused", func() bool { // the size counts from the next commit on
		_, err := c.Put(ctx, "k", strings.Repeat("v", 10<<10))
		return errors.Is(err, rpctypes.ErrNoSpace)
	})
	eventually(t, "the alarm shows", func() bool { return slices.Equal(m.Status().Alarms, []string{"NOSPACE"}) })
	if _, err := c.AlarmDisarm(ctx, &clientv3.AlarmMember{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the alarm is gone", func() bool { return len(m.Status().Alarms) == 0 })
	id := m.Status().ID
	if _, err := m.Server().Alarm(ctx, &pb.AlarmRequest{MemberID: id, Action: pb.AlarmRequest_ACTIVATE, Alarm: pb.AlarmType_CORRUPT}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the alarm shows", func() bool { return slices.Equal(m.Status().Alarms, []string{"CORRUPT"}) })
}

// A process that has done nothing but import this package.
func TestFamiliesOfAnImport(t *testing.T) {
	// 74 with etcd 3.7.3. A release that changes this by much wants a look at
	// what a host's registry now holds.
	const about, within = 74, 15
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=families")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if n, err := strconv.Atoi(strings.TrimSpace(string(out))); err != nil || n < about-within || n > about+within {
		t.Errorf("%q families of etcd's, want about %d", out, about)
	}
}

func families(string) {
	all, err := embed.Gatherer().Gather()
	must(err)
	fmt.Println(len(all))
}

func TestGatherer(t *testing.T) {
	before := names(t)
	etcd, err := embed.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range etcd {
		if n := f.GetName(); strings.HasPrefix(n, "go_") || strings.HasPrefix(n, "process_") {
			t.Errorf("%s is not etcd's", n)
		}
	}
	// etcd's start, with its /metrics handler, brings promhttp's two.
	for _, n := range before {
		if !slices.ContainsFunc([]string{"etcd_", "grpc_server_", "os_fd_", "go_", "process_", "promhttp_metric_handler_"}, func(p string) bool { return strings.HasPrefix(n, p) }) {
			t.Errorf("%s is neither etcd's nor the registry's own", n)
		}
	}
	if after := names(t); !slices.Equal(after, before) {
		t.Errorf("the default registry has changed from %v to %v", before, after)
	}
}

// names are the families of the default registry.
func names(t *testing.T) (out []string) {
	t.Helper()
	all, err := prometheus.DefaultGatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		out = append(out, f.GetName())
	}
	return out
}
