package node

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	// leaderlessGrace is how long an election may go on before it is a problem
	// to show.
	leaderlessGrace = 2 * time.Second
	// absentGrace is how long too few voters may answer before it is one: the
	// time in which those that are there are asked.
	absentGrace = 300 * time.Millisecond
	// missingGrace is how long a voter may not answer before that is one though
	// there is quorum: a restart takes less.
	missingGrace = 10 * time.Second
)

// earliest is a date that no right clock shows any more.
var earliest = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// diagnose is the list of problems that the facts amount to. It is pure, so
// that every problem can be shown in a table test. The result is never nil.
func diagnose(f facts) []Problem {
	ps := []Problem{}
	add := func(p Problem) { ps = append(ps, p) }
	if f.dead != nil {
		p := Problem{Code: "member-dead", What: "the etcd member in this process has ended", Why: f.dead.Error(), Do: "restart this process; if it ends again, read the log from its first error on"}
		var e *Error
		if errors.As(f.dead, &e) {
			p.Why, p.Do = e.What+": "+e.Why, e.Do
		}
		add(p)
	}
	if p, ok := f.noQuorum(); ok {
		add(p)
	}
	if p, ok := f.voterMissing(); ok {
		add(p)
	}
	if f.running && f.phase != Stopped && f.member.SpaceLow {
		add(Problem{Code: "space-low", What: "writes are refused on this node",
			Why: fmt.Sprintf("the disk of its data directory has %d MiB free, under the guard of %d MiB; etcd would end when its log cannot be written", f.member.FreeBytes>>20, int64(minFreeBytes)>>20),
			Do:  "free space on that disk: df -h shows it; writes go on by themselves then"})
	}
	if slices.Contains(f.member.Alarms, "NOSPACE") {
		ctl := "etcdctl --endpoints unix://" + f.etcdSocket
		add(Problem{Code: "quota-exceeded", What: "the cluster refuses writes",
			Why: fmt.Sprintf("its database reached the quota of %d MiB (%d MiB in use on this member)", f.member.Quota>>20, f.member.DBInUse>>20),
			Do:  "delete what is not needed, then run " + ctl + " defrag and " + ctl + " alarm disarm"})
	}
	if f.corrupt != nil || slices.Contains(f.member.Alarms, "CORRUPT") {
		why := "members disagree on the content of the same revision"
		if f.corrupt != nil {
			why = f.corrupt.Error()
		}
		add(Problem{Code: "data-corrupt", What: "the data of a member is damaged", Why: why,
			Do: "compare the members with etcdctl endpoint hashkv, and replace the one that differs; do not disarm the alarm before"})
	}
	if f.now.Before(earliest) {
		add(Problem{Code: "clock-wrong", What: "the clock of this machine shows " + f.now.UTC().Format("2006-01-02"), Why: "it was not set since the machine lost power", Do: "set the clock or start a time service; nothing here waits for it"})
	}
	if !f.certEnd.IsZero() && !f.now.Before(f.certEnd) {
		add(Problem{Code: "cert-expired", What: "this member's certificate ended on " + f.certEnd.UTC().Format(time.RFC3339), Why: "it could not be renewed, or the clock jumped", Do: "look for \"renew certificates\" in the log, and check the clock"})
	}
	if f.driver != nil && f.phase != Stopped {
		ps = append(ps, f.driver.Problems...)
		if p, ok := proxied(f.peerURLs(), f.proxyFor); ok {
			add(p)
		}
	}
	return append(ps, f.tls...)
}

func hexID(id uint64) string { return fmt.Sprintf("%x", id) }
