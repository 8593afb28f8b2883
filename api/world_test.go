package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/api"
	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/clock"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/httpx"
	"github.com/sealock/sealock/internal/pki"
	"github.com/sealock/sealock/internal/seal"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/job"
	"github.com/sealock/sealock/policy"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/settings"
	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/robotdb"
	"github.com/sealock/sealock/store/sqlstore"
	"github.com/sealock/sealock/store/sqlstore/sqlstoretest"
	"github.com/sealock/sealock/store/userdb"
	"github.com/sealock/sealock/web"
)

// The people of a world. dave is the one that paths name, bob is nobody's member.
const (
	admin, alice, mia, dave, gwen, lily, bob = "admin", "alice", "mia", "dave", "gwen", "lily", "bob"

	nobody   = "" // sends no credential
	password = "correct-horse-battery"
)

// people lists everybody, nobody included.
func people() []string { return []string{nobody, bob, lily, gwen, dave, mia, alice, admin} }

// roles are the roles in the project team.
func roles() map[string]store.Role {
	return map[string]store.Role{
		alice: store.RoleProjectAdmin, mia: store.RoleMaintainer, dave: store.RoleDeveloper,
		gwen: store.RoleGuest, lily: store.RoleLimitedGuest,
	}
}

// world is the API on real parts: a database, the policy engine, the project service, the signer of tokens.
type world struct {
	t       testing.TB
	url     string
	echo    *echo.Echo
	store   *sqlstore.Store
	file    string // of the store
	tokens  *auth.Tokens
	runtime *settings.Runtime
	router  routers.Router
	start

	engine *policy.Engine
	asked  *witness // what the engine is asked

	log *bytes.Buffer

	registry *localRegistry
	indexer  *project.Indexer
	portal   *web.Portal // where sessions begin
}

// start is what there is in each world from the start.
type start struct {
	users   map[string]store.User
	team    store.Project
	library store.Project
	gwensID int64       // of gwen's membership
	group   store.Group // with dave in it

	robotID, teamRobotID int64 // a robot at system level, and one of team

	pushed []pushed // what is in the registry

	database []byte // the file
	blobs    fs.FS  // the registry's files
}

// settling makes the first world, of which the others are copies: to make one anew takes longer than most tests.
var settling struct {
	sync.Mutex
	start *start
}

// settled returns what each world starts from.
func settled(t testing.TB) (*start, error) {
	settling.Lock()
	defer settling.Unlock()
	if settling.start != nil {
		return settling.start, nil
	}
	w := &world{t: t, log: &bytes.Buffer{}, start: start{users: map[string]store.User{}}}
	w.registry = &localRegistry{w: w, root: t.TempDir()}
	content, err := os.ReadFile(sqlstoretest.File(t))
	if err != nil {
		return nil, err
	}
	w.build(content)
	w.settle()
	w.registry.open(t.Context())
	if err := w.store.Close(); err != nil {
		return nil, err
	}
	if w.database, err = os.ReadFile(w.file); err != nil {
		return nil, err
	}
	if w.blobs, err = inMemory(w.registry.root); err != nil {
		return nil, err
	}
	settling.start = &w.start
	return settling.start, nil
}

// inMemory reads a folder.
func inMemory(root string) (fs.FS, error) {
	files := fstest.MapFS{}
	err := fs.WalkDir(os.DirFS(root), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(filepath.Join(root, path))
		files[path] = &fstest.MapFile{Data: content, Mode: 0o600}
		return err
	})
	return files, err
}

func newWorld(t testing.TB) *world {
	t.Helper()
	first, err := settled(t)
	must(t, first, err)
	w := &world{t: t, log: &bytes.Buffer{}, start: *first}
	w.users = maps.Clone(first.users)
	w.registry = &localRegistry{w: w, root: t.TempDir()}
	handler := w.build(first.database)
	w.echo = handler.(*echo.Echo) //nolint:errcheck // New's promise to its tests
	srv := httptest.NewServer(httpx.RequestIDs(strings.NewReader(strings.Repeat("id", 1<<20)), handler))
	t.Cleanup(srv.Close)
	w.url = srv.URL
	router, err := documentRouter()
	w.router = must(t, router, err)
	return w
}

