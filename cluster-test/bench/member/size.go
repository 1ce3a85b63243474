package member

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/quorate/quorate/cluster-test/bench/figure"
)

const (
	ourModule = "github.com/quorate/quorate"
	etcdEmbed = "go.etcd.io/etcd/server/v3/embed"
)

// binary is the size of peer as a product would ship it.
func binary(ctx context.Context, dir string) ([]figure.Row, error) {
	root, err := moduleRoot(ctx)
	if err != nil {
		return nil, err
	}
	out := filepath.Join(dir, "peer")
	if _, err := goTool(ctx, root, "build", "-trimpath", "-ldflags", "-s -w", "-o", out, "./cmd/peer"); err != nil {
		return nil, err
	}
	info, err := os.Stat(out)
	if err != nil {
		return nil, err
	}
	return []figure.Row{figure.AtMost("peer, stripped", float64(info.Size())/1e6, "MB", 45, "")}, nil
}

// modules compares the go.mod of a user who imports node with that of a user who
// imports only etcd's embed.
func modules(ctx context.Context, dir string) ([]figure.Row, error) {
	root, err := moduleRoot(ctx)
	if err != nil {
		return nil, err
	}
	ours, err := goMod(ctx, root)
	if err != nil {
		return nil, err
	}
	version := ""
	for _, r := range ours.Require {
		if r.Path == "go.etcd.io/etcd/server/v3" {
			version = r.Version
		}
	}
	etcd, err := userOf(ctx, filepath.Join(dir, "etcd-user"), ours.Go, etcdEmbed,
		"-require=go.etcd.io/etcd/server/v3@"+version)
	if err != nil {
		return nil, err
	}
	user, err := userOf(ctx, filepath.Join(dir, "node-user"), ours.Go, ourModule+"/node",
		"-require="+ourModule+"@v0.0.0", "-replace="+ourModule+"="+root)
	if err != nil {
		return nil, err
	}
	had := map[string]bool{}
	for _, r := range etcd.Require {
		had[r.Path] = true
	}
	total := 0.0
	for _, r := range user.Require {
		if !had[r.Path] && r.Path != ourModule {
			total++
		}
	}
	direct := 0.0
	for _, r := range ours.Require {
		if !r.Indirect && !had[r.Path] {
			direct++
		}
	}
	return []figure.Row{
		figure.Print("modules a user's go.mod gains beyond etcd's own, beside ours", total, "modules"),
		figure.AtMost("modules we require directly, beyond etcd's own", direct, "modules", 12, ""),
	}, nil
}

// mod is as much of `go mod edit -json` as we read.
type mod struct {
	Go      string
	Require []struct {
		Path, Version string
		Indirect      bool
	}
}

// userOf makes a module that imports one package and nothing else, tidied.
func userOf(ctx context.Context, dir, version, imports string, edits ...string) (mod, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return mod{}, err
	}
	for name, text := range map[string]string{
		"go.mod":  "module example.org/user\n\ngo " + version + "\n",
		"user.go": "package user\n\nimport _ \"" + imports + "\"\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return mod{}, err
		}
	}
	if _, err := goTool(ctx, dir, append([]string{"mod", "edit"}, edits...)...); err != nil {
		return mod{}, err
	}
	if _, err := goTool(ctx, dir, "mod", "tidy"); err != nil {
		return mod{}, err
	}
	return goMod(ctx, dir)
}

func goMod(ctx context.Context, dir string) (mod, error) {
	out, err := goTool(ctx, dir, "mod", "edit", "-json")
	if err != nil {
		return mod{}, err
	}
	var m mod
	if err := json.Unmarshal(out, &m); err != nil {
		return mod{}, fmt.Errorf("read go.mod of %s: %w", dir, err)
	}
	return m, nil
}

// moduleRoot is where Quorate's own go.mod lies: the bench runs in cluster-test.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := goTool(ctx, ".", "list", "-m", "-f", "{{.Dir}}", ourModule)
	if err != nil {
		return "", err
	}
	return string(out[:len(out)-1]), nil
}

func goTool(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		var stderr []byte
		if e, ok := err.(*exec.ExitError); ok {
			stderr = e.Stderr
		}
		return nil, fmt.Errorf("go %v: %w\n%s", args, err, stderr)
	}
	return out, nil
}
