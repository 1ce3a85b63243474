package quorate_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/build"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite api.txt from the source")

// public lists the packages a program may import, from the module's root.
var public = []string{"bootstrap", "cmd/peer/command", "embed", "node", "node/nodetest", "recipes", "recipes/lockexec"}

// TestAPI compares the exported names with api.txt, so that none comes, goes or
// changes its signature unnoticed:
//
//	go test -run TestAPI . -update
func TestAPI(t *testing.T) {
	var got []string
	for _, dir := range public {
		lines, err := exported(dir)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, lines...)
	}
	if *update {
		if err := os.WriteFile("api.txt", []byte(strings.Join(got, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	file, err := os.ReadFile("api.txt")
	if err != nil {
		t.Fatal(err)
	}
	gone, come := difference(strings.Split(strings.TrimSpace(string(file)), "\n"), got)
	for _, l := range gone {
		t.Errorf("- %s", l)
	}
	for _, l := range come {
		t.Errorf("+ %s", l)
	}
	if t.Failed() {
		t.Error("the exported names differ from api.txt; if that is meant, run `go test -run TestAPI . -update` and commit api.txt with the reason")
	}
}

// difference returns what only a has, and what only b has.
func difference(a, b []string) (onlyA, onlyB []string) {
	for _, l := range a {
		if !slices.Contains(b, l) {
			onlyA = append(onlyA, l)
		}
	}
	for _, l := range b {
		if !slices.Contains(a, l) {
			onlyB = append(onlyB, l)
		}
	}
	return onlyA, onlyB
}

// exported lists the exported names of the package in dir, one a line, sorted:
// a struct's fields and an interface's methods have lines of their own.
func exported(dir string) ([]string, error) {
	// ImportDir chooses the files this platform builds, and leaves out the tests.
	pkg, err := build.ImportDir(dir, 0)
	if err != nil {
		return nil, fmt.Errorf("find the files of a public package: %w", err)
	}
	var lines []string
	for _, name := range pkg.GoFiles {
		path := filepath.Join(dir, name)
		src, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		found, err := exportedFrom(dir, path, src)
		if err != nil {
			return nil, err
		}
		lines = append(lines, found...)
	}
	slices.Sort(lines)
	return lines, nil
}

func exportedFrom(pkg, path string, src []byte) ([]string, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var out []string
	add := func(format string, args ...any) { out = append(out, pkg+": "+fmt.Sprintf(format, args...)) }
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if !d.Name.IsExported() || d.Recv != nil && !ast.IsExported(receiver(d.Recv.List[0].Type)) {
				continue
			}
			d.Doc, d.Body = nil, nil
			add("%s", print(fset, d))
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.ValueSpec:
					for i, name := range s.Names {
						if name.IsExported() {
							add("%s %s%s", d.Tok, name.Name, rest(fset, d.Tok, s, i))
						}
					}
				case *ast.TypeSpec:
					if s.Name.IsExported() {
						for _, l := range typeLines(fset, s) {
							add("%s", l)
						}
					}
				}
			}
		}
	}
	return out, nil
}

// rest is what follows the name of a constant or variable: its type, and a
// constant's value as it is written.
func rest(fset *token.FileSet, tok token.Token, s *ast.ValueSpec, i int) string {
	out := ""
	if s.Type != nil {
		out = " " + print(fset, s.Type)
	}
	if tok == token.CONST && i < len(s.Values) {
		out += " = " + print(fset, s.Values[i])
	}
	return out
}

func typeLines(fset *token.FileSet, s *ast.TypeSpec) []string {
	head := "type " + s.Name.Name
	if s.TypeParams != nil {
		var ps []string
		for _, f := range s.TypeParams.List {
			ps = append(ps, names(f)+" "+print(fset, f.Type))
		}
		head += "[" + strings.Join(ps, ", ") + "]"
	}
	if s.Assign.IsValid() {
		return []string{head + " = " + print(fset, s.Type)}
	}
	switch typ := s.Type.(type) {
	case *ast.StructType:
		lines := []string{head + " struct"}
		for _, f := range typ.Fields.List {
			tag := ""
			if f.Tag != nil {
				tag = " " + f.Tag.Value
			}
			if f.Names == nil && ast.IsExported(receiver(f.Type)) {
				lines = append(lines, fmt.Sprintf("%s struct, embedded %s%s", head, print(fset, f.Type), tag))
			}
			for _, n := range f.Names {
				if n.IsExported() {
					lines = append(lines, fmt.Sprintf("%s struct, %s %s%s", head, n.Name, print(fset, f.Type), tag))
				}
			}
		}
		return lines
	case *ast.InterfaceType:
		lines := []string{head + " interface"}
		for _, f := range typ.Methods.List {
			if f.Names == nil {
				lines = append(lines, fmt.Sprintf("%s interface, embedded %s", head, print(fset, f.Type)))
			}
			for _, n := range f.Names {
				// An unexported method counts: it says who may implement the interface.
				lines = append(lines, fmt.Sprintf("%s interface, %s%s", head, n.Name, strings.TrimPrefix(print(fset, f.Type), "func")))
			}
		}
		return lines
	}
	return []string{head + " " + print(fset, s.Type)}
}

func names(f *ast.Field) string {
	var out []string
	for _, n := range f.Names {
		out = append(out, n.Name)
	}
	return strings.Join(out, ", ")
}

// receiver is the bare name of a receiver's or an embedded field's type.
func receiver(e ast.Expr) string {
	switch x := e.(type) {
	case *ast.StarExpr:
		return receiver(x.X)
	case *ast.IndexExpr:
		return receiver(x.X)
	case *ast.IndexListExpr:
		return receiver(x.X)
	case *ast.SelectorExpr:
		return x.Sel.Name
	case *ast.Ident:
		return x.Name
	}
	return ""
}

// print writes a node on one line.
func print(fset *token.FileSet, n ast.Node) string {
	var b bytes.Buffer
	if err := format.Node(&b, fset, n); err != nil {
		return fmt.Sprintf("unprintable: %v", err)
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// TestAPILines holds the form of the list, and that it sees what it must.
func TestAPILines(t *testing.T) {
	src := `package p

import "context"

// Max is documented.
const Max, min = 5, 3

var ErrGone, hidden error

type T[K comparable, V any] struct {
	Name string ` + "`json:\"name\"`" + `
	*Embedded
	secret int
	F    func(
		a int,
	) error
}

func (t *T[K, V]) Do(ctx context.Context) error { return nil }
func (t *T[K, V]) do()                          {}

type hiddenT struct{}

func (hiddenT) Do() {}

type I interface {
	Run(int) error
	mark()
}

type A = T[string, int]
type N int

func New[T any](v ...T) (*T, error) { return nil, nil }
`
	want := []string{
		"p: const Max = 5",
		"p: var ErrGone error",
		"p: type T[K comparable, V any] struct",
		"p: type T[K comparable, V any] struct, Name string `json:\"name\"`",
		"p: type T[K comparable, V any] struct, embedded *Embedded",
		"p: type T[K comparable, V any] struct, F func( a int, ) error",
		"p: func (t *T[K, V]) Do(ctx context.Context) error",
		"p: type I interface",
		"p: type I interface, Run(int) error",
		"p: type I interface, mark()",
		"p: type A = T[string, int]",
		"p: type N int",
		"p: func New[T any](v ...T) (*T, error)",
	}
	got, err := exportedFrom("p", "p.go", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	gone, come := difference(want, got)
	if len(gone)+len(come) != 0 {
		t.Errorf("missing: %q\nunexpected: %q", gone, come)
	}
}