// documentRouter makes a router of the document once: it checks the whole document.
var documentRouter = sync.OnceValues(func() (routers.Router, error) {
	openapi3filter.RegisterBodyDecoder("text/markdown", openapi3filter.RegisteredBodyDecoder("text/plain"))
	doc, err := openapi3.NewLoader().LoadFromFile("openapi.yaml")
	if err != nil {
		return nil, err
	}
	return legacy.NewRouter(doc)
})

// must stops the test at an error.
func must[T any](t testing.TB, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatalf("setting up: %v", err)
	}
	return v
}

// build puts the parts together as sealock serve does.
func (w *world) build(database []byte) http.Handler {
	t, ctx := w.t, context.Background()
	dir := t.TempDir()
	w.file = filepath.Join(dir, "sealock.db")
	must(t, dir, os.WriteFile(w.file, database, 0o600))
	var err error
	w.store, err = sqlstore.Open(ctx, w.file, sqlstore.Options{})
	must(t, w.store, err)
	t.Cleanup(func() { _ = w.store.Close() })
	directory := project.NewDirectory(w.store, clock.System{})
	t.Cleanup(directory.Close)
	_, err = policy.WriteDefault(dir)
	must(t, dir, err)
	log := slog.New(slog.NewTextHandler(w.log, nil))
	engine, err := policy.Open(dir, membership{directory}, log, policy.WithLoaded(func(ctx context.Context, t policy.Text, by policy.Edit) {
		if w.database == nil {
			return // each world that begins with this one writes the first revision
		}
		_, err := w.store.AppendPolicyRevision(ctx, store.PolicyRevision{
			Author: by.Author, Comment: by.Comment, Model: t.Model, Rules: t.Rules, Fingerprint: t.Fingerprint(),
		}, "")
		must(w.t, w, err)
	}))
	w.engine = must(t, engine, err)
	w.asked = &witness{Decider: engine}
	trail := audit.NewBatcher(w.store, 16)
	t.Cleanup(trail.Close)
	hasher := userdb.NewHasher(2)
	source := grouped{userdb.New("database", w.store, hasher), w.store}
	root, err := pki.NewRoot("test", time.Now(), time.Hour)
	must(t, root, err)
	ring, err := auth.OpenKeyRing(root, noKeys{}, auth.KeyRingConfig{
		Algorithm: auth.ES256, CertLife: time.Hour, KeepRetired: time.Hour, Now: time.Now, Log: log,
	})
	must(t, ring, err)
	w.tokens = auth.NewTokens(ring, "test", time.Now)
	w.runtime, err = settings.NewRuntime(ctx, w.store, settings.Default(), nil, log)
	must(t, w.runtime, err)
	origins, err := httpx.NewOrigins([]string{"http://localhost:8080"}, nil)
	must(t, origins, err)
	w.indexer = project.NewIndexer(w.store, w.registry, clock.System{}, log)
	service := project.New(w.store, w.asked, trail, hasher, clock.System{}).WithSources(sources(), probe).WithJobs(w.box(), askRegistry).WithRules(w.runtime).WithRoles(engine).
		WithRegistry(w.registry, w.indexer)
	authn := w.lockout(auth.NewCredentialCache(auth.Chain{{Name: "database", Authenticator: source}}, time.Minute), log)
	w.portal, err = web.New(web.Deps{
		Authn: authn, Holders: records{source}, Sessions: w.store, Tokens: service, Trail: trail, Origins: origins, Log: log, Now: time.Now,
		SessionIdle: func() time.Duration { return time.Hour }, SessionAbsolute: time.Hour,
	})
	must(t, w.portal, err)
	return api.New(api.Deps{
		Service: service,
		Audit:   w.store, Keys: ring, Policy: policyAdmin{engine}, History: w.store, Health: health{}, ProviderPing: pinged,
		Info: api.Info{Version: "1.0.0", CA: root.PEM()}, Decider: w.asked, Recorder: trail, Words: policyWords(),
		Configuration: w.runtime, Volumes: func() (api.Volume, error) { return api.Volume{Total: 100, Free: 40}, nil },
		Authn:    authn,
		Verifier: w.tokens, Holders: records{source}, Sessions: w.portal, Errors: httpx.Errors{Log: log}, Origins: origins, Now: time.Now,
	})
}

