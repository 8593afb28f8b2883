package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/acme"
	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/clock"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/httpx"
	"github.com/sealock/sealock/internal/pki"
	"github.com/sealock/sealock/internal/seal"
	"github.com/sealock/sealock/internal/transport"
	"github.com/sealock/sealock/job"
	"github.com/sealock/sealock/policy"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/proxy"
	"github.com/sealock/sealock/settings"
	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/patdb"
	"github.com/sealock/sealock/store/robotdb"
	"github.com/sealock/sealock/store/sqlstore"
	"github.com/sealock/sealock/store/userdb"
	"github.com/sealock/sealock/store/workload"
)

// system is everything that 'sealock serve' runs, put together but not yet listening.
type system struct {
	cfg settings.Config
	dir dataDir
	log *slog.Logger

	lock      *os.File // of the data folder
	store     *sqlstore.Store
	trail     *audit.Batcher
	forwarder *audit.Forwarder // nil without a syslog server
	pulls     pulls
	ring      *auth.KeyRing
	tokens    *auth.Tokens
	hasher    *userdb.Hasher
	robots    *robotdb.Source
	holders   *auth.SubjectCache
	personal  *patdb.Source
	workloads *workload.Source
	signIn    *auth.Lockout      // of people at a browser, who can be asked for a second factor
	authn     auth.Authenticator // of clients, which can't
	box       seal.Box
	factors   *project.SecondFactors
	sources   []project.Source
	providers []provider
	directory *project.Directory
	policy    *policy.Engine
	service   *project.Service
	runtime   *settings.Runtime
	issuer    *auth.Issuer
	devices   *auth.Devices
	registry  *proxy.Several     // nil with only: auth
	watched   []*proxy.Separate  // whose addresses are asked how they are
	gate      *proxy.Gate        // nil with only: auth
	inside    *proxy.Inside      // nil without a registry
	indexer   *project.Indexer   // nil without a registry
	reindexer *project.Reindexer // nil without a registry
	origins   httpx.Origins
	trusted   httpx.TrustedProxies
	before    httpx.TrustedProxies // those that speak the PROXY protocol
	errors    httpx.Errors
	tls       *tls.Config
	tlsRoot   *pki.Root
	pairs     transport.Pairs // nil unless certificates come from files
	acme      *acme.Manager   // nil unless they come from a CA by itself
	handler   http.Handler

	keepSmall bool // unless the environment says how much memory may be used

	closers []func() error
}

// newSystem builds the system from its settings, with the lock that the process before it left, if there was one. What it opened
// is closed by close, also after an error.
func newSystem(ctx context.Context, cfg settings.Config, log *slog.Logger, legacy *transport.Legacy) (_ *system, err error) {
	s := &system{cfg: cfg, dir: dataDir(cfg.DataDir), log: log, errors: httpx.Errors{Log: log}}
	openStore := func(ctx context.Context) error { return s.openStore(ctx, legacy) }
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	for _, build := range []func(context.Context) error{
		openStore, s.openRuntime, s.openKeys, s.openUsers, s.openPolicy, s.openIssuer, s.openFrontDoor, s.openHandler,
	} {
		if err := build(ctx); err != nil {
			return s, err
		}
	}
	return s, nil
}

// onClose notes what to do at the end; the last noted is done first.
func (s *system) onClose(fn func() error) { s.closers = append(s.closers, fn) }

func (s *system) close() error {
	var all []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		all = append(all, s.closers[i]())
	}
	s.closers = nil
	return errors.Join(all...)
}

// auditQueue is how many decisions may wait to be recorded; more are refused.
const auditQueue = 4096

func (s *system) openStore(ctx context.Context, legacy *transport.Legacy) (err error) {
	if err := s.dir.prepare(); err != nil {
		return err
	}
	if s.lock, err = s.dir.lock(legacy); err != nil {
		return err
	}
	s.onClose(s.lock.Close)
	if s.box, err = s.dir.box(); err != nil {
		return err
	}
	if s.store, err = sqlstore.OpenDatabase(ctx, databaseOf(s.cfg), sqlstore.Options{AuditKeys: auditKeys(s.box)}); err != nil {
		return err
	}
	s.onClose(s.store.Close)
	s.log.Info("opened the store", "database", databaseOf(s.cfg).String())
	return s.openTrail() //nolint:contextcheck // it lives until close
}

func (s *system) openKeys(ctx context.Context) error {
	root, _, err := s.dir.tokenRoot(time.Now())
	if err != nil {
		return err
	}
	if s.ring, err = openKeyRing(s.cfg, s.dir, root, s.log); err != nil {
		return err
	}
	s.tokens = auth.NewTokens(s.ring, s.cfg.Token.Issuer, time.Now).WithLate(s.cfg.Token.UploadGrace)
	if err := s.tokens.SyncRevocations(ctx, s.store); err != nil {
		return err
	}
	return s.openTLS(ctx)
}

