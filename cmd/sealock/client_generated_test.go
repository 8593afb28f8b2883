package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestCommandsUseTheGeneratedClient looks for requests that a client command makes up by itself: what it asks the API for
// would be in no document. Tokens come from an end-point of OAuth 2.0, by cmd/internal/remote.
func TestCommandsUseTheGeneratedClient(t *testing.T) {
	files, err := filepath.Glob("client_*.go")
	if err != nil || len(files) < 10 {
		t.Fatalf("the client commands are in %q, %v, want them in client_*.go", files, err)
	}
	harmless := []string{"Request", "Response", "RoundTripper", "Header"}
	generated := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		fset := token.NewFileSet()
		tree, err := parser.ParseFile(fset, file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(imports(tree), "/api/client ") {
			generated++
		}
		if strings.Contains(imports(tree), "net/http/") {
			t.Errorf("%s imports %s, want the generated client to send requests", file, imports(tree))
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if name := n.Sel.Name; isHTTP(n.X) && !slices.Contains(harmless, name) && !strings.HasPrefix(name, "Status") && !strings.HasPrefix(name, "Method") {
					t.Errorf("%s uses http.%s, want the generated client to send requests", fset.Position(n.Pos()), name)
				}
			case *ast.BasicLit:
				if n.Kind == token.STRING && strings.Contains(n.Value, "/api/v") {
					t.Errorf("%s knows a path of the API, %s, want the generated client to know them", fset.Position(n.Pos()), n.Value)
				}
			}
			return true
		})
	}
	if generated < 10 {
		t.Errorf("%d files import the generated client, want the commands to", generated)
	}
}

func isHTTP(x ast.Expr) bool {
	name, ok := x.(*ast.Ident)
	return ok && name.Name == "http"
}

// imports lists what a file imports, with a space behind each.
func imports(tree *ast.File) string {
	var b strings.Builder
	for _, i := range tree.Imports {
		path, _ := strconv.Unquote(i.Path.Value) // the parser has checked it
		b.WriteString(path + " ")
	}
	return b.String()
}
