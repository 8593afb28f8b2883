package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/internal/testkit"
	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/sqlstore"
	"github.com/sealock/sealock/store/storetest"
)

// TestPostgres and TestMariaDB run everything that is true of a store on a server, each on one server and each part in
// a database of its own.
func TestPostgres(t *testing.T) {
	t.Parallel()
	s := testkit.Postgres(t)
	onServer(t, s)
	t.Run("other encoding", func(t *testing.T) { otherEncoding(t, s) })
	t.Run("pushes beside a sum", func(t *testing.T) { pushesBesideASum(t, s) })
}

// pushesBesideASum holds that pushes to a project wait neither for whoever sums up what it holds, nor for a push to another of
// its repositories that is under way: there is no row that each of them writes.
func pushesBesideASum(t *testing.T, server *testkit.Server) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	s := openURL(t, server.Database(t))
	p, err := s.CreateProject(ctx, store.Project{Name: "team"})
	if err != nil {
		t.Fatal(err)
	}
	push := func(repository, text string) error {
		digest := fmt.Sprintf("sha256:%064s", text)
		_, err := s.PutArtifact(ctx, store.Push{
			ProjectID: p.ID, Repository: repository, Tag: text, Artifact: store.Artifact{Digest: digest, Size: 10}, Blobs: []store.Blob{{Digest: digest, Size: 10}},
		})
		return err
	}
	for _, name := range []string{"team/a", "team/b"} {
		if err := push(name, "a"+name[len(name)-1:]); err != nil {
			t.Fatal(err)
		}
	}
	tx, err := s.Writer().BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	for _, held := range []string{ // as a sum does, and a push to the first repository
		"UPDATE projects SET used_bytes = used_bytes",
		"UPDATE project_usage SET bytes = bytes + 1, changed = 1 WHERE part = (SELECT MIN(part) FROM project_usage)",
	} {
		if _, err := tx.ExecContext(ctx, held); err != nil {
			t.Fatal(err)
		}
	}
	if err := push("team/b", "c"); err != nil {
		t.Errorf("PutArtifact beside a sum and another push = %v, want no waiting", err)
	}
}

func TestMariaDB(t *testing.T) {
	t.Parallel()
	s := testkit.MariaDB(t)
	onServer(t, s)
	t.Run("interrupted migration", func(t *testing.T) { interruptedMigration(t, s) })
}

func onServer(t *testing.T, s *testkit.Server) {
	t.Run("store", func(t *testing.T) {
		used := &used{server: s}
		storetest.Run(t, func(t *testing.T) store.Store { return used.open(t) })
	})
	for _, part := range []struct {
		name string
		run  func(*testing.T, *testkit.Server)
	}{
		{"replicas start at once", replicasStart},
		{"schema", schemaOnServer},
		{"failures", failuresOnServer},
		{"stranger", stranger},
		{"two replicas", twoReplicas},
		{"audit chains", chainsOnServer},
		{"copy", copyToServer},
		{"failed copy", failedCopy},
		{"hot queries use indexes", hotQueriesOnServer},
		{"outage", outage},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, s) })
	}
}

// used keeps databases that a test is done with for the next: to make the tables takes longer than most tests.
type used struct {
	server *testkit.Server

	mu   sync.Mutex
	free []string
}

// open returns a store on an empty database.
func (u *used) open(t *testing.T) *sqlstore.Store {
	t.Helper()
	url := ""
	u.mu.Lock()
	if n := len(u.free); n > 0 {
		url, u.free = u.free[n-1], u.free[:n-1]
	}
	u.mu.Unlock()
	if url == "" {
		url = u.server.Database(t)
	}
	s := openURL(t, url)
	t.Cleanup(func() {
		if t.Failed() {
			return
		}
		if err := u.clear(s.Writer()); err != nil {
			t.Errorf("emptying the database: %v", err)
			return
		}
		u.mu.Lock()
		defer u.mu.Unlock()
		u.free = append(u.free, url)
	})
	return s
}

