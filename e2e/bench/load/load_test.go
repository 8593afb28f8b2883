package load_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealock/sealock/e2e/bench/load"
)

func plan(t *testing.T, handler http.HandlerFunc) load.Plan {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/token", http.NoBody)
	text, err := load.Render(r)
	if err != nil {
		t.Fatal(err)
	}
	return load.Plan{
		Addr: strings.TrimPrefix(server.URL, "http://"), Request: text, Connections: 3, Requests: 10, Limit: time.Minute,
	}
}

func TestRunCounts(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	p := plan(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = w.Write([]byte("{}")) // the client is the test
	})
	got, err := load.Run(t.Context(), p)
	if err != nil || got.Answers != p.Requests || asked.Load() != int64(p.Requests) {
		t.Errorf("Run = %d answers, %v, with %d requests at the server, want %d, nil, %[4]d", got.Answers, err, asked.Load(), p.Requests)
	}
	if got.Rate() <= 0 || got.Median <= 0 || got.P99 < got.Median {
		t.Errorf("Run: got rate %f, median %s, p99 %s, want all above zero and in order", got.Rate(), got.Median, got.P99)
	}
}

// A refusal is quicker than an answer, and a benchmark that counts refusals lies.
func TestRunRefused(t *testing.T) {
	t.Parallel()
	p := plan(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no such user", http.StatusUnauthorized) })
	_, err := load.Run(t.Context(), p)
	if err == nil || !strings.Contains(err.Error(), "401") || !strings.Contains(err.Error(), "no such user") {
		t.Errorf("Run with refusals: got %v, want an error with the status and the body", err)
	}
}
