package main

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"github.com/sealock/sealock/internal/testkit"
	"github.com/sealock/sealock/store"
)

// listed is how much there is of everything on the small side of a comparison of lists: ten pages.
const listed = 100

// hall is an installation whose lists are long: so many projects, members of one of them and users, and repositories; and
// so many artifacts and audit records.
type hall struct {
	*system
	projects, artifacts int
}

// A listing is a request for a page of a list.
type listing struct {
	name string
	as   string // who asks: "admin", or "alice", who is a member of eleven projects
	path string
	want int // how many items at least; 0 is a whole page

	deep    bool // the page in the middle instead of the first
	link    bool // the page in the middle as the Link of the one before has it
	changed bool // something was changed just before, so that no count is remembered
}

// listings are the lists that are compared.
func listings() []listing {
	const audit, artifacts = "/audit-logs", "/projects/team/repositories/app/artifacts"
	var all []listing
	add := func(as, name, path string, want int) {
		all = append(all, listing{name: name, as: as, path: path, want: want})
	}
	whole := func(as, name, path string) {
		for _, l := range []listing{
			{name: name + ": first page"},
			{name: name + ": first page after a change", changed: true},
			{name: name + ": in the middle, by number", deep: true},
			{name: name + ": in the middle, by Link", link: true},
		} {
			l.as, l.path = as, path
			all = append(all, l)
		}
	}
	whole("admin", "projects", "/projects")
	add("admin", "projects: by name", "/projects?sort=name", 0)
	add("admin", "projects: the newest", "/projects?sort=-creation_time", 0)
	add("admin", "projects: the last changed", "/projects?sort=-update_time", 0)
	add("admin", "projects: public ones by name", "/projects?public=true&sort=name", 0)
	add("admin", "projects: the newest private ones", "/projects?q=public=false&sort=-creation_time", 0)
	add("admin", "projects: the one of a name", "/projects?q=name=team", 1)
	add("admin", "projects: names with a part that all have", "/projects?q=name=~project&sort=name", 0)
	add("admin", "projects: names with a part that few have", "/projects?q=name=~ject77&sort=name", 1)
	add("admin", "projects: names with a part that none has", "/projects?q=name=~nowhere", -1)
	whole("alice", "projects that a member sees", "/projects?sort=name")
	add("alice", "projects of a member: the last changed", "/projects?public=false&sort=-update_time", 0)
	add("alice", "projects that a member sees: names with a part", "/projects?q=name=~ject77&sort=name", -1)
	whole("admin", "repositories of a project", "/projects/team/repositories")
	add("admin", "repositories: by name", "/projects/team/repositories?sort=name", 0)
	add("admin", "repositories: the last pushed to", "/projects/team/repositories?sort=-update_time", 0)
	add("admin", "repositories: names with a part", "/projects/team/repositories?q=name=~app7", 1)
	whole("admin", "repositories of all projects", "/repositories?sort=-update_time")
	add("alice", "repositories that a member sees: first page", "/repositories", 0)
	whole("admin", "artifacts of a repository", artifacts)
	add("alice", "artifacts: the last pulled, with accessories", artifacts+"?with_tag=true&with_accessory=true&sort=-pull_time", 0)
	add("admin", "artifacts: the largest", artifacts+"?sort=-size", 0)
	add("admin", "artifacts: by id", artifacts+"?sort=id", 0)
	add("admin", "artifacts: the one with a tag", artifacts+"?q=tags=v7", 1)
	add("admin", "artifacts: tags with a part", artifacts+"?q=tags=~v7", 1)
	add("admin", "artifacts: with any tag", artifacts+"?q=tags=*", 0)
	add("admin", "artifacts of a project: first page", "/projects/team/artifacts", 0)
	whole("alice", "members of a project", "/projects/team/members")
	add("alice", "members: names with a part", "/projects/team/members?entityname=user77", 1)
	whole("admin", "audit records", audit)
	add("admin", "audit: of a user", audit+"?q=username=user7", 1)
	add("admin", "audit: of an operation", audit+"?q=operation=create,resource_type=artifact", 1)
	add("admin", "audit: of a verb that is rare", audit+"?q=operation=delete", 1)
	add("admin", "audit: of a kind that is rare", audit+"?q=resource_type=project", 1)
	add("admin", "audit: of a resource", audit+"?q=resource=team/app:v30", 1)
	add("admin", "audit: between two times", audit+"?q=op_time=[1970-01-01 00:00:20~1970-01-01 00:00:50]", 0)
	whole("admin", "audit of a project", "/projects/team/logs")
	return all
}

// BenchmarkLists compares what pages of lists cost in a small and in a large installation, in turns, through the API and
// on both kinds of databases. How large is for the environment to say: SEALOCK_BENCH_PROJECTS=100000 has ten times as many
// artifacts and audit records.
func BenchmarkLists(b *testing.B) {
	projects, err := strconv.Atoi(cmp.Or(os.Getenv("SEALOCK_BENCH_PROJECTS"), "1000"))
	if err != nil || projects < listed {
		b.Fatalf("SEALOCK_BENCH_PROJECTS=%d, want at least %d", projects, listed)
	}
	b.Run("sqlite", func(b *testing.B) {
		compareLists(b, projects, func() string { return "" })
	})
	b.Run("postgres", func(b *testing.B) {
		server := testkit.Postgres(b)
		compareLists(b, projects, func() string { return server.Database(b) })
	})
}