// clear empties all tables.
func (u *used) clear(db *sql.DB) error {
	ctx := context.Background()
	conn, err := db.Conn(ctx) // what is set counts for one connection
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	list, emptying := "SELECT tablename FROM pg_tables WHERE schemaname = 'public'", "TRUNCATE %s CASCADE"
	if u.server.Scheme == "mysql" {
		list, emptying = "SHOW TABLES", "DELETE FROM %s"
		if _, err := conn.ExecContext(ctx, "SET foreign_key_checks = 0"); err != nil {
			return err
		}
	}
	tables, err := texts(conn, list)
	if err != nil {
		return err
	}
	var full []string
	for _, table := range tables {
		if table != "schema_version" {
			full = append(full, fmt.Sprintf("SELECT '%[1]s' WHERE EXISTS (SELECT 1 FROM %[1]s)", table))
		}
	}
	if tables, err = texts(conn, strings.Join(full, " UNION ALL ")); err != nil {
		return err
	}
	for _, table := range tables {
		if _, err := conn.ExecContext(ctx, fmt.Sprintf(emptying, table)); err != nil {
			return err
		}
	}
	return nil
}

// texts returns a query's only column.
func texts(conn *sql.Conn, query string) (all []string, err error) {
	rows, err := conn.QueryContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var one string
		if err := rows.Scan(&one); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// outage stops the server under a store and starts it again: what is asked meanwhile is refused as unavailable, and
// afterwards the store goes on by itself.
func outage(t *testing.T, s *testkit.Server) {
	records := openURL(t, s.Database(t))
	if _, err := records.CreateUser(t.Context(), store.User{Name: "alice"}); err != nil {
		t.Fatal(err)
	}
	s.Stop()
	_, byName := records.UserByName(t.Context(), "alice")
	_, created := records.CreateUser(t.Context(), store.User{Name: "bob"})
	_, changed := records.UpdateUser(t.Context(), 1, func(u *store.User) error { u.Comment = "x"; return nil })
	for what, err := range map[string]error{
		"UserByName": byName, "CreateUser": created, "UpdateUser": changed,
		"AppendAudit": records.AppendAudit(t.Context(), []audit.Record{{Actor: "alice"}}), "Ping": records.Ping(t.Context()),
	} {
		if !errs.Is(err, errs.Unavailable) || strings.Contains(errs.As(err).Public(), s.Address) {
			t.Errorf("%s while the server is down = %v, want Unavailable without an address in what is shown", what, err)
		}
	}
	s.Start(t)
	if _, err := records.UserByName(t.Context(), "alice"); err != nil {
		t.Errorf("UserByName when the server is back = %v, want the user", err)
	}
	if _, err := records.CreateUser(t.Context(), store.User{Name: "bob"}); err != nil {
		t.Errorf("CreateUser when the server is back = %v, want the user", err)
	}
	if err := records.AppendAudit(t.Context(), []audit.Record{{Actor: "alice"}}); err != nil {
		t.Errorf("AppendAudit when the server is back = %v, want no error", err)
	}
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

// replicasStart opens one empty database many times at once: the tables are made once, and everybody gets a store.
func replicasStart(t *testing.T, s *testkit.Server) {
	where := at(s.Database(t))
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			replica, err := sqlstore.OpenDatabase(t.Context(), where, sqlstore.Options{})
			if err != nil {
				t.Errorf("OpenDatabase of one of several replicas = %v, want a store", err)
				return
			}
			_ = replica.Close()
		})
	}
	wg.Wait()
}

// schemaOnServer follows an empty database through its versions.
func schemaOnServer(t *testing.T, s *testkit.Server) {
	where := at(s.Database(t))
	state := func(want string) sqlstore.Schema {
		t.Helper()
		got, err := sqlstore.Status(t.Context(), where)
		if err != nil || got.State() != want {
			t.Errorf("Status = %+v (%s), %v, want %s", got, got.State(), err, want)
		}
		return got
	}
	newest := state("empty").Newest
	state("empty") // looking changes nothing
	before, after, err := sqlstore.Migrate(t.Context(), where)
	if err != nil || before.Version != 0 || after.Version != newest {
		t.Errorf("Migrate = %+v, %+v, %v, want from 0 to %d", before, after, err, newest)
	}
	state("current")
	if before, after, err = sqlstore.Migrate(t.Context(), where); err != nil || before != after {
		t.Errorf("Migrate again = %+v, %+v, %v, want no change", before, after, err)
	}
	exec(t, openURL(t, where.URL.Reveal()).Reader(), "INSERT INTO schema_version (version_id, is_applied) VALUES (9000, TRUE)")
	state("newer")
	_, err = sqlstore.OpenDatabase(t.Context(), where, sqlstore.Options{})
	if !errs.Is(err, errs.Precondition) || !strings.Contains(err.Error(), "written by a newer sealock: its version is 9000") {
		t.Errorf("OpenDatabase of a newer schema = %v, want that said", err)
	}
}

