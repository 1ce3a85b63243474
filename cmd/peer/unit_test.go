package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// analyze is systemd-analyze. It comes with Debian's package systemd; in CI it
// must be there.
func analyze(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("systemd-analyze")
	if err != nil && os.Getenv("CI") != "" {
		t.Fatal("systemd-analyze is missing: apt-get install systemd")
	}
	if err != nil {
		t.Skip("systemd-analyze is missing: apt-get install systemd")
	}
	return path
}

func systemdFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../systemd", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// units writes the unit that is checked into a directory: ours with the built
// binary, or a product's with our drop-in.
func units(t *testing.T) (dir string, files []string) {
	t.Helper()
	peer, err := exec.LookPath("peer")
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	for name, text := range map[string]string{
		"peer.service":                   strings.ReplaceAll(systemdFile(t, "peer.service"), "/usr/bin/peer ", peer+" "),
		"acme.service":                   "[Unit]\nDescription=A product\n[Service]\nUser=acme\nExecStart=" + peer + " version\n",
		"acme.service.d/50-quorate.conf": systemdFile(t, "embedded.conf"),
		"backup.service":                 block(t, "backup.service"),
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		text = strings.ReplaceAll(text, "/usr/bin/peer ", peer+" ")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir, []string{"peer.service", "acme.service", "backup.service"}
}

// block is the block of systemd/README.md that begins with "# NAME".
func block(t *testing.T, name string) string {
	t.Helper()
	for _, b := range fence.FindAllStringSubmatch(systemdFile(t, "README.md"), -1) {
		if strings.HasPrefix(b[2], "# "+name) {
			return b[2]
		}
	}
	t.Fatalf("systemd/README.md has no block that begins with # %s", name)
	return ""
}

func TestUnitVerify(t *testing.T) {
	tool := analyze(t)
	dir, files := units(t)
	for _, f := range files {
		cmd := exec.Command(tool, "verify", "--man=no", filepath.Join(dir, f))
		cmd.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+dir+":")
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", f, err, out)
		}
	}
}

// Nothing in the unit is open that need not be.
func TestUnitExposure(t *testing.T) {
	tool := analyze(t)
	dir, _ := units(t)
	for f, limit := range map[string]string{"peer.service": "15", "acme.service": "20"} {
		out, err := exec.Command(tool, "security", "--offline=true", "--no-pager", "--threshold="+limit, filepath.Join(dir, f)).CombinedOutput()
		if err != nil {
			t.Errorf("%s is more exposed than %s tenths: %v\n%s", f, limit, err, out)
		}
		if m := regexp.MustCompile(`Overall exposure level for \S+: (\S+)`).FindSubmatch(out); m != nil {
			t.Logf("%s: exposure %s", f, m[1])
		}
	}
}

// What the unit promises and systemd-analyze does not look at. It runs without
// any systemd.
func TestUnitPromises(t *testing.T) {
	unit := strings.Split(systemdFile(t, "peer.service"), "\n")
	for _, line := range []string{
		"Type=notify", "Restart=always", "RestartPreventExitStatus=78", "StartLimitIntervalSec=0", "WatchdogSec=30s", "TimeoutStopSec=30s",
		"ExecStart=/usr/bin/peer run", "User=peer", "StateDirectory=peer", "RuntimeDirectory=peer", "LoadCredential=cluster.secret:/etc/peer/cluster.secret",
	} {
		if !slices.Contains(unit, line) {
			t.Errorf("peer.service does not say %s", line)
		}
	}
	// A product gets what the unit has, but what concerns only its own start.
	for line := range strings.Lines(systemdFile(t, "embedded.conf")) {
		line = strings.TrimSpace(line)
		key, _, ok := strings.Cut(line, "=")
		if !ok || strings.HasPrefix(line, "#") || slices.Contains([]string{"StateDirectory", "RuntimeDirectory", "LoadCredential"}, key) {
			continue
		}
		if !slices.Contains(unit, line) {
			t.Errorf("embedded.conf says %s, peer.service does not", line)
		}
	}
}

// What an administrator pastes from systemd/README.md works: here it is pasted
// below a directory instead of /, without a service manager, as the first of the
// three machines.
func TestUnitReadme(t *testing.T) {
	peer, err := exec.LookPath("peer")
	if err != nil {
		t.Fatal(err)
	}
	root := shortDir(t)
	var script strings.Builder
	script.WriteString("set -eu\ncd \"$CHECKOUT\"\nsystemctl() { echo systemctl \"$@\"; }\nsystemd_sysusers() { :; }\nsystemd_tmpfiles() { :; }\n")
	blocks := 0
	for _, b := range fence.FindAllStringSubmatch(systemdFile(t, "README.md"), -1) {
		if b[1] != "sh" {
			continue
		}
		blocks++
		text := strings.NewReplacer(
			"install -m 0755 peer ", "install -m 0755 "+peer+" ", "peer config check", "peer config check --config /etc/peer/peer.yaml --secret-file /etc/peer/cluster.secret",
			"peer wait-ready --quorum --timeout 5m && peer status", "true", "systemd-", "systemd_",
		).Replace(b[2])
		script.WriteString(regexp.MustCompile(`([ >])(/usr/|/etc/)`).ReplaceAllString(text, "${1}"+root+"${2}"))
	}
	checkout, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"usr/bin", "etc/systemd/system"} { // which every system has
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("sh", "-c", script.String())
	cmd.Env = append(os.Environ(), "CHECKOUT="+checkout, "EDITOR=true")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\nin\n%s", err, out, script.String())
	}
	for _, want := range []string{"a node of cluster acme with 3 voters\n", "systemctl daemon-reload\n", "systemctl enable --now peer\n"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the output has no %q:\n%s", want, out)
		}
	}
	if blocks != 4 {
		t.Errorf("there are %d blocks", blocks)
	}
}