// credentialLife is how long a verified password is remembered.
const credentialLife = time.Minute

// subjectLife is how long another replica's change of a user may take to count here.
const subjectLife = 5 * time.Second

// openUsers puts the user sources together. A change of a user, of its memberships or its groups is known at once.
func (s *system) openUsers(ctx context.Context) error {
	s.hasher = userdb.NewHasher(runtime.NumCPU())
	chain, users, err := s.openSources(ctx)
	if err != nil {
		return err
	}
	names := robotdb.NewNames(s.cfg.Robot.Prefix)
	s.robots = robotdb.New(names, s.store, s.hasher, time.Now, s.log)
	s.personal = patdb.New(s.store, users, time.Now)
	if s.workloads, err = workload.New(s.cfg.Workloads, s.log, time.Now); err != nil {
		return err
	}
	s.onClose(s.workloads.Close)
	holders := auth.NewSubjectCache(holders{users: users, robots: s.robots, personal: s.personal, workloads: s.workloads}, subjectLife)
	s.holders = holders
	passwords := auth.NewCredentialCache(chain, credentialLife)
	s.signIn = s.newLockout(auth.Login{Recognizers: s.recognizers(), Passwords: passwords}, passwords, chain)
	s.authn = auth.SingleFactor{Next: s.signIn}
	cancel := s.store.Subscribe(func(c store.Change) {
		switch c.Kind {
		case store.UserChanged, store.MemberChanged, store.GroupChanged:
			if c.UserID != 0 {
				passwords.Forget(c.UserID)
				holders.Forget(c.UserID)
			} else if c.Kind == store.GroupChanged {
				passwords.ForgetIf(inGroup(c))
				holders.ForgetIf(inGroup(c))
			}
		case store.RobotChanged:
			holders.ForgetName(names.Full(c.Robot))
		case store.PersonalAccessTokenChanged:
			holders.ForgetVia(store.PersonalAccessToken{ID: c.Token}.Via())
		case store.ProjectChanged: // robots end with it, and permissions in it
			holders.ForgetAll()
		}
	})
	s.onClose(func() error { cancel(); return nil })
	s.directory = project.NewDirectory(s.store, clock.System{})
	s.onClose(func() error { s.directory.Close(); return nil })
	return nil
}

// policyPoll is how often a policy in the store is looked at: another replica's change counts within five seconds.
const policyPoll = 2 * time.Second

func (s *system) openPolicy(ctx context.Context) (err error) {
	history := policyHistory{s.store, s.log}
	src, options := policy.Source(policy.Dir(s.cfg.Policy.Dir)), []policy.Option{policy.WithLoaded(history.keep)}
	if s.cfg.Policy.In == settings.PolicyInStore {
		// What is read there is history: to keep it again could put it over what another replica has just written.
		src, options = policyStore{s.store}, []policy.Option{policy.WithPoll(policyPoll)}
		if err := history.begin(ctx); err != nil {
			return err
		}
	} else if _, err := policy.WriteDefault(s.cfg.Policy.Dir); err != nil {
		return err
	}
	if s.policy, err = policy.OpenSource(ctx, src, membership{s.directory}, s.log, options...); err != nil {
		return err
	}
	s.service = project.New(s.store, s.policy, s.trail, s.hasher, clock.System{}).
		WithSources(s.sources, ldapProbe(s.cfg)).
		WithRobots(project.RobotConfig{Names: robotdb.NewNames(s.cfg.Robot.Prefix), Days: s.cfg.Robot.Duration}).
		WithLockout(s.signIn).
		WithJobs(s.box, job.Ping).
		WithRules(s.runtime).
		WithRoles(s.policy).
		WithPersonalTokens(project.PersonalTokenRules{MaxLife: s.cfg.PAT.MaxLife, Words: policy.CheckPermission})
	return nil
}

func (s *system) openIssuer(context.Context) error {
	services := []auth.Service{
		{Name: s.cfg.Token.Service, Header: s.cfg.Token.KeyHeader},
		{Name: auth.APIService, Header: auth.HeaderKeyID},
	}
	for _, other := range s.cfg.Token.Services {
		services = append(services, auth.Service{Name: other.Name, Header: other.KeyHeader})
	}
	s.issuer = auth.NewIssuer(auth.IssuerConfig{
		Issuer: s.cfg.Token.Issuer, Services: services, Life: s.cfg.Token.Life,
		RefreshIdle: s.cfg.Token.RefreshIdle, RefreshAbsolute: s.cfg.Token.RefreshAbsolute,
	}, auth.IssuerDeps{
		Authenticator: s.authn, Holders: s.holders, Authorizer: s.policy, Signer: s.tokens,
		RefreshTokens: s.store, Guesses: s.signIn, Trail: s.trail, Now: time.Now, Assertions: s.workloads, Verifier: s.tokens,
	})
	s.devices = auth.NewDevices(s.issuer, s.store)
	var err error
	if s.trusted, err = httpx.ParseTrustedProxies(s.cfg.TrustedProxies); err != nil {
		return err
	}
	if s.before, err = httpx.ParseTrustedProxies(s.cfg.ProxyProtocol); err != nil {
		return err
	}
	if s.origins, err = httpx.NewOrigins(s.cfg.ExternalURLs, s.trusted); err != nil {
		return err
	}
	return s.openFactors()
}

