package main

import (
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/quorate/quorate/node"
)

// dataRows are about data directories that are not what they should be.
func dataRows() []badRow {
	return []badRow{
		{name: "copied data directory", boxes: 2, exit: 4, spoil: func(s *scene) {
			once(s)
			b := s.boxes[1]
			secret, err := os.ReadFile(b.conf["secret_file"])
			s.ok(err)
			c := s.add("c", string(secret))
			c.conf["join"] = b.conf["join"]
			s.copyData(b.data(), c.data())
		}, code: "id-twice", what: "this node runs a second time at 127.0.0.1:", why: "data directory is a copy", do: "stop the copy and empty its data directory",
			also: func(s *scene) {
				for _, b := range s.boxes[1:] {
					b.blocked()
				}
			},
			mend: func(s *scene) { s.boxes = s.boxes[:2] }},
		{name: "rolled-back data directory", boxes: 2, exit: 4, spoil: func(s *scene) {
			once(s)
			a, b := s.boxes[0], s.boxes[1]
			old := filepath.Join(b.dir, "old")
			s.copyData(b.data(), old)
			b.start()
			b.stop()
			s.form()
			a.knows(b)
			b.stop()
			s.copyData(old, b.data())
		}, code: "disk-old", what: "this node's disk is an old copy", why: "a (127.0.0.1) has seen its start … , the disk says … a snapshot or backup was restored", do: "empty the data directory",
			also: func(s *scene) { s.boxes[1].blocked() }},
		{name: "one data directory twice", boxes: 2, exit: 78, spoil: func(s *scene) {
			a, b := s.boxes[0], s.boxes[1]
			a.start()
			b.conf["data_dir"] = a.data()
		}, what: "the data directory {a.data_dir} is in use", why: "holds its lock", do: "stop the process"},
		{name: "data directory of another cluster", exit: 78, spoil: after(once, set("cluster", "acne")),
			what: "{a.data_dir} is of cluster acme", why: "configured for cluster acne", do: "set cluster to acme, or … an empty data directory", mend: set("cluster", "acme")},
		{name: "data directory of another secret", boxes: 2, exit: 4, spoil: after(once, func(s *scene) {
			s.boxes[1].write("secret", node.NewSecret(), 0o600)
		}), code: "seed-other-secret", what: "{a} has another cluster secret", why: "not from our secret", do: "compare the secret files", mend: sameSecret},
		{name: "data directory of a single node", exit: 78, spoil: func(s *scene) {
			b := s.boxes[0]
			conf := b.conf
			b.conf = map[string]string{"data_dir": conf["data_dir"], "socket": conf["socket"]}
			once(s)
			b.conf = conf
		}, what: "{a.data_dir} is of a single node", why: "join is set", do: "drop cluster, join and secret_file"},
		{name: "single node on a cluster's data directory", exit: 78, spoil: after(once, func(s *scene) {
			b := s.boxes[0]
			b.conf = map[string]string{"data_dir": b.conf["data_dir"], "socket": b.conf["socket"]}
		}), what: "{a.data_dir} is of a node of cluster acme", why: "without join", do: "set cluster, join and secret_file"},
		{name: "data directory open to others", exit: 78, spoil: after(once, func(s *scene) { s.ok(os.Chmod(s.boxes[0].data(), 0o755)) }),
			what: "the data directory {a.data_dir} is open to others", why: "0755", do: "chmod 0700 {a.data_dir}",
			mend: func(s *scene) { s.ok(os.Chmod(s.boxes[0].data(), 0o700)) }},
		{name: "damaged state file", exit: 78, spoil: after(once, damage),
			what: "the state file {a.data_dir}/state.json cannot be used", why: "damaged", do: "restore it from a backup",
			mend: func(s *scene) {
				path := filepath.Join(s.boxes[0].data(), "state.json")
				s.ok(os.Rename(path+".was", path))
			}},
		{name: "no space", exit: 78, spoil: after(once, noSpace),
			what: "cannot write the certificates in {a.data_dir}/tls", why: "{cause}", do: "disk has space", mend: func(s *scene) { s.boxes[0].before = nil }},
	}
}

// blocked waits until the box says that it does nothing any more.
func (b *box) blocked() {
	b.s.Helper()
	b.until("blocked", func() bool {
		st, err := b.ask()
		return err == nil && st.Phase == "blocked"
	})
}

// knows waits until b has kept how often other has started.
func (b *box) knows(other *box) {
	b.s.Helper()
	want := other.state()
	b.until("aware of the other's start", func() bool {
		return slices.ContainsFunc(b.state().Peers, func(p peerState) bool { return p.ID == want.ID && p.Starts >= want.Starts })
	})
}

func (b *box) until(what string, is func() bool) {
	b.s.Helper()
	for end := time.Now().Add(rowGrace); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if is() {
			return
		}
	}
	b.s.Fatalf("%s is not %s after %v: %s\n%s", b.name, what, rowGrace, b.problems(), b.log)
}