// lockout counts as sealock serve does, and never locks an address: all of a test comes from one.
func (w *world) lockout(passwords *auth.CredentialCache, log *slog.Logger) *auth.Lockout {
	rule := auth.LockRule{Limit: 5, First: 10 * time.Second, Max: time.Hour, Forget: 24 * time.Hour}
	return auth.NewLockout(auth.LockoutConfig{Account: rule, AccountOf: store.LoginKey}, auth.LockoutDeps{
		Next: passwords, Memory: passwords, Store: w.store, Now: time.Now, Log: log,
	})
}

// hash makes the password's hash once: it is slow on purpose.
var hash = sync.OnceValues(func() (string, error) {
	return userdb.NewHasher(1).Hash(context.Background(), secret.New(password))
})

// settle makes the people and two projects.
func (w *world) settle() {
	t, ctx := w.t, context.Background()
	hashed, err := hash()
	must(t, hashed, err)
	for _, name := range people()[1:] {
		u, err := w.store.CreateUser(ctx, store.User{Name: name, PasswordHash: hashed, SysAdmin: name == admin, Email: name + "@example.com"})
		w.users[name] = must(t, u, err)
	}
	w.team, err = w.store.CreateProject(ctx, store.Project{
		Name: "old", OwnerID: w.users[alice].ID, Metadata: store.NewMetadata(map[string]string{"severity": "high"}),
	})
	must(t, w.team, err)
	w.team, err = w.store.RenameProject(ctx, w.team.ID, "team")
	must(t, w.team, err)
	w.library, err = w.store.CreateProject(ctx, store.Project{Name: "library", Public: true})
	must(t, w.library, err)
	w.fill()
	for name, role := range roles() {
		m, err := w.store.AddMember(ctx, store.Member{ProjectID: w.team.ID, UserID: w.users[name].ID, Role: role})
		must(t, m, err)
		if name == gwen {
			w.gwensID = m.ID
		}
	}
	for name, p := range map[string]store.Project{"builder": {}, "team+builder": w.team} {
		kept, _ := robotdb.NewSecret()
		r, err := w.store.CreateRobot(ctx, store.Robot{Name: name, ProjectID: p.ID, Days: -1, Creator: admin, Secret: kept, Permissions: auth.Permissions{
			{Project: "team", Resource: "repository", Actions: []string{"pull"}},
		}})
		must(t, r, err)
		if p.ID != 0 {
			w.teamRobotID = r.ID
		} else {
			w.robotID = r.ID
		}
	}
	w.group, err = w.store.CreateGroup(ctx, store.Group{Name: "readers"})
	must(t, w.group, err)
	must(t, w, w.store.AddGroupMember(ctx, w.group.ID, w.users[dave].ID))
	err = w.store.CreateRefreshToken(ctx, store.RefreshToken{
		ID: "davestoken", SecretHash: make([]byte, 32), Subject: dave, UserID: w.users[dave].ID, Service: "registry", ClientID: "docker",
		CreatedAt: time.Now(), LastUsedAt: time.Now(), IdleExpiry: time.Hour, ExpiresAt: time.Now().Add(time.Hour),
	})
	must(t, w, err)
	_, err = w.store.CreatePersonalAccessToken(ctx, store.PersonalAccessToken{
		ID: "davespat", UserID: w.users[dave].ID, Name: "laptop of old", SecretHash: make([]byte, 32), CreatedAt: time.Now(),
	}, 1)
	must(t, w, err)
	w.lock(lousLockout())
	_, err = w.store.UpdateReindex(ctx, func(st *store.Reindex) error {
		st.State, st.By, st.StartedAt = store.ReindexRunning, admin, time.Now()
		return nil
	})
	must(t, w, err)
	w.settleJobs()
}

