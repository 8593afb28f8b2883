package sqlstore_test

import (
	"testing"

	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/internal/testkit"
	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/sqlstore"
	"github.com/sealock/sealock/store/storetest"
)

// TestPostgres and TestMariaDB run everything that is true of a store on a server, each on one server and each part in
// a database of its own.
func TestPostgres(t *testing.T) { onServer(t, testkit.Postgres(t)) }

func TestMariaDB(t *testing.T) { onServer(t, testkit.MariaDB(t)) }

func onServer(t *testing.T, s *testkit.Server) {
	t.Run("store", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) store.Store { return openURL(t, s.Database(t)) })
	})
}

func at(url string) sqlstore.Database { return sqlstore.Database{URL: secret.New(url)} }

func openURL(t *testing.T, url string) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.OpenDatabase(t.Context(), at(url), sqlstore.Options{})
	if err != nil {
		t.Fatalf("OpenDatabase = %v, want a store", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close = %v, want no error", err)
		}
	})
	return s
}
