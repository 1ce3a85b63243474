package node

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/bootstrap"
	"github.com/quorate/quorate/embed"
)

// Every problem this package can show, from the facts that cause it. The
// constant list below fails when a code is added without a row.
func TestDiagnose(t *testing.T) {
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	good := facts{phase: Running, running: true, now: now, etcdSocket: "/run/peer/etcd.sock",
		member: embed.Status{ID: 1, Leader: 1, FreeBytes: 1 << 30, Quota: 512 << 20}}
	for _, tt := range []struct {
		name     string
		change   func(*facts)
		code     string // "" = none
		why, say string
	}{
		{"all well", func(*facts) {}, "", "", ""},
		{"starting without a leader", func(f *facts) { f.phase, f.running, f.member.Leader = Starting, false, 0 }, "", "", ""},
		{"an election goes on", func(f *facts) { f.member.Leader, f.leaderless = 0, leaderlessGrace-1 }, "", "", ""},
		{"no leader", func(f *facts) { f.member.Leader, f.leaderless = 0, leaderlessGrace }, "no-quorum", "majority", "peer status"},
		{"little space", func(f *facts) { f.member.SpaceLow, f.member.FreeBytes = true, 127<<20 }, "space-low", "127 MiB free", "df -h"},
		{"little space, stopped", func(f *facts) { f.phase, f.member.SpaceLow = Stopped, true }, "", "", ""},
		{"quota", func(f *facts) { f.member.Alarms = []string{"NOSPACE"} }, "quota-exceeded", "512 MiB", "etcdctl --endpoints unix:///run/peer/etcd.sock alarm disarm"},
		{"corrupt alarm", func(f *facts) { f.member.Alarms = []string{"CORRUPT"} }, "data-corrupt", "disagree", "hashkv"},
		{"corrupt check", func(f *facts) { f.corrupt = errors.New("hash 1 and 2") }, "data-corrupt", "hash 1 and 2", "hashkv"},
		{"clock", func(f *facts) { f.now = time.Unix(0, 0) }, "clock-wrong", "lost power", "set the clock"},
		{"certificate ended", func(f *facts) { f.certEnd = now }, "cert-expired", "could not be renewed", "renew certificates"},
		{"certificate still good", func(f *facts) { f.certEnd = now.Add(1) }, "", "", ""},
		{"died", func(f *facts) {
			f.phase = Stopped
			f.dead = &Error{Problem: Problem{What: "log", Why: "no space", Do: "free some"}}
		}, "member-dead", "log: no space", "free some"},
		{"died untyped", func(f *facts) { f.phase = Stopped; f.dead = errors.New("gone") }, "member-dead", "gone", "restart this process"},
		{"a voter is away", func(f *facts) { f.list, f.driver = voters(0, missingGrace) }, "voter-missing", "survives no further failure", "start them"},
		{"a voter restarts", func(f *facts) { f.list, f.driver = voters(0, missingGrace-1) }, "", "", ""},
		{"one of five is away", func(f *facts) { f.list, f.driver = voters(0, missingGrace, 0, 0) }, "voter-missing", "survives one further failure", "peer status"},
		{"a voter is away, and the leader", func(f *facts) { f.list, f.driver = voters(0, missingGrace); f.member.Leader = 0 }, "", "", ""},
		{"own certificates", func(f *facts) {
			f.tls = []Problem{{Code: "cert-expired", Why: "over", Do: "replace"}}
		}, "cert-expired", "over", "replace"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := good
			tt.change(&f)
			ps := diagnose(f)
			if ps == nil {
				t.Fatal("nil: JSON would say null")
			}
			if tt.code == "" {
				if len(ps) > 0 {
					t.Fatalf("problems = %v", ps)
				}
				return
			}
			if len(ps) != 1 || ps[0].Code != tt.code {
				t.Fatalf("problems = %+v, want %s", ps, tt.code)
			}
			if !strings.Contains(ps[0].Why, tt.why) || !strings.Contains(ps[0].Do, tt.say) {
				t.Errorf("problem = %+v, want why %q and do %q", ps[0], tt.why, tt.say)
			}
		})
	}
}

// voters is a cluster of this member and others, each of which has not answered
// for so long.
func voters(away ...time.Duration) ([]embed.MemberInfo, *bootstrap.DriverStatus) {
	list := []embed.MemberInfo{{ID: 1, Name: "00"}}
	var d bootstrap.DriverStatus
	for i, a := range away {
		id := fmt.Sprintf("%02d", i+1)
		list = append(list, embed.MemberInfo{ID: uint64(i + 2), Name: id})
		d.Nodes = append(d.Nodes, bootstrap.NodeStatus{ID: id, RPC: a == 0, RPCFor: a})
	}
	return list, &d
}

func TestRenewalDue(t *testing.T) {
	end := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		end      time.Time
		lifetime time.Duration
		now      time.Time
		want     bool
	}{
		{time.Time{}, 0, end, false},
		{end, 3 * time.Hour, end.Add(-61 * time.Minute), false},
		{end, 3 * time.Hour, end.Add(-60 * time.Minute), true},
		{end, 3 * time.Hour, end.Add(time.Hour), true},
	} {
		if got := renewalDue(tt.end, tt.lifetime, tt.now); got != tt.want {
			t.Errorf("renewalDue(%v, %v, %v) = %v", tt.end, tt.lifetime, tt.now, got)
		}
	}
}