// settleJobs makes one of each thing that jobs and tags are told, all with the number 1: of team, where it is of a project.
func (w *world) settleJobs() {
	t, ctx := w.t, context.Background()
	r, err := w.store.CreateRegistry(ctx, store.Registry{Name: "hub", URL: "https://registry.example.com", Type: "docker-registry", Status: "healthy"})
	must(t, r, err)
	p, err := w.store.CreateReplicationPolicy(ctx, store.ReplicationPolicy{Name: "from hub", SrcRegistryID: r.ID, TriggerType: "manual"})
	must(t, p, err)
	h, err := w.store.CreateWebhookPolicy(ctx, store.WebhookPolicy{ProjectID: w.team.ID, Name: "hook", EventTypes: []string{"PUSH_ARTIFACT"}})
	must(t, h, err)
	i, err := w.store.CreateImmutableRule(ctx, store.ImmutableRule{ProjectID: w.team.ID, Rule: store.TagRule{
		Action: "immutable", Template: "immutable_template", TagSelectors: []store.Selector{{Kind: "doublestar", Decoration: "matches", Pattern: "v*"}},
		ScopeSelectors: map[string][]store.Selector{"repository": {{Kind: "doublestar", Decoration: "repoMatches", Pattern: "**"}}},
	}}, 15)
	must(t, i, err)
	k, err := w.store.CreateRetentionPolicy(ctx, store.RetentionPolicy{ProjectID: w.team.ID, Algorithm: "or", TriggerKind: "Schedule"})
	must(t, k, err)
	l, err := w.store.CreateLabel(ctx, store.Label{Name: "everybody's"})
	must(t, l, err)
	m, err := w.store.CreateLabel(ctx, store.Label{Name: "marked", ProjectID: w.team.ID})
	must(t, m, err)
	r2, err := w.store.RepositoryByName(ctx, "team/app")
	must(t, r2, err)
	a, err := w.store.ArtifactByTag(ctx, r2.ID, "v1")
	must(t, a, err)
	must(t, a, w.store.LabelArtifact(ctx, a.ID, l.ID)) // the other one is put on by an operation
}

// box seals with a key of zeros.
func (w *world) box() seal.Box {
	b, err := seal.New(make([]byte, 32))
	return must(w.t, b, err)
}

// askRegistry asks registries as sealock serve does, but for one that is somewhere else and always well.
func askRegistry(ctx context.Context, r store.Registry, password secret.Text) error {
	if r.URL == "https://registry.example.com" {
		return nil
	}
	return job.Ping(ctx, r, password)
}

// lou has no account, and is locked out all the same.
const lou = "lou"

// lousLockout is what lou's failed logins are counted by.
func lousLockout() store.LockKey { return auth.NewLockKey(auth.LockAccount, lou, "") }

// lock locks a key for an hour.
func (w *world) lock(keys ...store.LockKey) {
	w.t.Helper()
	err := w.store.CountLoginFailure(context.Background(), keys, func(f *store.LoginFailures) {
		f.Failures, f.FirstAt, f.LastAt, f.LockedUntil = 5, time.Now(), time.Now(), time.Now().Add(time.Hour)
		f.Salt, f.Tags = []byte("salt-canary"), []byte("tag-canary")
	})
	must(w.t, w, err)
}

// routes lists what the server has a route for, as method and path.
func (w *world) routes() []string {
	var out []string
	for _, r := range w.echo.Routes() {
		out = append(out, r.Method+" "+r.Path)
	}
	return out
}

