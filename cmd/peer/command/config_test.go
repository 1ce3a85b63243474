package command

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/quorate/quorate/internal/problem"
	"github.com/quorate/quorate/node"
)

func fresh() *settings { return &settings{origins: map[string]string{}} }

// whole is the problem of err as a person reads it.
func whole(err error) string {
	var p *problem.Error
	if !errors.As(err, &p) {
		return fmt.Sprint(err)
	}
	return p.What + " | " + p.Why + " | " + p.Do
}

// inFile is the key with its sample as the file has it.
func (k key) inFile(value string) string {
	if g := k.group(); g != k.path {
		return fmt.Sprintf("%s:\n  %s: %s\n", g, strings.TrimPrefix(k.path, g+"."), value)
	}
	return fmt.Sprintf("%s: %s\n", k.path, value)
}

// Every key can be set in the file and in the environment, and means the same.
func TestEveryKey(t *testing.T) {
	for _, k := range keys {
		var sample any
		if err := yaml.Unmarshal([]byte(k.sample), &sample); err != nil {
			t.Fatal(err)
		}
		file, env := fresh(), fresh()
		if err := file.readFile("f", []byte(k.inFile(k.sample))); err != nil {
			t.Errorf("%s in the file: %v", k.path, err)
			continue
		}
		if err := env.readEnv([]string{k.env() + "=" + strings.Trim(k.sample, "[]")}); err != nil {
			t.Errorf("%s: %v", k.env(), err)
			continue
		}
		if a, b := k.get(*file), k.get(*env); a != b || a == "" {
			t.Errorf("%s is %q in the file and %q in the environment", k.path, a, b)
		}
		if line := 1 + strings.Count(k.path, "."); file.origins[k.path] != fmt.Sprintf("f:%d", line) || env.origins[k.path] != k.env() {
			t.Errorf("%s comes from %q and %q", k.path, file.origins[k.path], env.origins[k.path])
		}
		// What is shown can be read again.
		again := fresh()
		if err := again.readFile("g", []byte(file.yaml(true))); err != nil || again.yaml(false) != file.yaml(false) {
			t.Errorf("%s is shown as\n%swhich reads as\n%s(%v)", k.path, file.yaml(false), again.yaml(false), err)
		}
	}
}

// The names that node's texts have for keys are all known.
func TestFieldNames(t *testing.T) {
	for _, k := range keys {
		if k.group() == k.path && !slices.ContainsFunc([]string{"secret_file"}, func(p string) bool { return p == k.path }) {
			found := false
			for _, path := range fields {
				found = found || path == k.path
			}
			if !found {
				t.Errorf("no field stands for %s", k.path)
			}
		}
	}
	for field, want := range map[string]string{"DataDir": "data_dir", "WALDir": "wal_dir", "TTL": "ttl", "Secret": "secret_file", "BasePort": "base_port", "SocketGroup": "socket_group"} {
		if fields[field] != want {
			t.Errorf("%s is %q", field, fields[field])
		}
	}
}

