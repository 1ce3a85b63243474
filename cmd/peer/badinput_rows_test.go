package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/quorate/quorate/node"
)

// once makes the scene a cluster that has run and stopped.
func once(s *scene) {
	s.Helper()
	s.form()
	s.stop()
}

// set is a configuration key of the last box.
func set(key, value string) func(*scene) {
	return func(s *scene) { s.boxes[len(s.boxes)-1].conf[key] = value }
}

// after does one thing after another.
func after(steps ...func(*scene)) func(*scene) {
	return func(s *scene) {
		for _, do := range steps {
			do(s)
		}
	}
}

// with adds to the join list of the only box, beside its own address.
func with(other string) func(*scene) {
	return func(s *scene) { s.boxes[0].conf["join"] = list(s.boxes[0].addr(), other) }
}

// alone is the mending of with.
func alone(s *scene) { s.boxes[0].conf["join"] = list(s.boxes[0].addr()) }

// taken opens the port that is so far from the base, until the row is mended.
func taken(name, network string, at int, what string) badRow {
	var free func()
	return badRow{name: name, exit: 78, what: "the " + what + " port {port} is in use", why: "address already in use", do: "ss -lntup … {port} … base_port or ports",
		spoil: after(once, func(s *scene) {
			s.vars["port"] = fmt.Sprint(s.boxes[0].port + at)
			free = s.occupy(network, s.boxes[0].port+at)
		}),
		mend: func(*scene) { free() }}
}

// sayToo demands a problem of the first box as well, which names the last.
func sayToo(code, what string) func(*scene) {
	return func(s *scene) { s.says("what of the first box", s.boxes[0].problem(code).What, what) }
}