// token signs an access token.
func (w *world) token(name, service string) string {
	w.t.Helper()
	now := time.Now()
	token, err := w.tokens.Sign(context.Background(), auth.ClaimSet{
		Issuer: "test", Subject: name, Audience: service, IssuedAt: now, NotBefore: now, ExpiresAt: now.Add(time.Minute), JTI: "t",
	}, auth.HeaderKeyID)
	return must(w.t, token, err)
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// code returns the code of the first error in the answer.
func (a answer) code() string {
	var e struct {
		Errors []struct{ Code, Message string }
	}
	if err := json.Unmarshal([]byte(a.body), &e); err != nil || len(e.Errors) == 0 {
		return ""
	}
	return e.Errors[0].Code
}

// as sends a request with somebody's access token; body is JSON or "".
func (w *world) as(name, method, path, body string, header ...string) answer {
	w.t.Helper()
	if name != nobody {
		header = append(header, "Authorization", "Bearer "+w.token(name, auth.APIService))
	}
	return w.send(method, path, body, header...)
}

// send sends a request and holds the answer against the document.
func (w *world) send(method, path, body string, header ...string) answer {
	w.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, w.url+path, strings.NewReader(body))
	must(w.t, req, err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	must(w.t, got, err)
	a := answer{resp.StatusCode, resp.Header, string(got)}
	w.validate(req, a)
	return a
}

// validate fails the test when an answer is not one that the document promises.
func (w *world) validate(req *http.Request, a answer) {
	w.t.Helper()
	if strings.HasSuffix(req.URL.Path, "/") || a.status == http.StatusMethodNotAllowed {
		return // the router would take it for the path without the slash, or for another operation's
	}
	req.URL.Scheme, req.URL.Host = "", ""
	route, params, err := w.router.FindRoute(req)
	if err != nil {
		return // a path that the document does not have
	}
	in := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route},
		Status:                 a.status, Header: a.header,
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	in.SetBodyBytes([]byte(a.body))
	if err := openapi3filter.ValidateResponse(context.Background(), in); err != nil {
		w.t.Errorf("%s %s answered %d %s, which the document does not promise: %v", req.Method, req.URL, a.status, a.body, err)
	}
}

// want fails the test when the answer has another status.
func (w *world) want(a answer, status int, what string, args ...any) answer {
	w.t.Helper()
	if a.status != status {
		w.t.Errorf("%s = %d %s, want %d", fmt.Sprintf(what, args...), a.status, strings.TrimSpace(a.body), status)
	}
	return a
}

// Parts that another package or the command line has the real one of.

type noKeys struct{}

func (noKeys) LoadKeys() ([]*auth.Key, error) { return nil, nil }
func (noKeys) SaveKeys([]*auth.Key) error     { return nil }

func policyWords() (list []api.Word) {
	for _, w := range policy.Words() {
		list = append(list, api.Word(w))
	}
	return list
}

type membership struct{ directory *project.Directory }

func (m membership) Standing(ctx context.Context, sub auth.Subject, name string) (policy.Standing, error) {
	s, err := m.directory.Standing(ctx, sub, name)
	out := policy.Standing{Exists: s.Exists, Public: s.Public, Roles: s.Roles}
	for _, some := range s.Some {
		out.Some = append(out.Some, policy.Limited(some))
	}
	return out, err
}

type policyAdmin struct{ engine *policy.Engine }

func (p policyAdmin) Text(context.Context) (api.PolicyText, error) {
	t := p.engine.Text()
	return api.PolicyText{Model: t.Model, Policy: t.Rules, Fingerprint: t.Fingerprint()}, nil
}

func (p policyAdmin) Status(context.Context) (api.PolicyStatus, error) {
	s := p.engine.Status()
	return api.PolicyStatus{Dir: s.Dir, LoadedAt: s.LoadedAt, Fingerprint: s.Fingerprint, Rules: s.Rules, LastError: s.LastError}, nil
}

