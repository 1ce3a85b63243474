package bootstrap

import (
	"bytes"
	"flag"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hashicorp/memberlist"
)

var update = flag.Bool("update-meta", false, "rewrite the golden file of the gossip meta; a change of it is a new format")

var metaPeer = Peer{
	ID: "00c0ffee12345678", Name: "gw-a", Boot: "fedcba9876543210", Phase: "member", Member: "0123456789abcdef", Version: "0.3.0",
	Gossip: netip.MustParseAddrPort("10.0.0.1:4780"), RPC: netip.MustParseAddrPort("10.0.0.1:4781"), Raft: netip.MustParseAddrPort("[fd00::1]:4782"),
}

// TestMetaGolden holds the format: nodes of all versions must read it.
func TestMetaGolden(t *testing.T) {
	const path = "testdata/meta-v1.json"
	got := encodeMeta("acme", metaPeer)
	if *update {
		if err := os.WriteFile(path, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want = bytes.TrimSpace(want); !bytes.Equal(got, want) {
		t.Errorf("meta = %s, golden %s", got, want)
	}
	p, err := decodeMeta("acme", metaPeer.ID, metaPeer.Gossip, want)
	if err != nil || p != metaPeer {
		t.Errorf("read back %+v, %v", p, err)
	}
}

// TestMetaFuture reads what a later build may say.
func TestMetaFuture(t *testing.T) {
	b := bytes.Replace(encodeMeta("acme", metaPeer), []byte(`{"f":1,`), []byte(`{"f":9,"new":{"x":[1]},`), 1)
	p, err := decodeMeta("acme", metaPeer.ID, metaPeer.Gossip, b)
	if err != nil || p != metaPeer {
		t.Errorf("read %+v, %v", p, err)
	}
}

func TestMetaNeverTooLong(t *testing.T) {
	for _, name := range []string{strings.Repeat("n", 10_000), strings.Repeat("<", 500), strings.Repeat("\x00", 500), strings.Repeat("ä", 63), strings.Repeat("\xff", 99), strings.Repeat(`"`, 64)} {
		p := metaPeer
		p.Name, p.Version, p.Phase, p.Boot, p.Member = name, name, name, name, name
		p.Gossip, p.RPC = netip.MustParseAddrPort("[2001:db8:1111:2222:3333:4444:5555:6666]:65535"), netip.MustParseAddrPort("[2001:db8:1111:2222:3333:4444:5555:6666]:65534")
		p.Raft = p.RPC
		b := encodeMeta("acme", p)
		if len(b) == 0 || len(b) > memberlist.MetaMaxSize {
			t.Errorf("%d bytes for %.20q", len(b), name)
		}
	}
}

func TestMetaRefuses(t *testing.T) {
	good := string(encodeMeta("acme", metaPeer))
	for _, tt := range []struct {
		name, id, gossip, text, want string
	}{
		{"other cluster", metaPeer.ID, "10.0.0.1:1", string(encodeMeta("other", metaPeer)), "of another cluster"},
		{"empty", metaPeer.ID, "10.0.0.1:1", "", "not a gossip meta"},
		{"no format", metaPeer.ID, "10.0.0.1:1", strings.Replace(good, `"f":1`, `"f":0`, 1), "no format"},
		{"no ID", "gw-a", "10.0.0.1:1", good, "no node ID"},
		{"unspecified gossip", metaPeer.ID, "0.0.0.0:1", good, "cannot be reached"},
		{"unspecified RPC", metaPeer.ID, "10.0.0.1:1", strings.Replace(good, "10.0.0.1:4781", "0.0.0.0:4781", 1), "cannot be reached"},
		{"roster of letters", metaPeer.ID, "10.0.0.1:1", strings.Replace(good, "0123456789abcdef", "nothexadecimal!!", 1), "its roster"},
		{"long", metaPeer.ID, "10.0.0.1:1", good + strings.Repeat(" ", 512), "bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := decodeMeta("acme", tt.id, netip.MustParseAddrPort(tt.gossip), []byte(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("err = %v, want %q", err, tt.want)
			}
		})
	}
}

func TestGossipLines(t *testing.T) {
	for line, want := range map[string]slog.Level{
		"[DEBUG] memberlist: Stream connection from=1": slog.LevelDebug,
		"[INFO] memberlist: Suspect x has failed":      slog.LevelInfo,
		"[WARN] memberlist: Refuting":                  slog.LevelWarn,
		"[ERR] memberlist: Failed to send ping":        slog.LevelWarn,
		"Err: something":                               slog.LevelWarn,
		"[":                                            slog.LevelWarn,
	} {
		level, text := parseGossipLine(line + "\n")
		if level != want || strings.HasPrefix(text, "memberlist") || strings.HasSuffix(text, "\n") {
			t.Errorf("%q is %v %q", line, level, text)
		}
	}
}

// TestGossipLogIsCalm shows that what strangers provoke is shown once.
func TestGossipLogIsCalm(t *testing.T) {
	var out bytes.Buffer
	l := newGossipLog(slog.New(slog.NewTextHandler(&out, nil)))
	for range 100 {
		l.Printf("[ERR] memberlist: failed to receive and remove the stream label header: EOF from=1.2.3.4")
	}
	if n := strings.Count(out.String(), "failed to receive"); n != 1 {
		t.Errorf("shown %d times", n)
	}
}

// bareGossip is a Gossip without a network, to call the delegate on.
func bareGossip(member string) *Gossip {
	b := encodeMeta("acme", metaPeer)
	g := &Gossip{cfg: GossipConfig{Cluster: "acme", Self: metaPeer}, log: slog.New(slog.DiscardHandler), self: Peer{Member: member}, peers: map[string]Peer{}, changed: make(chan struct{})}
	g.meta.Store(&b)
	return g
}

