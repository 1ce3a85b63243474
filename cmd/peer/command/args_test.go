package command

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// peerLevel is the tree of the peer binary, as Run reads it.
func peerLevel() level {
	app := App()
	app.Setup()
	return appLevel(app)
}

// acmeLevel is the tree of a product that has flags and commands of its own.
func acmeLevel() level {
	app := &cli.App{
		Name:  "acme",
		Flags: []cli.Flag{&cli.StringFlag{Name: "config", Aliases: []string{"o"}}, &cli.BoolFlag{Name: "loud"}},
		Commands: []*cli.Command{
			{Name: "cluster", Subcommands: Commands()},
			{Name: "serve", Flags: []cli.Flag{&cli.StringFlag{Name: "listen"}}, Action: func(*cli.Context) error { return nil }},
		},
	}
	app.Setup()
	return appLevel(app)
}

func words(s string) []string { return strings.Fields(s) }

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		in       string
		argv     string // what the library sees
		operands string
		cmd      string
	}{
		// Flags stand anywhere before --.
		{"peer status", "peer status", "", ""},
		{"peer status -o json", "peer status --output=json", "", ""},
		{"peer -o json status", "peer status --output=json", "", ""},
		{"peer status -o=json --socket s", "peer status --output=json --socket=s", "", ""},
		{"peer --socket s status", "peer status --socket=s", "", ""},
		{"peer --socket s kv get k", "peer kv get --socket=s", "k", ""},
		{"peer kv --socket s get k", "peer kv get --socket=s", "k", ""},
		{"peer kv get --socket s k", "peer kv get --socket=s", "k", ""},
		{"peer kv get k --socket s", "peer kv get --socket=s", "k", ""},
		{"peer kv get k -socket=s", "peer kv get --socket=s", "k", ""},
		{"peer kv del k --prefix", "peer kv del --prefix", "k", ""},
		{"peer kv del --prefix k", "peer kv del --prefix", "k", ""},
		{"peer kv del --prefix=false k", "peer kv del --prefix=false", "k", ""},
		{"peer events -f -o json", "peer events --follow --output=json", "", ""},
		{"peer lock x --try --ttl 5s -- true", "peer lock --try --ttl=5s", "x", "true"},
		{"peer lock --ttl 5s x -- true --try", "peer lock --ttl=5s", "x", "true --try"},
		{"peer --ttl 5s lock x -- true", "peer lock --ttl=5s", "x", "true"},

		// A command that does something by itself and holds others.
		{"peer dev", "peer dev", "", ""},
		{"peer --nodes 3 dev", "peer dev --nodes=3", "", ""},
		{"peer dev kill n1 --dir d", "peer dev kill --dir=d", "n1", ""},
		{"peer dev --dir d kill n1", "peer dev --dir=d kill", "n1", ""},
		{"peer dev kill -- node", "peer dev kill", "node", ""},

		// A later one wins, so that scripts can add theirs.
		{"peer status -o json --output yaml", "peer status --output=json --output=yaml", "", ""},

		// No name is a command.
		{"peer lock help -- true", "peer lock", "help", "true"},
		{"peer lock h -- true", "peer lock", "h", "true"},
		{"peer lock ls -- true", "peer lock", "ls", "true"},
		{"peer lock lock -- lock", "peer lock", "lock", "lock"},
		{"peer lock try --try -- true", "peer lock --try", "try", "true"},
		{"peer kv get help", "peer kv get", "help", ""},
		{"peer kv get get", "peer kv get", "get", ""},
		{"peer kv put help h", "peer kv put", "help h", ""},
		{"peer kv ls help", "peer kv ls", "help", ""},

		// -- before the name quotes the name, -- after it starts CMD.
		{"peer lock -- ls -- true", "peer lock", "ls", "true"},
		{"peer lock -- --odd -- true", "peer lock", "--odd", "true"},
		{"peer lock -- -h -- true", "peer lock", "-h", "true"},
		{"peer lock -- -- -- true", "peer lock", "--", "true"},
		{"peer lock --try -- x -- true", "peer lock --try", "x", "true"},
		{"peer lock -- x --try -- true", "peer lock --try", "x", "true"},
		{"peer lock x -- -- true", "peer lock", "x", "-- true"},
		{"peer lock x -- sh -c true -- -h", "peer lock", "x", "sh -c true -- -h"},
		{"peer lock x -- peer lock y -- true", "peer lock", "x", "peer lock y -- true"},
		{"peer kv put k -- -5", "peer kv put", "k -5", ""},
		{"peer kv put -- k -5", "peer kv put", "k -5", ""},
		{"peer kv put -- --k --", "peer kv put", "--k --", ""},
		{"peer kv put k -", "peer kv put", "k -", ""},
		{"peer kv get -- -h", "peer kv get", "-h", ""},

		// Values that begin with - are tied to their flag.
		{"peer kv get k --socket=-s", "peer kv get --socket=-s", "k", ""},
		{"peer kv get k --socket=", "peer kv get --socket=", "k", ""},
		{"peer kv get k --socket a=b", "peer kv get --socket=a=b", "k", ""},
		{"peer kv put k --socket - v", "peer kv put --socket=-", "k v", ""},

		{"peer --version", "peer --version", "", ""},
		{"peer -v", "peer --version", "", ""},
	} {
		t.Run(tt.in, func(t *testing.T) {
			l, err := parse(peerLevel(), words(tt.in))
			if err != nil {
				t.Fatalf("parse: %v", err)
			}
			if l.foreign || l.help {
				t.Errorf("foreign %v, help %v, want neither", l.foreign, l.help)
			}
			check := func(what string, got []string, want string) {
				if !slices.Equal(got, words(want)) {
					t.Errorf("%s is %q, want %q", what, got, words(want))
				}
			}
			check("argv", l.argv, tt.argv)
			check("operands", l.operands, tt.operands)
			check("cmd", l.cmd, tt.cmd)
		})
	}
}