func badRows() []badRow {
	rows := []badRow{
		{name: "another secret", boxes: 2, exit: 4, spoil: func(s *scene) { s.boxes[1].write("secret", node.NewSecret(), 0o600) },
			code: "seed-other-secret", what: "{a} has another cluster secret or cluster name", why: "not from our secret", do: "compare the secret files",
			also: sayToo("seed-other-secret", "{b} has another cluster secret"), mend: sameSecret},
		{name: "mistyped secret", exit: 78, spoil: func(s *scene) {
			text := []byte(node.NewSecret())
			text[20] = 'a' + (text[20]-'a'+1)%26
			s.boxes[0].write("secret", string(text), 0o600)
		}, what: "the secret is mistyped … {a.secret_file}", why: "checksum", do: "copy the whole line again"},
		{name: "typed password", exit: 78, spoil: func(s *scene) { s.boxes[0].write("secret", "correct horse battery staple", 0o600) },
			what: "not made by `peer secret new` … {a.secret_file}", why: "guess a typed password offline", do: "run `peer secret new`"},
		{name: "secret open to others", exit: 78, spoil: after(once, func(s *scene) { s.ok(os.Chmod(s.boxes[0].conf["secret_file"], 0o640)) }),
			what: "{a.secret_file} is open to other users", why: "0640", do: "chmod 0600 {a.secret_file}",
			mend: func(s *scene) { s.ok(os.Chmod(s.boxes[0].conf["secret_file"], 0o600)) }},
		{name: "another cluster name", boxes: 2, exit: 4, spoil: set("cluster", "acne"),
			code: "seed-other-secret", what: "{a} has another cluster secret or cluster name", why: "not from our secret", do: "and cluster in the configuration of both nodes",
			also: sayToo("seed-other-secret", "{b} has another"), mend: set("cluster", "acme")},
		{name: "voters differ", boxes: 2, exit: 4, spoil: set("voters", "3"),
			code: "voters-differ", what: "voters differs: 3 here, 2 at a (127.0.0.1)", why: "one number on all nodes", do: "the same voters on all nodes",
			also: sayToo("voters-differ", "voters differs: 2 here, 3 at b"), mend: set("voters", "2")},
		{name: "even voters", boxes: 2, exit: 0, spoil: func(*scene) {},
			code: "voters-even", what: "2 voters survive no more failures than 1", why: "majority of an even number", do: "set voters to 1 or 3 on all nodes"},
		{name: "too many voters", exit: 78, spoil: set("voters", "8"), what: "voters is 8", why: "1 to 7 … voters is set in … peer.yaml:", do: "set voters to 3, or 5"},
		{name: "join lists differ", boxes: 2, exit: 4, spoil: func(s *scene) {
			a, b := s.boxes[0], s.boxes[1]
			s.vars["c"] = loopAddr(freePorts(s.T))
			a.conf["voters"], b.conf["voters"] = "2", "2"
			b.conf["join"] = list(a.addr(), b.addr(), s.vars["c"])
		}, code: "join-differs", what: "join lists differ: [ … {c} … ] here, [ … ] at a (127.0.0.1)", why: "one list on all nodes", do: "set the same join list on all nodes",
			also: sayToo("join-differs", "at b (127.0.0.1)"), mend: func(s *scene) { s.boxes[1].conf["join"] = s.boxes[0].conf["join"] }},
		{name: "join address unreachable", exit: 4, spoil: func(s *scene) {
			s.vars["other"] = loopAddr(freePorts(s.T))
			with(s.vars["other"])(s)
		}, code: "seed-silent", what: "no answer from {other}", why: "connection refused", do: "start it, or open its gossip", mend: alone},
		{name: "join by host name", exit: 78, spoil: with("gw-b.example:4780"), what: `join address "gw-b.example:4780" cannot be used`, why: "a seed must be one machine … join is set in", do: "write an IP address"},
		{name: "stranger at a join address", exit: 4, spoil: func(s *scene) {
			s.vars["other"] = s.stranger(nil)
			with(s.vars["other"])(s)
		}, code: "seed-stranger", what: "something that is no node answers at {other}", why: "does not speak TLS", do: "ss -ltnp", mend: alone},
		{name: "foreign TLS server at a join address", exit: 4, spoil: func(s *scene) {
			s.vars["other"] = s.stranger(s.foreign())
			with(s.vars["other"])(s)
		}, code: "seed-other-secret", what: "{other} has another cluster secret or cluster name", why: "not peer.acme", do: "compare the secret files", mend: alone},
		{name: "virtual address", boxes: 2, exit: 4, spoil: func(s *scene) {
			a, b := s.boxes[0], s.boxes[1]
			s.vars["vip"] = s.virtual(a)
			a.conf["join"], b.conf["join"] = list(s.vars["vip"], b.addr()), list(s.vars["vip"], b.addr())
		}, code: "seed-not-own", what: "a (127.0.0.1) answers at {vip} but calls {a} its own address", why: "a virtual address", do: "the nodes' own addresses in the join list",
			mend: func(s *scene) {
				for _, b := range s.boxes {
					b.conf["join"] = list(s.boxes[0].addr(), s.boxes[1].addr())
				}
			}},
		{name: "loopback beside another address", exit: 78, spoil: with("10.77.0.1:4780"), what: "loopback address {a} beside 10.77.0.1:4780", why: "another machine for each that reads it", do: "ip -brief address"},
		{name: "loopback advertised to others", exit: 78, spoil: after(set("join", list("10.77.0.1", "10.77.0.2")), set("advertise", "127.0.0.1")),
			what: "own address 127.0.0.1 cannot be used", why: "the join list has 10.77.0.1: … cannot reach this one's loopback", do: "set advertise to the address"},
		{name: "link-local join address", exit: 78, spoil: set("join", list("fe80::1%eth0", "fe80::2%eth0")), what: `"fe80::1%eth0" cannot be used`, why: "one link only", do: "static, DHCP or unique local"},
		{name: "one join address twice", exit: 78, spoil: func(s *scene) { with(s.boxes[0].addr())(s) }, what: "names {a} twice", why: "another machine", do: "remove one of the two"},
		{name: "this machine twice", exit: 78, spoil: func(s *scene) { with(fmt.Sprintf("[::1]:%d", s.boxes[0].port))(s) }, what: "{a} and [::1]: … are both this machine", why: "another machine", do: "remove one of the two"},
		{name: "unknown key", exit: 78, spoil: set("clutser", "acme"), what: "peer.yaml: … unknown key \"clutser\"", why: "the nearest is cluster", do: "config check"},
		{name: "value of the wrong type", exit: 78, spoil: set("voters", "three"), what: "peer.yaml: … voters is \"three\"", why: "a whole number", do: "voters: 3"},
		{name: "unknown variable", exit: 78, spoil: func(s *scene) { s.boxes[0].env = []string{"PEER_CLUTSER=acme"} }, what: "unknown variable PEER_CLUTSER", why: "the nearest is PEER_CLUSTER", do: "unset PEER_CLUTSER"},
		{name: "unknown flag", exit: 2, spoil: func(s *scene) {
			s.boxes[0].before = func(c *exec.Cmd) *exec.Cmd { return s.boxes[0].command(append(c.Args[1:], "--clutser=acme")...) }
		}, what: "unknown flag --clutser … the nearest is --cluster … usage: peer run … help: peer run -h"},
		{name: "no configuration", exit: 78, spoil: func(s *scene) {
			s.boxes[0].before = func(*exec.Cmd) *exec.Cmd { return s.boxes[0].command("run") }
		}, what: "there is no configuration", why: "/etc/peer/peer.yaml", do: "cluster: acme … peer secret new"},
		taken("gossip port in use", "tcp", 0, "gossip"),
		taken("gossip UDP port in use", "udp", 0, "gossip"),
		taken("cluster RPC port in use", "tcp", 1, "cluster RPC"),
		taken("raft port in use", "tcp", 2, "raft"),
	}
	// The longest first, so that none of them is waited for alone.
	return slices.Concat(dataRows(), certificateRows(), rows)
}