func (s *system) openFrontDoor(ctx context.Context) (err error) {
	if s.cfg.Only == "auth" && s.cfg.Registry.Notifications.Secret.Empty() {
		return nil
	}
	upstream, err := s.openUpstream(ctx)
	if err != nil {
		return err
	}
	s.openIndex(upstream)     //nolint:contextcheck // it lives until close
	if s.cfg.Only == "auth" { // the registry tells of itself, and nobody comes by
		return nil
	}
	s.registry = upstream
	s.pulls.trail = s.trail
	s.pulls.every, _ = s.cfg.Audit.PullsEvery() // the settings were checked
	door, err := s.withRules(proxy.Config{
		Pulls:   s.pulls.note(),
		Service: s.cfg.Token.Service, Origins: s.origins, Trusted: s.trusted, Verifier: s.tokens, Holders: s.holders,
		Authorizer: s.policy, Decider: s.policy, Recorder: s.trail, Projects: s.directory, Upstream: s.registry, Observer: observer{s.indexer}, Errors: s.errors, Now: time.Now,
		ReadOnly: s.runtime.ReadOnly, Keeper: keeper{project.NewKeeper(s.store, s.runtime.QuotasCount)}, Referrers: referrers{s.indexer},
	})
	if err != nil {
		return err
	}
	s.gate = proxy.New(door)
	return nil
}

// openHandler lays the routes out: one origin for the token end-point, the registry and the API, because clients
// refuse a realm on another one.
func (s *system) openHandler(context.Context) error {
	e := echo.New()
	e.IPExtractor = s.trusted.ClientIP
	e.HTTPErrorHandler = func(err error, c echo.Context) { s.notFound(err, c) }
	endpoint := &auth.Endpoint{
		Issuer: s.issuer, Devices: s.devices, Tokens: s.tokens, Revocations: s.store, Errors: s.errors, Origins: s.origins, ClientIP: s.trusted.ClientIP,
	}
	for path, handler := range endpoint.Routes() {
		e.Any(path, echo.WrapHandler(handler))
	}
	portal, err := s.newPortal()
	if err != nil {
		return err
	}
	e.Any("/api/*", echo.WrapHandler(s.newAPI(portal))) //nolint:contextcheck // requests bring their own
	if told := s.notifications(); told != nil {
		e.Any(proxy.NotificationsPath, echo.WrapHandler(told))
	}
	if s.tlsRoot != nil {
		e.GET("/ca.crt", s.serveCA)
	}
	routePortal(e, portal)
	s.handler = httpx.RequestIDs(rand.Reader, s.errors.Unambiguous(patient(pace(s.cfg.Limits), s.parted(e))))
	return nil
}

// parted lets the front door have what is the registry's, and next the rest. The door gets the server's own writer, through
// which the kernel sends files: a router would put one of its own in between.
func (s *system) parted(next http.Handler) http.Handler {
	if s.gate == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/"); first {
		case "v2", "v1":
			s.gate.ServeHTTP(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// bodyPatience is how long a request that is no blob may take to arrive.
const bodyPatience = 30 * time.Second

// patient ends requests whose body does not come: outside of /v2/ no body is large, and each would hold a connection. There
// a body has to keep the pace, however long it takes.
func patient(pace transport.Pace, next http.Handler) http.Handler {
	blobs := pace.Bodies(next)
	return pace.Answers(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v2/") {
			blobs.ServeHTTP(w, r)
			return
		}
		if r.ContentLength != 0 {
			// A writer that knows no deadlines is a test's.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyPatience))
		}
		next.ServeHTTP(w, r)
	}))
}

// notFound answers what no route takes.
func (s *system) notFound(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	if e, ok := errors.AsType[*echo.HTTPError](err); ok && e.Code < http.StatusInternalServerError {
		err = errs.New(errs.NotFound, "there is nothing at this path").WithHint("images are at /v2/, tokens at /service/token, the API at /api/v2.0/")
	}
	s.errors.WriteAPI(c.Response(), c.Request(), err)
}

