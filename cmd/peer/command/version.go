package command

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/urfave/cli/v2"
	etcdversion "go.etcd.io/etcd/api/v3/version"
)

const modulePath = "github.com/quorate/quorate"

// A build says what this binary was made of.
type build struct {
	Version  string `json:"version"`            // of the module; "(devel)" for a checkout
	Revision string `json:"revision,omitempty"` // of the source
	Modified bool   `json:"modified,omitempty"` // the source was not committed
	Go       string `json:"go"`
	Etcd     string `json:"etcd"`
	Platform string `json:"platform"`
}

func versionCommand() *cli.Command {
	return command(&cli.Command{
		Name:  "version",
		Usage: "print the versions of this binary",
		Flags: []cli.Flag{outputFlag("text", "json")},
	}, func(c *call) error {
		info, _ := debug.ReadBuildInfo()
		b := buildOf(info)
		if c.format() == "json" {
			return c.json(b)
		}
		return c.printf("%s %s\n", c.app.Name, b)
	})
}

func moduleVersion() string {
	info, _ := debug.ReadBuildInfo()
	return buildOf(info).Version
}

// buildOf reads the build information, in a product's binary too, where Quorate
// is a dependency and the revision is the product's.
func buildOf(info *debug.BuildInfo) build {
	b := build{Version: "(devel)", Go: runtime.Version(), Etcd: etcdversion.Version, Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info == nil {
		return b
	}
	for _, m := range info.Deps {
		if m.Path == modulePath {
			if m.Replace != nil {
				m = m.Replace
			}
			if m.Version != "" {
				b.Version = m.Version
			}
			return b
		}
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

func (b build) String() string {
	lines := []string{b.Version}
	if b.Revision != "" {
		rev := b.Revision
		if b.Modified {
			rev += " with changes"
		}
		lines = append(lines, "revision "+rev)
	}
	lines = append(lines, "etcd "+b.Etcd, fmt.Sprintf("%s %s", b.Go, b.Platform))
	return strings.Join(lines, "\n")
}
