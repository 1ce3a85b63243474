package quorate_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// hostsOwn lists what belongs to the program that links us, by import path: its
// life, its signals, its logger, its default mux, registry and flags.
var hostsOwn = map[string][]string{
	"os":        {"Exit"},
	"syscall":   {"Exit"},
	"os/signal": {"Notify", "NotifyContext", "Ignore", "Reset", "Stop"},
	"log": {"Fatal", "Fatalf", "Fatalln", "Panic", "Panicf", "Panicln", "SetFlags", "SetOutput", "SetPrefix",
		"Print", "Printf", "Println", "Default"},
	"log/slog": {"SetDefault", "SetLogLoggerLevel", "Default", "Debug", "Info", "Warn", "Error", "Log", "LogAttrs",
		"DebugContext", "InfoContext", "WarnContext", "ErrorContext"},
	"net/http": {"Handle", "HandleFunc", "DefaultServeMux"},
	"expvar":   {"Publish", "NewInt", "NewFloat", "NewMap", "NewString"},
	"flag": {"Parse", "String", "StringVar", "Bool", "BoolVar", "Int", "IntVar", "Int64", "Int64Var", "Duration", "DurationVar", "Var",
		"Func", "BoolFunc", "CommandLine"},
	"github.com/prometheus/client_golang/prometheus":          {"MustRegister", "Register", "Unregister", "DefaultRegisterer"},
	"github.com/prometheus/client_golang/prometheus/promauto": {"NewCounter", "NewGauge", "NewHistogram", "NewSummary", "NewCounterVec", "NewGaugeVec", "NewHistogramVec"},
	"go.uber.org/zap":                {"ReplaceGlobals", "RedirectStdLog"},
	"google.golang.org/grpc/grpclog": {"SetLogger", "SetLoggerV2"},
	"golang.org/x/sys/unix":          {"Exit"},
}

// TestHostManners reads the source: outside the binary, the examples and the
// tests nothing touches what is the host program's own.
func TestHostManners(t *testing.T) {
	seen := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if path != "." && (strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"testdata", "cluster-test", "examples"}, d.Name())) {
				return filepath.SkipDir
			}
			return nil
		}
		// The binary itself is cmd/peer/*.go; cmd/peer/command is linked by products.
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || filepath.Dir(path) == filepath.Join("cmd", "peer") {
			return nil
		}
		seen++
		found, err := touches(path, nil)
		if err != nil {
			return err
		}
		for _, f := range found {
			t.Error(f)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 3 {
		t.Fatalf("read only %d files: the walk misses the source", seen)
	}
}

// touches lists the uses of hostsOwn in one file, as calls or as values. src is
// as for parser.ParseFile.
func touches(path string, src any) ([]string, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var out []string
	say := func(n ast.Node, what string) {
		out = append(out, fmt.Sprintf("%s: %s belongs to the host program", fset.Position(n.Pos()), what))
	}
	names := map[string]string{} // as written in this file → import path
	for _, im := range file.Imports {
		p, err := strconv.Unquote(im.Path.Value)
		if err != nil {
			return nil, err
		}
		if _, ok := hostsOwn[p]; !ok {
			continue
		}
		name := p[strings.LastIndex(p, "/")+1:]
		if im.Name != nil {
			name = im.Name.Name
		}
		if name == "." {
			say(im, "a dot import of "+p+" hides calls, and some of them")
			continue
		}
		names[name] = p
	}
	ast.Inspect(file, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && slices.Contains(hostsOwn[names[x.Name]], sel.Sel.Name) {
			say(sel, names[x.Name]+"."+sel.Sel.Name)
		}
		return true
	})
	return out, nil
}

// TestHostMannersCanFail shows the scan what it must see, and what it must not.
func TestHostMannersCanFail(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       int
	}{
		{"call", `import "os"; func f() { os.Exit(1) }`, 1},
		{"value", `import "os"; var die = os.Exit`, 1},
		{"renamed", `import o "os"; func f() { o.Exit(1) }`, 1},
		{"dot", `import . "os"; func f() { Exit(1) }`, 1},
		{"signals", `import "os/signal"; func f() { signal.Notify(nil); signal.NotifyContext(nil) }`, 2},
		{"logger", `import "log/slog"; func f(l *slog.Logger) { slog.SetDefault(l); l.Info("x") }`, 1},
		{"mux", `import "net/http"; func f() { http.HandleFunc("/x", nil); http.Handle("/", http.DefaultServeMux) }`, 3},
		{"own mux", `import "net/http"; func f() { m := http.NewServeMux(); m.HandleFunc("/x", nil) }`, 0},
		{"another Exit", `type T struct{}; func (T) Exit(int) {}; var os T; func f() { os.Exit(1) }`, 0},
	} {
		got, err := touches(c.name+".go", "package p; "+c.body)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if len(got) != c.want {
			t.Errorf("%s: found %d, want %d: %q", c.name, len(got), c.want, got)
		}
	}
}
