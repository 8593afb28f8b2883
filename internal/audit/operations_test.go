package audit_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sealock/sealock/internal/audit"
)

// TestOperationsAreListed reads the code: each operation that is recorded stands in the list that filters are made of, and
// of the list each is recorded somewhere, in whole or by its verb.
func TestOperationsAreListed(t *testing.T) {
	t.Parallel()
	found := recorded(t)
	for _, op := range audit.Operations() {
		kind, _ := audit.Split(op)
		if !slices.Contains(found, op) && !slices.Contains(found, kind+".") {
			t.Errorf("nothing records the operation %q of the list", op)
		}
		found = slices.DeleteFunc(found, func(o string) bool { return o == op })
	}
	for _, op := range found {
		if kind, ok := strings.CutSuffix(op, "."); !ok || !slices.Contains(audit.Kinds(), kind) {
			t.Errorf("the operation %q is recorded and not listed", op)
		}
	}
}

// recorded returns what the code gives to something called operation: texts, and the beginnings of those that are put
// together.
func recorded(t *testing.T) []string {
	t.Helper()
	r := reader{functions: map[string][]int{}}
	var files []*ast.File
	for _, room := range []string{"api", "auth", "cmd", "internal/audit", "job", "project", "proxy", "store/sqlstore", "web"} {
		err := filepath.WalkDir(filepath.Join("..", "..", room), func(path string, d fs.DirEntry, err error) error {
			generated := strings.Contains(path, "/gen/") || strings.Contains(path, "/client/")
			if err != nil || d.IsDir() || generated || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			files = append(files, file)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range files {
		ast.Inspect(f, r.declared)
	}
	for _, f := range files {
		ast.Inspect(f, r.given)
	}
	slices.Sort(r.found)
	return slices.Compact(r.found)
}

type reader struct {
	functions map[string][]int // where a parameter is called operation
	found     []string
}

func (r *reader) declared(n ast.Node) bool {
	f, ok := n.(*ast.FuncDecl)
	if !ok {
		return true
	}
	i := 0
	for _, field := range f.Type.Params.List {
		for _, name := range field.Names {
			if name.Name == "operation" {
				r.functions[f.Name.Name] = append(r.functions[f.Name.Name], i)
			}
			i++
		}
	}
	return true
}

func (r *reader) given(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.KeyValueExpr:
		if key, ok := n.Key.(*ast.Ident); ok && strings.EqualFold(key.Name, "operation") {
			r.take(n.Value)
		}
	case *ast.AssignStmt:
		for i, to := range n.Lhs {
			if name(to) == "operation" && i < len(n.Rhs) {
				r.take(n.Rhs[i])
			}
		}
	case *ast.ValueSpec:
		for i, to := range n.Names {
			if strings.HasPrefix(to.Name, "op") && i < len(n.Values) {
				r.take(n.Values[i])
			}
		}
	case *ast.CallExpr:
		for _, i := range r.functions[name(n.Fun)] {
			if i < len(n.Args) {
				r.take(n.Args[i])
			}
		}
	case *ast.FuncDecl:
		if n.Type.Results != nil && len(n.Type.Results.List) > 0 && len(n.Type.Results.List[0].Names) > 0 && n.Type.Results.List[0].Names[0].Name == "operation" {
			ast.Inspect(n.Body, func(n ast.Node) bool {
				if ret, ok := n.(*ast.ReturnStmt); ok && len(ret.Results) > 0 {
					r.take(ret.Results[0])
				}
				return true
			})
		}
	}
	return true
}

func name(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return strings.ToLower(e.Sel.Name[:1]) + e.Sel.Name[1:]
	}
	return ""
}

var operation = regexp.MustCompile(`^[a-z][a-z_-]*(\.[a-z_.-]*)?$`)

func (r *reader) take(e ast.Expr) {
	if sum, ok := e.(*ast.BinaryExpr); ok {
		e = sum.X
	}
	if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
		if text, err := strconv.Unquote(lit.Value); err == nil && operation.MatchString(text) {
			r.found = append(r.found, text)
		}
	}
}
