package proxy

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// A registry that reads tags from the query must not get one that no rule was asked about.
func TestTagInQueryStaysHere(t *testing.T) {
	for query, want := range map[string]string{"tag=v1": "", "t%61g=v1&x=y&tag=v2": "x=y", "x=y": "x=y"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/v2/team/app/manifests/sha256:0?"+query, http.NoBody)
		if dropParameters(r, "tag"); r.URL.RawQuery != want {
			t.Errorf("query %q without tag = %q, want %q", query, r.URL.RawQuery, want)
		}
	}
}
