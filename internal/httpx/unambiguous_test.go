package httpx_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/sealock/sealock/internal/httpx"
)

// What HTTP/2 lets through is looked at, and nothing of HTTP/1.1, where net/http has looked.
func TestUnambiguous(t *testing.T) {
	errors := httpx.Errors{Log: slog.New(slog.DiscardHandler)}
	handler := errors.Unambiguous(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }))
	const host = "registry.example.com"
	for _, row := range []struct {
		name    string
		major   int
		host    string
		length  int64
		lengths []string
		hosts   []string
		want    int
	}{
		{"no body", 2, host, 0, nil, nil, 202},
		{"no body, and said so", 2, host, 0, []string{"0"}, nil, 202},
		{"a body of unknown length", 2, host, -1, nil, nil, 202},
		{"a body", 2, host, 12, []string{"12"}, nil, 202},
		{"the host twice", 2, host, 0, nil, []string{"Registry.example.com"}, 202},
		{"HTTP/1.1, of which the connection is looked at", 1, host, 12, []string{"12"}, nil, 202},
		{"HTTP/1.0 without a host", 1, "", 0, nil, nil, 202},
		{"two lengths", 2, host, 12, []string{"12", "12"}, nil, 400},
		{"a length of no body", 2, host, 0, []string{"12"}, nil, 400},
		{"a length that is no number", 2, host, 0, []string{"+0"}, nil, 400},
		{"an empty length", 2, host, 0, []string{""}, nil, 400},
		{"another host", 2, host, 0, nil, []string{"evil.example"}, 400},
		{"two more hosts", 2, host, 0, nil, []string{host, host}, 400},
		{"no host", 2, "", 0, nil, nil, 400},
	} {
		for _, path := range []string{"/v2/team/app/tags/list", "/api/v2.0/ping"} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, http.NoBody)
			r.ProtoMajor, r.Host, r.ContentLength = row.major, row.host, row.length
			r.Header = http.Header{"Content-Length": row.lengths, "Host": row.hosts}
			w := httptest.NewRecorder()
			if handler.ServeHTTP(w, r); w.Code != row.want {
				t.Errorf("%s: POST %s = %d %s, want %d", row.name, path, w.Code, w.Body, row.want)
			}
		}
	}
}