func (s *system) serveCA(c echo.Context) error {
	c.Response().Header().Set("Content-Disposition", `attachment; filename="ca.crt"`)
	return c.Blob(http.StatusOK, "application/x-x509-ca-cert", s.tlsRoot.PEM())
}

// Intervals of the system's own housekeeping.
const (
	keyMaintenance  = time.Minute
	revocationsSync = 5 * time.Second
	tokenCleaning   = time.Hour
	auditCleaning   = 10 * time.Minute
	memoryLook      = 4 * time.Second
)

// run does the background work until ctx ends and returns when all of it has ended.
func (s *system) run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { s.ring.Run(ctx, keyMaintenance) })
	wg.Go(func() { s.runtime.Run(ctx, runtimePoll) })
	if s.acme != nil {
		wg.Go(func() { s.acme.Run(ctx) })
	}
	if s.pairs != nil {
		wg.Go(func() { s.pairs.Run(ctx, certificateLook) })
	}
	wg.Go(func() {
		if err := s.policy.Run(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("policy is not watched any more", "error", err)
		}
	})
	wg.Go(func() {
		repeat(ctx, revocationsSync, func() { s.report("reading revoked tokens", s.tokens.SyncRevocations(ctx, s.store)) })
	})
	wg.Go(func() {
		repeat(ctx, tokenCleaning, func() {
			_, err := s.store.DropExpiredTokens(ctx, time.Now())
			s.report("dropping expired tokens", err)
			_, err = s.signIn.Clean(ctx)
			s.report("forgetting failed logins", err)
		})
	})
	for _, r := range s.watched {
		wg.Go(func() { r.Run(ctx) })
	}
	if s.indexer != nil {
		wg.Go(func() { s.indexer.Run(ctx) })
		wg.Go(func() { s.reindexer.Run(ctx) })
	}
	wg.Go(func() {
		repeat(ctx, auditCleaning, func() {
			s.report("dropping old audit records", s.dropOldRecords(ctx, time.Now()))
			s.pulls.tell(s.log)
		})
	})
	if s.forwarder != nil {
		wg.Go(func() { s.forwarder.Run(ctx) })
	}
	if s.keepSmall {
		wg.Go(func() { repeat(ctx, memoryLook, keepSmall) })
	}
	wg.Wait()
}

// idleHeap is how much memory beside what lives is kept for what comes next; smallLimit is below which size the
// process is not worth keeping small.
const (
	idleHeap   = 16 << 20
	smallLimit = 64 << 20
)

// keepSmall returns memory to the system that is not used: a password hash takes 19 MB for 30 ms, and Go would keep it
// for minutes. It also sets the limit from which on memory is swept early, so that a flood of logins does not pile
// up: far enough above what lives that sweeping never becomes the main work.
func keepSmall() {
	names := []string{"/gc/heap/live:bytes", "/memory/classes/heap/objects:bytes", "/memory/classes/heap/free:bytes", "/memory/classes/heap/unused:bytes"}
	sample := make([]metrics.Sample, len(names))
	for i, name := range names {
		sample[i].Name = name
	}
	metrics.Read(sample)
	live, held := sample[0].Value.Uint64(), uint64(0)
	for _, s := range sample[1:] {
		held += s.Value.Uint64()
	}
	debug.SetMemoryLimit(int64(max(smallLimit, 3*live))) //nolint:gosec // no machine has so much
	if held > live+idleHeap {
		debug.FreeOSMemory()
	}
}

func (s *system) report(doing string, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		s.log.Error("housekeeping", "doing", doing, "error", err)
	}
}

// repeat calls fn at the interval until ctx ends.
func repeat(ctx context.Context, every time.Duration, fn func()) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			fn()
		}
	}
}

// membership lets the policy ask the project service who is a member of what.
type membership struct{ directory *project.Directory }

func (m membership) Standing(ctx context.Context, sub auth.Subject, name string) (policy.Standing, error) {
	st, err := m.directory.Standing(ctx, sub, name)
	if err != nil {
		return policy.Standing{}, fmt.Errorf("looking up members of %s: %w", name, err)
	}
	s := policy.Standing{Exists: st.Exists, Public: st.Public, Roles: st.Roles, Now: st.Now}
	for _, some := range st.Some {
		s.Some = append(s.Some, policy.Limited(some))
	}
	return s, nil
}

func (m membership) Origins(ctx context.Context, sub auth.Subject, name string) ([]policy.Origin, error) {
	found, err := m.directory.Origins(ctx, sub, name)
	if err != nil {
		return nil, fmt.Errorf("looking up members of %s: %w", name, err)
	}
	origins := make([]policy.Origin, len(found))
	for i, o := range found {
		origins[i] = policy.Origin{Role: o.Role, From: o.From}
	}
	return origins, nil
}
