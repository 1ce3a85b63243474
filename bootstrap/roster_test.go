package bootstrap_test

import (
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/quorate/quorate/bootstrap"
)

func addr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func founder(id, host string) bootstrap.Founder {
	return bootstrap.Founder{ID: id, Gossip: addr(host + ":4780"), RPC: addr(host + ":4781"), PeerURL: "https://" + host + ":4782"}
}

// goldenRoster is the one in the golden files.
func goldenRoster() bootstrap.Roster {
	return bootstrap.NewRoster("acme", bootstrap.HashSeeds([]string{"10.0.0.1:4780", "10.0.0.2:4780"}), 3,
		founder("bbbbbbbbbbbbbbbb", "10.0.0.2"), founder("00c0ffee12345678", "10.0.0.1"), founder("cccccccccccccccc", "[fd00::3]"))
}

// The hash names a cluster for ever: a change of encoding would make two of one
// roster.
func TestRosterHashGolden(t *testing.T) {
	r := goldenRoster()
	if got, want := r.Hash().String(), "3b04f434abead0cb1c911fd4b6f573c0de3eff378f2434b1d5f811b239f68e7a"; got != want {
		t.Errorf("hash = %s, want %s", got, want)
	}
	if got, want := r.Token(), "quorate/v1/acme/"+r.Hash().String(); got != want {
		t.Errorf("token = %s, want %s", got, want)
	}
	if got := r.InitialCluster()["cccccccccccccccc"]; got != "https://[fd00::3]:4782" || len(r.InitialCluster()) != 3 {
		t.Errorf("initial cluster = %v", r.InitialCluster())
	}
	if got, want := bootstrap.HashSeeds([]string{"b", "a", "b"}), bootstrap.HashSeeds([]string{"a", "b"}); got != want {
		t.Errorf("a join list's hash depends on its order: %s, %s", got, want)
	}
}

// Every field of a roster is in its hash, and in what Equal compares.
func TestRosterHashCoversEverything(t *testing.T) {
	base := goldenRoster()
	seen := map[bootstrap.Hash]string{base.Hash(): "nothing"}
	for what, change := range map[string]func(*bootstrap.Roster){
		"cluster":  func(r *bootstrap.Roster) { r.Cluster = "acme2" },
		"voters":   func(r *bootstrap.Roster) { r.Voters = 4 },
		"seeds":    func(r *bootstrap.Roster) { r.Seeds[0]++ },
		"attempt":  func(r *bootstrap.Roster) { r.Attempt++ },
		"id":       func(r *bootstrap.Roster) { r.Founders[0].ID = "00c0ffee12345679" },
		"gossip":   func(r *bootstrap.Roster) { r.Founders[0].Gossip = addr("10.0.0.9:4780") },
		"rpc":      func(r *bootstrap.Roster) { r.Founders[0].RPC = addr("10.0.0.9:4781") },
		"peer URL": func(r *bootstrap.Roster) { r.Founders[0].PeerURL = "https://10.0.0.9:4782" },
		"fewer":    func(r *bootstrap.Roster) { r.Founders = r.Founders[:2] },
		"moved bytes": func(r *bootstrap.Roster) {
			r.Founders[0].PeerURL, r.Founders[1].ID = r.Founders[0].PeerURL+"b", r.Founders[1].ID[1:]
		},
	} {
		r := goldenRoster()
		change(&r)
		if other, twice := seen[r.Hash()]; twice {
			t.Errorf("%s has the hash of %s", what, other)
		}
		seen[r.Hash()] = what
		if r.Equal(base) {
			t.Errorf("%s: Equal says that nothing changed", what)
		}
	}
}

func TestRosterCheck(t *testing.T) {
	for want, change := range map[string]func(*bootstrap.Roster){
		"cluster name has 0 bytes": func(r *bootstrap.Roster) { r.Cluster = "" },
		"8 voters":                 func(r *bootstrap.Roster) { r.Voters = 8 },
		"2 founders for 3 voters":  func(r *bootstrap.Roster) { r.Founders = r.Founders[:2] },
		"attempt 0":                func(r *bootstrap.Roster) { r.Attempt = 0 },
		"out of order":             func(r *bootstrap.Roster) { slices.Reverse(r.Founders) },
		"founder ID":               func(r *bootstrap.Roster) { r.Founders[0].ID = "gw-a" },
		"peer URL":                 func(r *bootstrap.Roster) { r.Founders[0].PeerURL = "" },
		"share an address":         func(r *bootstrap.Roster) { r.Founders[0].PeerURL = r.Founders[1].PeerURL },
		"no address":               func(r *bootstrap.Roster) { r.Founders[0].Gossip = netip.AddrPort{} },
	} {
		r := goldenRoster()
		change(&r)
		if err := r.Check(); !errors.Is(err, bootstrap.ErrRoster) || !strings.Contains(err.Error(), want) {
			t.Errorf("Check() = %v, want %q", err, want)
		}
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, new(bootstrap.Roster)); !errors.Is(err, bootstrap.ErrRoster) {
			t.Errorf("%s: read with error %v", want, err)
		}
	}
	if err := goldenRoster().Check(); err != nil {
		t.Error(err)
	}
}

func TestQuorums(t *testing.T) {
	for n := 1; n <= bootstrap.MaxVoters; n++ {
		q, a := bootstrap.Quorum(n), bootstrap.AbortQuorum(n)
		if 2*q <= n || a != (n+1)/2 || q+a != n+1 {
			t.Errorf("n = %d: quorum %d, abort quorum %d", n, q, a)
		}
	}
}