func TestParseMounted(t *testing.T) {
	for _, tt := range []struct {
		in       string
		foreign  bool
		argv     string
		operands string
		cmd      string
	}{
		{"acme cluster lock help -- true", false, "acme cluster lock", "help", "true"},
		{"acme cluster --try lock x -- true", false, "acme cluster lock --try", "x", "true"},
		{"acme --config c cluster status", false, "acme --config=c cluster status", "", ""},
		{"acme cluster status --config c", false, "acme --config=c cluster status", "", ""},
		{"acme --socket s cluster status", false, "acme cluster status --socket=s", "", ""},

		// A flag that both have belongs to the one it stands behind.
		{"acme -o c cluster status -o json", false, "acme --config=c cluster status --output=json", "", ""},

		// The product's own commands are the library's affair.
		{"acme serve x --listen y", true, "acme serve x --listen y", "", ""},
		{"acme serve -h", true, "acme serve -h", "", ""},
		{"acme help", true, "acme help", "", ""},
		{"acme -h", true, "acme -h", "", ""},
		{"acme", true, "acme", "", ""},
		{"acme --loud", true, "acme --loud", "", ""},
		{"acme -- x", true, "acme -- x", "", ""},
		{"acme nonsense", true, "acme nonsense", "", ""},
		{"acme cluster", true, "acme cluster", "", ""},
		{"acme cluster -h", true, "acme cluster -h", "", ""},
		{"acme cluster help lock", true, "acme cluster help lock", "", ""},
		{"acme --bogus serve", true, "acme --bogus serve", "", ""},
	} {
		t.Run(tt.in, func(t *testing.T) {
			l, err := parse(acmeLevel(), words(tt.in))
			if err != nil {
				t.Fatalf("parse: %v", err)
			}
			if l.foreign != tt.foreign {
				t.Errorf("foreign is %v, want %v", l.foreign, tt.foreign)
			}
			if !slices.Equal(l.argv, words(tt.argv)) || !slices.Equal(l.operands, words(tt.operands)) || !slices.Equal(l.cmd, words(tt.cmd)) {
				t.Errorf("got %q %q %q", l.argv, l.operands, l.cmd)
			}
		})
	}
}