// TestDelegateRefuses holds who the delegate lets in.
func TestDelegateRefuses(t *testing.T) {
	ours, theirs := strings.Repeat("a", 16), strings.Repeat("b", 16)
	node := func(cluster, member string) *memberlist.Node {
		p := metaPeer
		p.Member = member
		return &memberlist.Node{Name: "1111111111111111", Addr: []byte{10, 0, 0, 7}, Port: 4780, Meta: encodeMeta(cluster, p)}
	}
	for _, tt := range []struct {
		name         string
		member       string // ours
		n            *memberlist.Node
		alive, merge bool // let in
		foreign      bool
	}{
		{"a newcomer", ours, node("acme", ""), true, true, false},
		{"one of ours", ours, node("acme", ours), true, true, false},
		{"a member to a newcomer", "", node("acme", theirs), true, true, false},
		{"a member of another", ours, node("acme", theirs), false, true, true},
		{"another name", ours, node("other", ours), false, false, false},
		{"no meta", ours, &memberlist.Node{Name: "1111111111111111", Addr: []byte{10, 0, 0, 7}, Port: 4780}, false, false, false},
		{"no address", ours, &memberlist.Node{Name: "1111111111111111", Meta: encodeMeta("acme", metaPeer)}, false, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := bareGossip(tt.member)
			d := delegate{g}
			if err := d.NotifyAlive(tt.n); (err == nil) != tt.alive {
				t.Errorf("alive: %v", err)
			}
			if err := d.NotifyMerge([]*memberlist.Node{tt.n}); (err == nil) != tt.merge {
				t.Errorf("merge: %v", err)
			}
			peers := g.Peers()
			if foreign := len(peers) == 1 && peers[0].Foreign && !peers[0].Alive; foreign != tt.foreign {
				t.Errorf("noted %+v", peers)
			}
		})
	}
}

func TestExchangeIsChecked(t *testing.T) {
	g := bareGossip("")
	d := delegate{g}
	d.MergeRemoteState(d.LocalState(true), true)
	if n := g.Strangers(); n != 0 {
		t.Errorf("our own exchange is a stranger's")
	}
	other := bareGossip("")
	other.cfg.Cluster = "other"
	for _, b := range [][]byte{delegate{other}.LocalState(true), nil, []byte("x"), []byte("{}"), bytes.Repeat([]byte(" "), 1000)} {
		before := g.Strangers()
		d.MergeRemoteState(b, false)
		if g.Strangers() != before+1 {
			t.Errorf("%.20q is not noticed", b)
		}
	}
}

// TestPeersAreBounded fills the table with the dead.
func TestPeersAreBounded(t *testing.T) {
	g := bareGossip("")
	for range 2 * peersMax {
		p := metaPeer
		p.ID = NewState().ID
		g.note(p, false)
	}
	p := metaPeer
	p.ID = "2222222222222222"
	g.note(p, true)
	peers := g.Peers()
	if len(peers) != peersMax {
		t.Errorf("%d peers", len(peers))
	}
	for i := range 2 * conflictsMax {
		g.conflict(Conflict{ID: p.ID, Other: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.1"), uint16(i))})
	}
	if n := len(g.Conflicts()); n != conflictsMax {
		t.Errorf("%d conflicts", n)
	}
}

// FuzzGossip feeds the functions that memberlist calls with what a holder of the
// gossip key may send.
func FuzzGossip(f *testing.F) {
	good := encodeMeta("acme", metaPeer)
	f.Add("00c0ffee12345679", []byte{10, 0, 0, 1}, uint16(4780), good, []byte(`{"f":1,"c":"`+clusterHash("acme")+`","i":"00c0ffee12345679"}`))
	f.Add("", []byte{}, uint16(0), []byte{}, []byte{})
	f.Add("00c0ffee12345679", make([]byte, 16), uint16(1), []byte(`{"f":1e99}`), []byte(`[]`))
	f.Add("00c0ffee12345679", []byte{127, 0, 0, 1}, uint16(1), bytes.Replace(good, []byte("gw-a"), []byte(`\u0000\ud800<`), 1), []byte(`null`))
	f.Add("00c0ffee12345679", []byte{127, 0, 0, 1}, uint16(1), bytes.Replace(good, []byte("10.0.0.1:4781"), []byte(`[fe80::1%x]:1`), 1), []byte(`{"f":1}`))
	f.Fuzz(func(t *testing.T, name string, addr []byte, port uint16, meta, exchange []byte) {
		g := bareGossip(strings.Repeat("a", 16))
		d := delegate{g}
		n := &memberlist.Node{Name: name, Addr: addr, Port: port, Meta: meta}
		if d.NotifyAlive(n) == nil {
			d.NotifyJoin(n)
			d.NotifyUpdate(n)
			d.NotifyPingComplete(n, 0, exchange)
			d.NotifyLeave(n)
		}
		d.NotifyConflict(n, n)
		d.NotifyMerge([]*memberlist.Node{n})
		d.NotifyMsg(meta)
		d.MergeRemoteState(exchange, len(exchange)%2 == 0)
		for _, p := range g.Peers() {
			if len(p.Name) > nameMax || !utf8.ValidString(p.Name+p.Phase+p.Version+p.Boot) || !reachable(p.RPC) || !reachable(p.Gossip) {
				t.Errorf("peer = %+v", p)
			}
			if b := encodeMeta("acme", p); len(b) == 0 || len(b) > memberlist.MetaMaxSize {
				t.Errorf("%+v encodes to %d bytes", p, len(b))
			}
		}
	})
}
