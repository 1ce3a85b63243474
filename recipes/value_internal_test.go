package recipes

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: the format changed\n got: %s\nwant: %s", name, got, want)
	}
}

// Every process of a cluster must agree on these, also across versions.
func TestKeysGolden(t *testing.T) {
	var b strings.Builder
	for _, name := range []string{"backup", "a/b", "a%2Fb", "a b", "..", "-x", "größe", "\xff\x00", "x?y#z&", strings.Repeat("n", maxName)} {
		b.WriteString(lockPrefix(name) + claimID(0x694d8a1b2c3d4e5f, 12) + "\n")
	}
	b.WriteString(voidRoot + claimID(0x694d8a1b2c3d4e5f, 12) + "\n" + proofKey + "\n")
	golden(t, "keys.txt", b.String())
}

func TestClaimGolden(t *testing.T) {
	golden(t, "claim.json", claimValue{Version: claimVers, Owner: "box1:4711"}.encode())
}

func TestClaimValues(t *testing.T) {
	for in, want := range map[string]claimValue{
		``:                                {},
		`not JSON`:                        {},
		`[1]`:                             {},
		`{"owner":"a:1","v":1}`:           {Version: 1, Owner: "a:1"},
		`{"v":"odd","owner":"a:1"}`:       {Owner: "a:1"},
		`{"owner":"b","shared":7,"v":99}`: {Version: 99, Owner: "b"},
	} {
		got := decodeClaim([]byte(in))
		if got.Version != want.Version || got.Owner != want.Owner {
			t.Errorf("%q: %+v", in, got)
		}
	}
	const newer = `{"nested":{"a":[1,2]},"owner":"b","shared":7,"v":99}`
	v := decodeClaim([]byte(newer))
	v.Owner = "c"
	if got := v.encode(); got != strings.Replace(newer, `"b"`, `"c"`, 1) {
		t.Errorf("a newer build's fields were not kept: %s", got)
	}
}