func TestParseHelp(t *testing.T) {
	for in, want := range map[string]string{
		"peer -h":                    "peer",
		"peer --help":                "peer",
		"peer kv -h":                 "peer kv",
		"peer -h lock":               "peer lock",
		"peer lock -h":               "peer lock",
		"peer lock x -h":             "peer lock",
		"peer lock x --help -- true": "peer lock",
		"peer lock --ttl 5s x -h":    "peer lock",
		"peer kv get help --help":    "peer kv get",
		"peer lock --nonsense -h":    "peer lock",
	} {
		l, err := parse(peerLevel(), words(in))
		if err != nil || !l.help || l.self() != want {
			t.Errorf("%s: help %v for %q, error %v; want the help of %q", in, l.help, l.self(), err, want)
		}
	}
	if l, err := parse(acmeLevel(), words("acme cluster lock -h")); err != nil || !l.help || l.self() != "acme cluster lock" {
		t.Errorf("mounted: help %v for %q, error %v", l.help, l.self(), err)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct{ in, what string }{
		{"peer", "a command is missing: it is one of dev, run, config, status, wait-ready, events, kv, lock, secret, completion, version"},
		{"peer kv", "a command is missing: it is one of get, put, del, ls, watch"},
		{"peer help", `unknown command "help"`},
		{"peer dev n1", `unknown command "n1": the nearest is kill`},
		{"peer dev kill", "NODE is missing"},
		{"peer dev -- n1", "a command must come before --"},
		{"peer stats", `unknown command "stats": the nearest is status`},
		{"peer lokc x -- true", `unknown command "lokc": the nearest is lock`},
		{"peer kv gte k", `unknown command "gte": the nearest is get`},
		{"peer kv help", `unknown command "help"`},
		{"peer -- status", "a command must come before --"},
		{"peer status --jsno", "unknown flag --jsno: the nearest is --"},
		{"peer status --outptu json", "unknown flag --outptu: the nearest is --output"},
		{"peer lock x --tyr -- true", "unknown flag --tyr: the nearest is --try"},
		{"peer --tyr lock x -- true", "unknown flag --tyr: the nearest is --try"},
		{"peer --try status", "unknown flag --try"},
		{"peer lock -x y -- true", "unknown flag -x"},
		{"peer kv put k -5", "an argument that begins with - comes after --"},
		{"peer status now", `one argument too many: "now"`},
		{"peer kv get", "KEY is missing"},
		{"peer kv get a b", `one argument too many: "b"`},
		{"peer kv put a", "VALUE is missing"},
		{"peer kv get -- a b", `one argument too many: "b"`},
		{"peer lock", "NAME is missing"},
		{"peer lock x", "CMD is missing"},
		{"peer lock --", "NAME is missing"},
		{"peer lock -- true", "CMD is missing"}, // an empty $NAME must not lock "true" and run nothing
		{"peer lock x --", "CMD is missing"},
		{"peer lock x true", "CMD must come after --"},
		{"peer lock -- x true", "CMD must come after --"},
		{"peer lock x y -- true", `one argument too many: "y"`},
		{"peer lock x --ttl -- true", "--ttl needs a value"},
		{"peer lock x --ttl", "--ttl needs a value"},
		{"peer lock --timeout --try x -- true", "--timeout needs a value: one that begins with - is written --timeout=--try"},
		{"peer kv get k --socket -s", "--socket needs a value"},
	} {
		t.Run(tt.in, func(t *testing.T) {
			l, err := parse(peerLevel(), words(tt.in))
			var bad *usageError
			if !errors.As(err, &bad) || !strings.Contains(bad.Error(), tt.what) {
				t.Fatalf("got %+v, %v; want %q", l.argv, err, tt.what)
			}
			if codeOf(err) != codeUsage {
				t.Errorf("exit code is %d, want %d", codeOf(err), codeUsage)
			}
		})
	}
	for _, in := range []string{"acme cluster stauts", "acme --bogus cluster status", "acme cluster status --bogus"} {
		if _, err := parse(acmeLevel(), words(in)); err == nil {
			t.Errorf("%s: no error", in)
		}
	}
}

// A flag written before its command is known is read by the first command that
// has it, so all commands must agree on which flags take values.
func TestFlagsAgree(t *testing.T) {
	seen := map[string]bool{}
	var walk func(l level)
	walk = func(l level) {
		for _, f := range l.flags {
			for _, n := range f.Names() {
				if takes, ok := seen[n]; ok && takes != takesValue(f) {
					t.Errorf("flag %s takes a value in one command and none in another", n)
				}
				seen[n] = takesValue(f)
			}
		}
		for _, c := range l.commands {
			walk(commandLevel(c))
		}
	}
	walk(peerLevel())
	if len(seen) < 5 {
		t.Errorf("only %d flags were seen", len(seen))
	}
}

// Whatever is typed: no panic; arguments come out in the order and number they
// went in; and what was understood, written in the plain order, is understood
// the same again.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"lock ls -- true", "lock -- ls -- true", "lock -- --odd --ttl 5s -- sh -c -- x", "kv put k -- -5", "-o json status",
		"--socket s kv get help", "lock x --try=false --timeout=-5s -- -- y", "events -f --after=", "kv -h", "-- status", "--version",
	} {
		f.Add(s, true)
		f.Add("cluster "+s, false)
	}
	peer, acme := peerLevel(), acmeLevel()
	f.Fuzz(func(t *testing.T, s string, plain bool) {
		root := acme
		if plain {
			root = peer
		}
		args := append([]string{root.name}, strings.Split(s, " ")...)
		l, err := parse(root, args)
		if err != nil || l.help {
			return
		}
		if l.foreign {
			if !slices.Equal(l.argv, args) {
				t.Fatalf("the library gets %q of %q", l.argv, args)
			}
			return
		}
		if want := append(slices.Clone(l.operands), l.cmd...); !subsequence(want, args) {
			t.Fatalf("arguments %q are not in the order of %q", want, args)
		}
		if n := len(l.cmd); n > 0 && !slices.Equal(l.cmd, args[len(args)-n:]) {
			t.Fatalf("CMD %q is not the end of %q", l.cmd, args)
		}
		canonical := append(append(slices.Clone(l.argv), "--"), l.operands...)
		if l.cmd != nil {
			canonical = append(append(canonical, "--"), l.cmd...)
		}
		if len(l.last().commands) > 0 { // --version
			return
		}
		again, err := parse(root, canonical)
		if err != nil {
			t.Fatalf("%q became %q: %v", args, canonical, err)
		}
		if !slices.Equal(again.argv, l.argv) || !slices.Equal(again.operands, l.operands) || !slices.Equal(again.cmd, l.cmd) {
			t.Fatalf("%q became %q, then %q %q %q", args, canonical, again.argv, again.operands, again.cmd)
		}
	})
}

// subsequence reports whether all of a stand in b, in that order.
func subsequence(a, b []string) bool {
	for _, w := range b {
		if len(a) > 0 && a[0] == w {
			a = a[1:]
		}
	}
	return len(a) == 0
}

func TestNearest(t *testing.T) {
	commands := []string{"dev", "status", "wait-ready", "events", "kv", "lock", "secret", "version"}
	for word, want := range map[string]string{
		"statsu": "status", "stat": "status", "lokc": "lock", "evnets": "events", "ev": "dev", "waitready": "wait-ready", "": "kv", "versoin": "version", "sercet": "secret",
	} {
		if got := nearest(word, commands); got != want {
			t.Errorf("nearest to %q is %q, want %q", word, got, want)
		}
	}
	if d := edits("ca", "abc"); d != 3 {
		t.Errorf("edits of ca, abc is %d, want 3", d)
	}
}
