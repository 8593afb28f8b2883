package objectstore

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/sealock/sealock/e2e/internal/proc"
)

// Refusing is a server in a cloud's place that refuses everything. asked tells the path that it was asked for last, "" for none: of GCS, whose
// driver knows one address alone, that of a token.
func Refusing(t testing.TB, driver string) (s *Store, asked func() string) {
	t.Helper()
	var last atomic.Pointer[string]
	cloud := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		last.Store(&r.URL.Path)
		w.WriteHeader(http.StatusForbidden)
	}))
	t.Cleanup(cloud.Close)
	s = &Store{Addr: cloud.Listener.Addr().String(), Driver: driver}
	switch driver {
	case "azure":
		s.Values = map[string]string{"accountname": "sealock", "accountkey": SecretKey, "container": bucket, "serviceurl": cloud.URL, "credentials": "{type: shared_key}"} //nolint:gosec // of nobody
	case "gcs":
		s.Values = map[string]string{"bucket": bucket, "keyfile": account(t, proc.Dir(t), cloud.URL)}
	}
	return s, func() string {
		if path := last.Load(); path != nil {
			return *path
		}
		return ""
	}
}