// TestLists holds that each page that is compared holds what it should, in a small installation.
func TestLists(t *testing.T) {
	h := newHall(t, "", listed, listed)
	for _, l := range listings() {
		h.page(t, l, h.target(t, l))
	}
}

func compareLists(b *testing.B, projects int, database func() string) {
	small, large := newHall(b, database(), listed, listed), newHall(b, database(), projects, 10*projects)
	for _, l := range listings() {
		b.Run(l.name, func(b *testing.B) {
			var times [2][]time.Duration
			halls := []*hall{small, large}
			targets := []string{small.target(b, l), large.target(b, l)}
			for b.Loop() {
				for i, h := range halls {
					if l.changed {
						h.change(b)
					}
					began := time.Now()
					h.page(b, l, targets[i])
					times[i] = append(times[i], time.Since(began))
				}
			}
			reportTimes(b, quantile(times[0], 0.5), quantile(times[1], 0.5))
		})
	}
}

// newHall makes an installation on the database at the URL, or on SQLite.
func newHall(b testing.TB, url string, projects, artifacts int) *hall {
	b.Helper()
	h := &hall{projects: projects, artifacts: artifacts}
	given := map[string]string{"only": "auth"}
	if url != "" {
		given["store.url"] = url
	}
	h.system = startSystem(b, given)
	withAlice(b, h.system)
	h.furnish(b, url)
	return h
}

// furnish makes everything that is listed, in bulk, and always the same.
func (h *hall) furnish(b testing.TB, url string) {
	b.Helper()
	driver, last := "pgx", []string{"VACUUM ANALYZE"}
	if url == "" {
		driver, url = "sqlite", "file:"+filepath.ToSlash(h.dir.database())+"?_pragma=busy_timeout(5000)&_pragma=synchronous(OFF)&_pragma=cache_size(-400000)"
		last = []string{"PRAGMA wal_checkpoint(TRUNCATE)"}
	}
	db, err := sql.Open(driver, url)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	team, err := h.store.ProjectByName(b.Context(), "team")
	if err != nil {
		b.Fatal(err)
	}
	alice, err := h.store.UserByName(b.Context(), "alice")
	if err != nil {
		b.Fatal(err)
	}
	for _, statement := range append(h.statements(team.ID, alice.ID), last...) {
		if _, err := db.ExecContext(b.Context(), statement); err != nil {
			b.Fatalf("%v\n%s", err, statement)
		}
	}
}