// failuresOnServer makes the mistakes of operators. No message shows the password.
func failuresOnServer(t *testing.T, s *testkit.Server) {
	wrong := "canary/" + s.Password
	nobody, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := nobody.Addr().String()
	_ = nobody.Close()
	good := s.Database(t)
	for _, row := range []struct {
		name, url string
		kind      errs.Kind
		want      string
	}{
		{"wrong password", s.URLAs(s.User, wrong, "sealock_1"), errs.Precondition, `refuses the user "sealock": check user and password in store.url`},
		{"unknown user", s.URLAs("stranger", wrong, "sealock_1"), errs.Precondition, `refuses the user "stranger"`},
		{"no database", s.URL("elsewhere"), errs.Precondition, `has no database "elsewhere": make it (CREATE DATABASE elsewhere)`},
		{"server down", strings.Replace(good, s.Address, address, 1), errs.Unavailable, "the database server at " + address + " does not answer: see that it runs"},
		{"unknown host", strings.Replace(good, s.Address, "nowhere.invalid", 1), errs.Unavailable, "does not answer: see that it runs"},
		{"no name", s.URL(""), errs.Invalid, "names no database"},
		{"not escaped", s.Scheme + "://u:canary/" + s.Address + "/x", errs.Invalid, ""},
		{"other kind", "oracle://u:canary@host/x", errs.Invalid, "does not begin with postgres:// or mysql://"},
		{"no URL", "canary\x7f://", errs.Invalid, "can't be read"},
		{"bad parameter", good + "?tls=canary&connect_timeout=canary", errs.Invalid, ""},
	} {
		store, err := sqlstore.OpenDatabase(t.Context(), at(row.url), sqlstore.Options{})
		if err == nil {
			_ = store.Close()
		}
		if !errs.Is(err, row.kind) || !strings.Contains(errs.As(err).Public(), row.want) {
			t.Errorf("OpenDatabase with %s = %v, want kind %q and %q", row.name, err, row.kind, row.want)
		}
		escaped := strings.TrimPrefix(url.UserPassword("", s.Password).String(), ":")
		for _, leak := range []string{"canary", s.Password, escaped} {
			if strings.Contains(fmt.Sprint(err, at(row.url)), leak) {
				t.Errorf("OpenDatabase with %s = %v, which shows the password", row.name, err)
			}
		}
	}
}

// stranger is a user that the server lets in and that may do nothing.
func stranger(t *testing.T, s *testkit.Server) {
	where := s.Database(t)
	db := openURL(t, s.Database(t)).Reader()
	if s.Scheme == "postgres" {
		exec(t, db, "CREATE USER stranger PASSWORD 'canary'")
	} else {
		exec(t, db, "CREATE USER stranger IDENTIFIED BY 'canary'")
	}
	name := where[strings.LastIndex(where, "/")+1:]
	_, err := sqlstore.OpenDatabase(t.Context(), at(s.URLAs("stranger", "canary", name)), sqlstore.Options{})
	want := fmt.Sprintf(`the user "stranger" may not make or change tables in the database %q: make that user the owner`, name)
	if !errs.Is(err, errs.Precondition) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
		t.Errorf("OpenDatabase by a stranger = %v, want %q", err, want)
	}
}