func (p policyAdmin) Reload(ctx context.Context) (api.PolicyStatus, error) {
	if _, err := p.engine.Reload(ctx); err != nil {
		return api.PolicyStatus{}, err
	}
	return p.Status(ctx)
}

func (p policyAdmin) Try(ctx context.Context) (api.PolicyStatus, error) {
	r, err := p.engine.Try(ctx)
	return api.PolicyStatus{Rules: r.Rules}, err
}

func (p policyAdmin) Replace(ctx context.Context, by api.PolicyEdit, text api.PolicyText, seen string) (api.PolicyStatus, error) {
	if _, err := p.engine.Replace(ctx, policy.Text{Model: text.Model, Rules: text.Policy}, policy.Edit{Author: by.Subject.Name, Comment: by.Comment}, seen); err != nil {
		return api.PolicyStatus{}, err
	}
	return p.Status(ctx)
}

func (p policyAdmin) Explain(ctx context.Context, sub auth.Subject, access auth.Access) (api.PolicyExplanation, error) {
	x, err := p.engine.Explain(ctx, sub, access)
	out := api.PolicyExplanation{Allowed: x.Allowed, Reason: x.Reason, Rule: x.Rule, Change: api.PolicyChange{Text: x.Change.Text}}
	for _, r := range x.Roles {
		out.Roles = append(out.Roles, api.PolicyOrigin(r))
	}
	return out, err
}

func (p policyAdmin) Compare(context.Context, api.PolicyText, api.PolicyText, time.Time) ([]api.PolicyDifference, int, error) {
	return []api.PolicyDifference{{Subject: dave, Repository: "team/app", Loses: []auth.Action{auth.ActionPush}, Old: "old", New: "new"}}, 7, nil
}

func (p policyAdmin) Replay(_ context.Context, r audit.Record, then api.PolicyText) (api.PolicyReplay, error) {
	if r.Actor == "" {
		return api.PolicyReplay{}, errs.New(errs.NotFound, "who asked is gone")
	}
	return api.PolicyReplay{Reason: "replayed " + then.Policy[:1], Actions: []api.PolicyAction{{Name: "team/app", Action: auth.ActionPull}}}, nil
}

func (p policyAdmin) Check(_ context.Context, text api.PolicyText) ([]api.PolicyFinding, error) {
	if text.Model == "" {
		text.Model = p.engine.Text().Model
	}
	var out []api.PolicyFinding
	for _, f := range policy.CheckText(policy.Text{Model: text.Model, Rules: text.Policy}) {
		out = append(out, api.PolicyFinding(f))
	}
	return out, nil
}

type health struct{}

func (health) Health(context.Context) []api.Component {
	return []api.Component{{Name: "database", Healthy: true}, {Name: "registry"}}
}

func (w *world) userPath(name, rest string) string {
	return fmt.Sprintf("/api/v2.0/users/%d%s", w.users[name].ID, rest)
}

func urlEscape(s string) string { return url.QueryEscape(s) }

// grouped are the users of the database with their groups.
type grouped struct {
	*userdb.Source
	store *sqlstore.Store
}

func (g grouped) Resolve(ctx context.Context, name string) (auth.Subject, error) {
	sub, err := g.Source.Resolve(ctx, name)
	if err != nil {
		return auth.Subject{}, err
	}
	groups, err := g.store.UserGroups(ctx, sub.ID, "", nil)
	sub.GroupIDs, sub.LocalGroups = groups.IDs, groups.Local
	return sub, err
}

// records finds holders of tokens in the records alone.
type records struct{ grouped }

func (r records) Holder(ctx context.Context, name, _ string) (auth.Subject, error) {
	return r.Resolve(ctx, name)
}

func (m membership) Origins(context.Context, auth.Subject, string) ([]policy.Origin, error) {
	return nil, nil
}

// pinged stands for a provider at one URL.
func pinged(_ context.Context, issuer string, verify bool) error {
	if issuer != "https://id.example.com" || !verify {
		return errors.New("canary: connection refused")
	}
	return nil
}