func TestConfigFileRefused(t *testing.T) {
	secret := node.NewSecret()
	for _, tt := range []struct{ file, want string }{
		{"clutser: acme\n", `f:1: unknown key "clutser" | the nearest is cluster | correct or remove it`},
		{"cluster: acme\n\ntiming:\n  tack: 1s\n", `f:4: unknown key "timing.tack" | the nearest is tick`},
		{"join_only: true\n", `f:1: unknown key "join_only" | it comes with joins`},
		{"secret: " + secret + "\n", `f:1: unknown key "secret" | a secret does not belong here; secret_file names`},
		{secret + ": x\n", `f:1: unknown key (a secret)`},
		{"secret_file: " + secret + "\n", `f:1: secret_file holds a secret | it takes the path`},
		{"ttl: " + secret + "\n", `f:1: ttl is (a secret)`},
		{"cluster: a\nttl: 5s\ncluster: b\n", `f:3: the key "cluster" is there twice | it was set in line 1 already`},
		{"timing:\n  tick: 1s\n  tick: 2s\n", `f:3: the key "timing.tick" is there twice | it was set in line 2`},
		{"timing: 100ms\n", `f:1: timing has the wrong shape | it takes the keys tick, election | write it as in timing: {tick: …}`},
		{"tls:\n", `f:1: tls has the wrong shape`},
		{"cluster:\n", `f:1: cluster has no value`},
		{"cluster: ''\n", `f:1: cluster has no value`},
		{"cluster: [a]\n", `f:1: cluster has the wrong shape | it takes one value | write it as in cluster: acme`},
		{"join: 10.0.0.1\n", `f:1: join has the wrong shape | it takes a list | write it as in join: [10.0.0.1, 10.0.0.2, 10.0.0.3]`},
		{"join:\n  - [fd00::1]\n", `f:2: join has the wrong shape | it takes a list of single values; what begins with [ needs quotes`},
		{"voters: three\n", `f:1: voters is "three" | it takes a whole number | write it as in voters: 3`},
		{"ttl: 10\n", `f:1: ttl is "10" | it takes a number and a unit`},
		{"- a\n- b\n", `f:1: there are no keys here`},
		{"acme\n", `f:1: there are no keys here`},
		{"cluster: a\n---\nttl: 5s\n", `f:2: a second document begins here`},
		{"name: &a x\ncluster: *a\n", `f:2: cluster is an alias`},
		{"<<: {cluster: a}\n", `f:1: unknown key "<<"`},
		{"cluster: a: b\n", `f is not YAML | `},
		{"a: [\n", `f is not YAML | `},
		{"\tcluster: a\n", `f is not YAML | `},
	} {
		err := fresh().readFile("f", []byte(tt.file))
		if got := whole(err); !strings.HasPrefix(got, tt.want) || strings.Contains(got, secret) || codeOf(err) != codeMend {
			t.Errorf("%q: %q (code %d), want %q", tt.file, got, codeOf(err), tt.want)
		}
	}
}

func TestEnvironment(t *testing.T) {
	for _, tt := range []struct {
		env  string
		want string // the configuration, or the beginning of the error
	}{
		{"HOME=/root PEERS=3 PEER=x", ""},
		{"PEER_CLUSTER=acme PEER_JOIN=10.0.0.1,10.0.0.2", "cluster: acme\njoin: [10.0.0.1, 10.0.0.2]\n"},
		{"PEER_TIMING_TICK=50ms", "timing:\n  tick: 50ms\n"},
		{"PEER_TTL= PEER_SOCKET=", ""},
		{"PEER_SOCKET=/run/a/peer.sock", "socket: /run/a/peer.sock\n"},
		{"PEER_SOCKET=/run/a/peer.sock PEER_LOCK_KEY=/quorate/v1/lock/x/1 PEER_FENCE=7", ""}, // peer lock x -- peer run
		{"PEER_FENCE=7", ""},
		{"PEER_CLUTSER=acme", "the environment has the unknown variable PEER_CLUTSER | the nearest is PEER_CLUSTER | correct it, or unset PEER_CLUTSER"},
		{"PEER_Z=1 PEER_A=1", "the environment has the unknown variable PEER_A "},
		{"PEER_SECRET=quorate1-abc", "the environment has the unknown variable PEER_SECRET | a secret does not belong here; secret_file"},
		{"PEER_JOIN_ONLY=true", "the environment has the unknown variable PEER_JOIN_ONLY | it comes with joins"},
		{"PEER_SECRET_FILE=quorate1-abc", "PEER_SECRET_FILE: secret_file holds a secret"},
		{"PEER_VOTERS=x", `PEER_VOTERS: voters is "x"`},
	} {
		s := fresh()
		err := s.readEnv(strings.Fields(tt.env))
		if err != nil {
			if got := whole(err); !strings.HasPrefix(got, tt.want) || strings.Contains(got, "quorate1-") || codeOf(err) != codeMend {
				t.Errorf("%s: %s", tt.env, got)
			}
			continue
		}
		if got := s.yaml(false); got != tt.want {
			t.Errorf("%s: got\n%swant\n%s", tt.env, got, tt.want)
		}
	}
}

