package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// FuzzOperations sends any body and any query to any operation, as the administrator: whatever it reads of them, the
// answer is the document's (world.send holds it to that), and a fault is never the server's.
func FuzzOperations(f *testing.F) {
	ops := slices.DeleteFunc(operations(f, loadDocument(f)), func(op operation) bool { // what calls whoever a body names
		return slices.Contains([]string{"createRegistry", "updateRegistry", "pingRegistry", "pingLdap"}, op.OperationID)
	})
	for i, op := range ops {
		if body := op.example(f); body != "" {
			f.Add(uint(i), "", body)
		} else if op.Parameters.GetByInAndName("query", "sort") != nil {
			f.Add(uint(i), "page=2&page_size=3&sort=-name&q=name%3D~a", "")
			f.Add(uint(i), "q="+urlEscape(`name={a "b, c"},id=[1~2],creation_time=[2026-01-02~],public={true false}`), "")
			f.Add(uint(i), "q="+urlEscape(`tags=(a b),labels={1 2},op_time=2026-01-02,username=[a~b],operation={create delete}`), "")
		}
	}
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, n uint, query, body string) {
		w.t = t
		op := ops[int(n%uint(len(ops)))]
		path := w.path(op)
		if strings.ContainsFunc(query, func(r rune) bool { return r <= ' ' || r > '~' || r == '#' }) {
			query = urlEscape(query)
		}
		if query != "" {
			path += map[bool]string{true: "&", false: "?"}[strings.Contains(path, "?")] + query
		}
		got := w.as(admin, op.method, path, body)
		if got.status >= http.StatusInternalServerError && got.status != http.StatusNotImplemented && got.status != http.StatusServiceUnavailable {
			t.Errorf("%s %q with %q = %d %s, want no fault of the server's", op.method, path, body, got.status, got.body)
		}
		if got.status >= http.StatusBadRequest && op.method != http.MethodHead && got.code() == "" {
			t.Errorf("%s %q with %q = %d %s, want errors[]", op.method, path, body, got.status, got.body)
		}
	})
}