// otherEncoding holds that a database is refused that would not keep every text.
func otherEncoding(t *testing.T, s *testkit.Server) {
	exec(t, openURL(t, s.Database(t)).Reader(), "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
	_, err := sqlstore.OpenDatabase(t.Context(), at(s.URL("latin")), sqlstore.Options{})
	if !errs.Is(err, errs.Precondition) || !strings.Contains(err.Error(), "keeps texts as LATIN1: make it with: CREATE DATABASE") {
		t.Errorf("OpenDatabase in another encoding = %v, want a refusal", err)
	}
}

// twoReplicas uses one database by two stores: what one writes, the other reads next.
func twoReplicas(t *testing.T, s *testkit.Server) {
	where := s.Database(t)
	a, b := openURL(t, where), openURL(t, where)
	u, err := a.CreateUser(t.Context(), store.User{Name: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		for _, replica := range []*sqlstore.Store{a, b} {
			wg.Go(func() {
				if _, err := replica.UpdateUser(t.Context(), u.ID, func(u *store.User) error { u.Comment += "x"; return nil }); err != nil {
					t.Errorf("UpdateUser by one of two replicas = %v", err)
				}
			})
		}
	}
	wg.Wait()
	if got, err := b.UserByName(t.Context(), "alice"); err != nil || len(got.Comment) != 16 {
		t.Errorf("UserByName by the other replica = %+v, %v, want all 16 changes", got, err)
	}
}

// hotQueriesOnServer holds that no query on the token path reads a whole table, where the database has a choice.
func hotQueriesOnServer(t *testing.T, s *testkit.Server) {
	db := openURL(t, s.Database(t)).Reader()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if s.Scheme == "postgres" { // it would read small tables whole
		if _, err := conn.ExecContext(t.Context(), "SET enable_seqscan = off"); err != nil {
			t.Fatal(err)
		}
	}
	for _, query := range sqlstore.HotQueries() {
		rows, err := conn.QueryContext(t.Context(), "EXPLAIN "+strings.ReplaceAll(query, "?", "'1'"))
		if err != nil {
			t.Fatalf("EXPLAIN %s = %v", query, err)
		}
		if plan := table(t, rows); strings.Contains(plan, "Seq Scan") || strings.Contains(plan, "|ALL|") || plan == "" {
			t.Errorf("plan of %s = %s, want a search in an index", query, plan)
		}
	}
}

// table returns rows as lines of fields parted by bars.
func table(t *testing.T, rows *sql.Rows) string {
	t.Helper()
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for rows.Next() {
		fields, places := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range fields {
			places[i] = &fields[i]
		}
		if err := rows.Scan(places...); err != nil {
			t.Fatal(err)
		}
		for _, f := range fields {
			b.WriteString(f.String + "|")
		}
		b.WriteString("\n")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// everything makes an SQLite database with something in every table, a hole in the ids and more rows than one batch.
func everything(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sealock.db")
	s, err := sqlstore.Open(t.Context(), path, sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, now := t.Context(), time.Now()
	var users []store.User
	for i := range 230 {
		u, err := s.CreateUser(ctx, store.User{Name: fmt.Sprint("user ", i, " 日本語 '\\"), SysAdmin: i%7 == 0, PasswordHash: "$argon2id$x"})
		if err != nil {
			t.Fatal(err)
		}
		users = append(users, u)
	}
	p, err := s.CreateProject(ctx, store.Project{Name: "team", Public: true, OwnerID: users[0].ID}, store.Member{UserID: users[3].ID, Role: store.RoleGuest})
	all := []error{err}
	_, err = s.CreateProject(ctx, store.Project{Name: "ownerless"})
	all = append(all, err)
	_, err = s.AddMember(ctx, store.Member{ProjectID: p.ID, UserID: users[4].ID, Role: store.RoleMaintainer})
	all = append(all, err, s.DeleteUser(ctx, users[1].ID), s.DeleteUser(ctx, users[229].ID),
		s.CreateRefreshToken(ctx, store.RefreshToken{ID: "id", SecretHash: []byte{0, 1, 255, '\\'}, Subject: "user 3", UserID: users[3].ID, CreatedAt: now, LastUsedAt: now, IdleExpiry: time.Hour, ExpiresAt: now.Add(time.Hour)}),
		s.RevokeToken(ctx, store.RevokedToken{JTI: "jti", ExpiresAt: now.Add(time.Hour)}),
		s.AppendAudit(ctx, slices.Repeat([]audit.Record{{Time: now, Actor: "alice", Reason: "because\n'"}}, 449)),
		s.AppendAudit(ctx, []audit.Record{{Time: now, Actor: "alice", JTI: "last"}}))
	exec(t, raw(t, path), "UPDATE audit_log SET actor = '"+strings.Repeat("é", 5000)+"' WHERE id = 7") // as an older sealock kept it
	for _, err := range append(all, s.Close()) {
		if err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// contents reads all that a store lists.
func contents(t *testing.T, s store.Store) []any {
	t.Helper()
	var all []any
	add := func(v any, err error) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	ctx := t.Context()
	for v, err := range s.ListUsers(ctx, store.Filter{}) {
		add(v, err)
	}
	for p, err := range s.ListProjects(ctx, store.Filter{}) {
		add(p, err)
		for m, err := range s.ListMembers(ctx, p.ID, store.Filter{}) {
			add(m, err)
		}
	}
	for v, err := range s.ListRefreshTokens(ctx, store.Filter{}) {
		add(v, err)
	}
	for v, err := range s.RevokedTokens(ctx, time.Now()) {
		add(v, err)
	}
	for v, err := range s.ListAudit(ctx, store.Filter{}) {
		v.Actor = strings.Repeat("é", min(3, strings.Count(v.Actor, "é"))) // a very long one is cut
		add(v, err)
	}
	return all
}

func copyToServer(t *testing.T, s *testkit.Server) {
	path, where := everything(t), at(s.Database(t))
	told := map[string]int{}
	n, err := sqlstore.Copy(t.Context(), path, where, func(table string, n, of int) {
		if told[table] = n; n > of {
			t.Errorf("progress of %s = %d of %d", table, n, of)
		}
	})
	if err != nil || n != 228+2+2+1+1+450+2 { // the last two are the chain and its register
		t.Fatalf("Copy = %d, %v, want 686 records", n, err)
	}
	if told["users"] != 228 || told["audit_log"] != 450 {
		t.Errorf("progress = %v, want it to end with all users and audit records", told)
	}
	source, err := sqlstore.Open(t.Context(), path, sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = source.Close() }()
	target := openURL(t, where.URL.Reveal())
	if diff := cmp.Diff(contents(t, source), contents(t, target), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("what was copied differs (-source +target):\n%s", diff)
	}
	var ids []int64
	for _, s := range []*sqlstore.Store{source, target} { // 230 was used before
		u, err := s.CreateUser(t.Context(), store.User{Name: "next"})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, u.ID)
	}
	if ids[0] != 231 || ids[1] < 231 {
		t.Errorf("the next ids are %v, want none that was used before", ids)
	}
	_, err = sqlstore.Copy(t.Context(), path, where, nil)
	if !errs.Is(err, errs.Precondition) || !strings.Contains(err.Error(), "is not empty: it has 229 users") {
		t.Errorf("Copy to a database that is in use = %v, want a refusal", err)
	}
}

// failedCopy lets the last table fail. Nothing may stay behind, and the copy must work when the cause is gone.
func failedCopy(t *testing.T, s *testkit.Server) {
	path, where := everything(t), at(s.Database(t))
	db := openURL(t, where.URL.Reveal()).Reader()
	exec(t, db, "ALTER TABLE audit_log ADD CONSTRAINT in_the_way CHECK (jti <> 'last')")
	if n, err := sqlstore.Copy(t.Context(), path, where, nil); err == nil {
		t.Fatalf("Copy with a constraint in the way = %d, want an error", n)
	}
	var users int
	if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM users").Scan(&users); err != nil || users != 0 {
		t.Errorf("a failed copy leaves %d users (%v), want none", users, err)
	}
	exec(t, db, "ALTER TABLE audit_log DROP CONSTRAINT in_the_way")
	if _, err := sqlstore.Copy(t.Context(), path, where, nil); err != nil {
		t.Errorf("Copy when the cause is gone = %v, want no error", err)
	}
}

// TestCopyKnowsAllTables holds that a table that is added is copied, too.
func TestCopyKnowsAllTables(t *testing.T) {
	rows, err := open(t).Reader().QueryContext(t.Context(),
		"SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'schema_version'")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(sqlstore.CopiedTables(), name) {
			t.Errorf("Copy leaves the table %s out", name)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

// interruptedMigration leaves what a killed migration leaves on MySQL, which commits after each statement: some tables,
// and no version or an empty table of versions.
func interruptedMigration(t *testing.T, s *testkit.Server) {
	start := []string{"DELETE FROM schema_version"}
	for _, table := range slices.Backward(sqlstore.CopiedTables()) {
		if start = append(start, "DROP TABLE "+table); table == "projects" {
			break // what refers to it is gone
		}
	}
	for name, rest := range map[string][]string{
		"before the version": {"DELETE FROM schema_version WHERE version_id > 0", "DROP TABLE audit_log", "DROP TABLE members"},
		"at the very start":  start,
	} {
		where := at(s.Database(t))
		if _, _, err := sqlstore.Migrate(t.Context(), where); err != nil {
			t.Fatal(err)
		}
		db := openURL(t, where.URL.Reveal()).Reader()
		for _, query := range rest {
			exec(t, db, query)
		}
		_, after, err := sqlstore.Migrate(t.Context(), where)
		if err != nil || after.State() != "current" {
			t.Errorf("Migrate after an interruption %s = %+v, %v, want a current schema", name, after, err)
		}
		if _, err := openURL(t, where.URL.Reveal()).CreateProject(t.Context(), store.Project{Name: "p"}); err != nil {
			t.Errorf("CreateProject after an interruption %s = %v", name, err)
		}
	}
}
