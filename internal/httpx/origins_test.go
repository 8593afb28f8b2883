package httpx_test

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sealock/sealock/internal/httpx"
)

func TestRedirect(t *testing.T) {
	origins, err := httpx.NewOrigins([]string{"http://plain.example", "https://one.example", "https://two.example:8443"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		request, want string
		status        int
	}{
		"a name":           {"GET /v2/?x=1 HTTP/1.1\r\nHost: one.example\r\n\r\n", "https://one.example/v2/?x=1", 301},
		"another port":     {"HEAD / HTTP/1.1\r\nHost: TWO.example:80\r\n\r\n", "https://two.example:8443/", 301},
		"a push":           {"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: one.example\r\nContent-Length: 0\r\n\r\n", "https://one.example/v2/a/blobs/uploads/", 308},
		"a stranger":       {"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "https://one.example/", 301},
		"no https":         {"GET / HTTP/1.1\r\nHost: plain.example\r\n\r\n", "https://one.example/", 301},
		"absolute form":    {"GET http://evil.example/a HTTP/1.1\r\nHost: one.example\r\n\r\n", "https://one.example/a", 301},
		"an odd path":      {"GET //evil.example/%0d%0aX:y HTTP/1.1\r\nHost: one.example\r\n\r\n", "https://one.example//evil.example/%0d%0aX:y", 301},
		"an encoded slash": {"GET /v2/a%2fb HTTP/1.1\r\nHost: one.example\r\n\r\n", "https://one.example/v2/a%2fb", 301},
		"no path":          {"OPTIONS * HTTP/1.1\r\nHost: one.example\r\n\r\n", "https://one.example/", 308},
	} {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(row.request)))
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		origins.Redirect(w, r)
		if got := w.Header().Get("Location"); got != row.want || w.Code != row.status {
			t.Errorf("%s: Redirect() = %d %s, want %d %s", name, w.Code, got, row.status, row.want)
		}
	}
}