// What node refuses is told with the keys of the file, and where they were set.
func TestExplain(t *testing.T) {
	for _, tt := range []struct{ file, want string }{
		{"cluster: acme\n", "cluster is set without join | a node without join is alone, and three of them would be three islands (cluster is set in f:1) | set join to the addresses of all nodes, or drop cluster"},
		{"join: [10.0.0.1]\n", "join is set without cluster | "},
		{"ttl: 1s\n", "ttl is 1s | leases last whole seconds, and under 2 s an election alone would end them (ttl is set in f:1) | set ttl to 2s"},
		{"timing: {tick: 1s, election: 1s}\n", "timing is 1s and 1s | timing.election must be 5 to 500 times timing.tick"},
		{"base_port: 4780\n", "base_port is set without join | "},
		{"cluster: acme\njoin: [10.0.0.1]\nbase_port: 1\nports: {raft: 2}\n", "base_port is set together with ports | they say the same thing twice (base_port is set in f:3, ports.raft is set in f:4)"},
		{"cluster: Acme\njoin: [10.0.0.1]\n", ""},
		{"cluster: acme\njoin: [gw-a]\n", "the join address \"gw-a\" cannot be used | "},
	} {
		s := fresh()
		if err := s.readFile("f", []byte(tt.file)); err != nil {
			t.Fatal(err)
		}
		err := s.complete()
		if got := whole(err); !strings.HasPrefix(got, tt.want) || codeOf(err) != codeMend {
			t.Errorf("%q: got  %s\nwant %s", tt.file, got, tt.want)
		}
	}
}

// A secret that systemd hands over is taken whatever its modes look like; a file
// that is named comes first.
func TestCredential(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	file := filepath.Join(dir, "cluster.secret")
	if err := os.WriteFile(file, []byte(node.NewSecret()+"\n"), 0o440); err != nil {
		t.Fatal(err)
	}
	s := fresh()
	if err := errors.Join(s.readFile("f", []byte("cluster: acme\njoin: [10.0.0.1]\n")), s.complete(), s.readSecrets()); err != nil {
		t.Fatal(whole(err))
	}
	if want := "secret_file: " + file + " # LoadCredential\n"; !strings.Contains(strings.Join(strings.Fields(s.yaml(true)), " "), strings.TrimSpace(want)) {
		t.Errorf("shown is\n%s", s.yaml(true))
	}
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.readSecrets(); err == nil || strings.Contains(whole(err), "hunter2") {
		t.Errorf("a password is taken for a secret, or shown: %v", err)
	}
	named := filepath.Join(t.TempDir(), "s")
	s = fresh()
	if err := errors.Join(s.readFile("f", []byte("cluster: acme\njoin: [10.0.0.1]\nsecret_file: "+named+"\n")), s.complete()); err != nil {
		t.Fatal(whole(err))
	}
	if err := s.readSecrets(); err == nil || !strings.Contains(whole(err), named) {
		t.Errorf("the file that is named is not read: %v", err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	s = fresh()
	if err := errors.Join(s.readFile("f", []byte("cluster: acme\njoin: [10.0.0.1]\n")), s.complete()); err != nil {
		t.Fatal(whole(err))
	}
	if s.secretFile != defaultSecret {
		t.Errorf("without a credential the secret is in %s", s.secretFile)
	}
}

// Any file is read or refused with a reason, and what is read is shown so that
// it reads the same.
func FuzzConfigFile(f *testing.F) {
	for _, k := range keys {
		f.Add([]byte(k.inFile(k.sample)))
	}
	f.Add([]byte("name: \"a\\nb\"\njoin: []\nvoters: 0x3\n"))
	f.Add([]byte("? [a]\n: b\n"))
	f.Add([]byte("a: &a [*a]\n---\nb: c\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s := fresh()
		if err := s.readFile("f", text); err != nil {
			if codeOf(err) != codeMend {
				t.Fatalf("code %d: %v", codeOf(err), err)
			}
			return
		}
		shown := s.yaml(true)
		again := fresh()
		if err := again.readFile("g", []byte(shown)); err != nil {
			t.Fatalf("%q is shown as\n%swhich is refused: %v", text, shown, whole(err))
		}
		if a, b := s.yaml(false), again.yaml(false); a != b {
			t.Fatalf("%q is shown as\n%sand then as\n%s", text, a, b)
		}
	})
}