// statements fill the database. One in ten projects is public. Everybody is a member of team, and alice of the first ten
// projects besides. Half of the repositories are team's, and half of the artifacts are in team/app, each with a tag. Half of
// the audit records are about team, the others are about tokens.
func (h *hall) statements(team, alice int64) []string {
	expand := strings.NewReplacer(
		"{projects}", strconv.Itoa(h.projects), "{artifacts}", strconv.Itoa(h.artifacts),
		"{half}", strconv.Itoa(h.artifacts/2), "{others}", strconv.Itoa(h.projects-1),
		"{bulk}", strconv.Itoa(bulk), "{team}", strconv.FormatInt(team, 10), "{alice}", strconv.FormatInt(alice, 10),
		"{zeros}", strings.Repeat("0", 64),
	).Replace
	numbers := func(n string) string {
		return "WITH RECURSIVE k (n) AS (SELECT CAST(0 AS BIGINT) UNION ALL SELECT n + 1 FROM k WHERE n + 1 < " + n + ") "
	}
	const digest = "'sha256:' || substr('{zeros}', 1, 64 - length(CAST(n AS TEXT))) || n"
	all := []string{
		"UPDATE projects SET created_at = 0 WHERE id = {team}", // its trail begins with it
		"UPDATE audit_log SET time = 0",                        // what making it left there is the oldest
		numbers("{projects}") + `INSERT INTO users (id, name, name_key, email, real_name, comment, password_hash, sysadmin, created_at, updated_at)
			SELECT {bulk} + n, 'user' || n, 'user' || n, 'user' || n || '@example.org', '', '', '', FALSE, n, n FROM k`,
		numbers("{projects}") + `INSERT INTO projects (id, name, name_key, owner_id, public, created_at, updated_at, metadata, storage_limit)
			SELECT {bulk} + n, 'project' || n, 'project' || n, {bulk} + n, n % 10 = 9, n * 7919 % {projects}, n * 7907 % {projects}, '', -1 FROM k`,
		numbers("{projects}") + `INSERT INTO members (project_id, user_id, role, created_at, updated_at)
			SELECT {team}, {bulk} + n, 2, n, n FROM k`,
		numbers("9 * {projects}") + `INSERT INTO members (project_id, user_id, role, created_at, updated_at)
			SELECT {bulk} + n / 9, {bulk} + (n / 9 + n % 9 * 11) % {projects}, 2, n, n FROM k`,
		numbers("10") + `INSERT INTO members (project_id, user_id, role, created_at, updated_at)
			SELECT {bulk} + n + n / 9, {alice}, 2, n, n FROM k`,
		numbers("{projects}") + `INSERT INTO repositories (id, project_id, name, description, artifact_count, pull_count, created_at, updated_at)
			SELECT {bulk} + n, CASE n % 2 WHEN 0 THEN {team} ELSE {bulk} + n END, CASE n % 2 WHEN 0 THEN 'team/app' ELSE 'project' || n || '/app' END ||
			CASE n WHEN 0 THEN '' ELSE '' || n END, '', CASE n WHEN 0 THEN {half} ELSE 9 END, n % 100, n * 7919 % {projects}, n * 7907 % {projects} FROM k`,
		numbers("{artifacts}") + `INSERT INTO artifacts (id, project_id, repository_id, digest, media_type, artifact_type, config_type, kind, size, subject,
			annotations, extra, top, pushed_at, pulled_at)
			SELECT {bulk} + n, CASE WHEN n < {half} OR (1 + n % {others}) % 2 = 0 THEN {team} ELSE {bulk} + 1 + n % {others} END,
			CASE WHEN n < {half} THEN {bulk} ELSE {bulk} + 1 + n % {others} END, ` + digest + `,
			'application/vnd.oci.image.manifest.v1+json', 'application/vnd.oci.image.config.v1+json', 'application/vnd.oci.image.config.v1+json', 'IMAGE',
			1000 + n * 31 % 977, '', '', '', TRUE, n * 7919 % {artifacts}, n * 7907 % {artifacts} FROM k`,
		numbers("{artifacts}") + `INSERT INTO tags (id, repository_id, artifact_id, name, pushed_at, pulled_at)
			SELECT {bulk} + n, CASE WHEN n < {half} THEN {bulk} ELSE {bulk} + 1 + n % {others} END, {bulk} + n, 'v' || n, n, 0 FROM k`,
		numbers("{artifacts}") + `INSERT INTO audit_log (time, request_id, actor, method, remote, operation, resource, outcome, reason, jti, project)
			SELECT n * 1000000, '', 'user' || (n % 100), 'password', '192.0.2.1',
			CASE WHEN n % 2 > 0 THEN 'token' WHEN n = 30 THEN 'artifact.delete' WHEN n = 40 THEN 'project.update' ELSE 'artifact.create' END,
			CASE WHEN n % 2 > 0 THEN 'repository:team/app:pull' WHEN n = 40 THEN 'project:team' ELSE 'artifact:team/app:v' || n END,
			'allowed', 'why', '', CASE n % 2 WHEN 0 THEN 'team' ELSE '' END FROM k`,
	}
	for i, text := range all {
		all[i] = expand(text)
	}
	return all
}

// target returns the path of the page that is wanted.
func (h *hall) target(b testing.TB, l listing) string {
	b.Helper()
	path := "/api/v2.0" + l.path
	if !l.deep && !l.link {
		return path
	}
	at := "?"
	if strings.Contains(path, "?") {
		at = "&"
	}
	w := h.get(b, l.as, path)
	total, err := strconv.Atoi(w.Header().Get("X-Total-Count"))
	if err != nil {
		b.Fatal(err)
	}
	path += at + "page=" + strconv.Itoa(max(1, min(total/20, total/10-2)))
	if l.deep {
		return path
	}
	next, _, ok := strings.Cut(h.get(b, l.as, path).Header().Get("Link"), `>; rel="next"`)
	if !ok {
		b.Fatalf("no next page after %s", path)
	}
	return next[strings.LastIndex(next, "<")+1:]
}

func (h *hall) get(b testing.TB, as, target string) *httptest.ResponseRecorder {
	password := map[string]string{"admin": testPassword, "alice": "wonderland-1"}[as]
	return h.call(b, as, password, http.MethodGet, strings.ReplaceAll(target, " ", "%20"), "")
}

// page gets the page, and looks whether it holds what it should.
func (h *hall) page(b testing.TB, l listing, target string) {
	w := h.get(b, l.as, target)
	var items []json.RawMessage
	if err := json.Unmarshal(w.Body.Bytes(), &items); w.Code != http.StatusOK || err != nil {
		b.Fatalf("GET %s: status %d, %v: %s", target, w.Code, err, w.Body)
	}
	if want := cmp.Or(l.want, 10); len(items) < want {
		b.Fatalf("GET %s: %d items of %s, want %d", target, len(items), w.Header().Get("X-Total-Count"), want)
	}
}

// change changes a project, to and fro.
func (h *hall) change(b *testing.B) {
	p, err := h.store.ProjectByName(b.Context(), "library")
	if err == nil {
		_, err = h.store.UpdateProject(context.WithoutCancel(b.Context()), p.ID, func(p *store.Project) error {
			p.Public = !p.Public
			return nil
		})
	}
	if err != nil {
		b.Fatal(err)
	}
}