func sameSecret(s *scene) {
	text, err := os.ReadFile(s.boxes[0].conf["secret_file"])
	s.ok(err)
	s.boxes[1].write("secret", string(text), 0o600)
}

func certificateRows() []badRow {
	return []badRow{
		{name: "foreign certificate of one's own", exit: 78, spoil: func(s *scene) { s.boxes[0].certify(s.authority("ours"), s.authority("theirs"), later()) },
			what: "{cert} is not signed by the CA", why: "issued by \"CN=theirs\"", do: "use a certificate of that CA"},
		{name: "open key of one's own", exit: 78, spoil: func(s *scene) {
			a := s.authority("ours")
			s.boxes[0].certify(a, a, later())
			s.ok(os.Chmod(s.vars["key"], 0o644))
		}, what: "{key} is open to other users", why: "0644", do: "chmod 0600 {key}"},
		{name: "other authority than the others", boxes: 2, exit: 4, spoil: func(s *scene) {
			for _, b := range s.boxes {
				a := s.authority("ca-" + b.name)
				b.certify(a, a, later())
			}
		}, code: "seed-other-secret", what: "{a} has another cluster secret", why: "certificate", do: "ca_file", mend: oneAuthority},
		{name: "expired certificate of one's own", boxes: 2, exit: 4, spoil: func(s *scene) {
			a := s.authority("ours")
			for _, b := range s.boxes {
				b.certify(a, a, time.Now().Add(-time.Hour))
			}
		}, code: "cert-expired", what: "{cert} ended on", why: "the clock of this machine says", do: "replace the file",
			also: sayToo("seed-dates", "between this node and {b}"), mend: oneAuthority},
	}
}

func oneAuthority(s *scene) {
	a := s.authority("ours")
	for _, b := range s.boxes {
		b.certify(a, a, later())
	}
}

// noSpace runs the command on a full disk for its data directory, and fails
// unless the state file there stays what it was. Where mounting is not allowed
// even in a namespace of one's own, no file can grow instead.
func noSpace(s *scene) {
	b := s.boxes[0]
	s.vars["cause"] = "no space left on device"
	script := `set -e; cp -a "$0" "$0.was"; mount -t tmpfs -o size=4k,mode=0700 none "$0"; cp -a "$0.was/state.json" "$0/"; set +e
"$@"; code=$?; cmp -s "$0/state.json" "$0.was/state.json" || exit 99; exit $code`
	shell := []string{"unshare", "-rm", "sh", "-c", script, b.data()}
	if exec.Command("unshare", "-rm", "mount", "-t", "tmpfs", "none", b.dir).Run() != nil {
		s.vars["cause"] = "file too large"
		shell = []string{"sh", "-c", `ulimit -f 0; exec "$@"`, "sh"}
	}
	b.before = func(c *exec.Cmd) *exec.Cmd {
		sh := exec.Command(shell[0], append(shell[1:], c.Args...)...)
		sh.Env = c.Env
		return sh
	}
}

// damage writes half of the state file.
func damage(s *scene) {
	b := s.boxes[0]
	path := filepath.Join(b.data(), "state.json")
	text, err := os.ReadFile(path)
	s.ok(err)
	s.ok(os.Rename(path, path+".was"))
	s.ok(os.WriteFile(path, []byte(strings.TrimSpace(string(text[:len(text)/2]))), 0o600))
	b.damaged = true
}
