package proxy

import (
	"context"
	"crypto/tls"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/httpx"
)

// SeparateConfig describes a stock registry that runs beside sealock and verifies tokens itself.
type SeparateConfig struct {
	Name   string      // where there are several; "" for the default one
	URL    string      // scheme://host[:port]
	More   []string    // further URLs of it: replicas with the same storage and http.secret
	TLS    *tls.Config // for https: which CA to trust, which client certificate to show; nil for the system's
	Minter auth.Minter // makes the tokens for sealock's own requests
	OwnAud bool        // clients' tokens are not for it: what it says of a token is not for them either
	Health Health
	Log    *slog.Logger

	FollowRedirects bool     // to where it keeps blobs; otherwise clients are sent there
	StorageHosts    []string // hosts, addresses and networks that may be followed to in any case
}

// Separate is a registry in another process. It implements [Upstream].
type Separate struct {
	name      string
	base      *url.URL // the first address; which one a request goes to is decided when it is sent
	addresses *addresses
	storage   *storage // where the registry keeps blobs
	follows   bool
	ownAud    bool
	proxy     *httputil.ReverseProxy
	shared    *flights
	minter    auth.Minter
	errors    httpx.Errors
	log       *slog.Logger
}

// NewSeparate returns the registry at the URL. It does not connect yet: registries start in any order.
func NewSeparate(c SeparateConfig) (*Separate, error) {
	a := &addresses{name: c.Name, transport: newTransport(c.TLS), health: c.Health, minter: c.Minter, log: c.Log}
	a.transport.DialContext = a.dial
	if len(c.More) >= mostAddresses {
		return nil, errs.New(errs.Invalid, "registry %q has more than %d addresses", c.Name, mostAddresses).WithHint("put a balancer before some of them")
	}
	for i, text := range append([]string{c.URL}, c.More...) {
		base, err := registryURL(text)
		if err != nil {
			return nil, err
		}
		a.list = append(a.list, &address{base: base, place: 1 << i, sick: make(chan struct{}, 1)})
	}
	store, err := newStorage(a.list, c.StorageHosts)
	if err != nil {
		return nil, err
	}
	s := &Separate{
		name: c.Name, base: a.list[0].base, addresses: a, storage: store, follows: c.FollowRedirects, ownAud: c.OwnAud,
		minter: c.Minter, errors: httpx.Errors{Log: c.Log}, log: c.Log,
	}
	s.proxy = &httputil.ReverseProxy{
		Rewrite:        s.rewrite,
		Transport:      roundTripper(s.roundTrip),
		FlushInterval:  -1,
		BufferPool:     &bufferPool{},
		ErrorLog:       slogWriter(c.Log),
		ModifyResponse: s.answer,
	}
	s.shared = newFlights(s.putQuestion)
	return s, nil
}

func registryURL(text string) (*url.URL, error) {
	base, err := url.Parse(text)
	bad := errs.New(errs.Invalid, "registry URL %q is not scheme://host[:port]", text).WithHint("write it like http://127.0.0.1:5000; a path is not supported")
	if err != nil {
		return nil, bad.Because(err)
	}
	if base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.User != nil ||
		strings.Trim(base.Path, "/") != "" || base.RawQuery != "" || base.Fragment != "" {
		return nil, bad
	}
	base.Path = ""
	return base, nil
}

// newTransport returns a pool of HTTP/1.1 connections. There is no limit on how long an answer may take: committing a
// large blob to an object store takes minutes, and the client's own patience ends the request.
func newTransport(t *tls.Config) *http.Transport {
	return &http.Transport{
		TLSClientConfig:       t,
		TLSHandshakeTimeout:   10 * time.Second,
		MaxIdleConnsPerHost:   1024,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
		DisableCompression:    true, // what the registry sends is what the digest is of
	}
}

// TakesTokens implements [Upstream].
func (s *Separate) TakesTokens() bool { return true }

// ServeHTTP implements [Upstream].
func (s *Separate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.serveShared(w, r) {
		return
	}
	in, body := *r, &bodyWatch{ReadCloser: r.Body}
	if r.Body != nil {
		in.Body = body
	}
	proxy := *s.proxy // a copy for each request, because an ErrorHandler does not get to see the body
	proxy.ErrorHandler = func(w http.ResponseWriter, r *http.Request, err error) { s.fail(w, r, err, body) }
	proxy.ServeHTTP(w, &in)
}

// Run asks the registry's addresses how they are until ctx ends.
func (s *Separate) Run(ctx context.Context) { s.addresses.run(ctx) }

// Addresses returns how many of the registry's addresses are well, and how many it has.
func (s *Separate) Addresses() (ok, all int) { return s.addresses.count() }

// Close ends idle connections.
func (s *Separate) Close() {
	s.addresses.transport.CloseIdleConnections()
	s.storage.transport.CloseIdleConnections()
}

// roundTripper is a function that sends requests.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// rewrite addresses the request. ReverseProxy has removed the X-Forwarded headers; the gate's own go back in.
func (s *Separate) rewrite(p *httputil.ProxyRequest) {
	p.Out.URL.Scheme, p.Out.URL.Host = s.base.Scheme, s.base.Host
	p.Out.Host = p.In.Host
	for _, name := range []string{"X-Forwarded-Proto", "X-Forwarded-For"} {
		p.Out.Header[name] = p.In.Header[name]
	}
	// No registry upgrades a connection, and one that did could be spoken to past the gate.
	p.Out.Header.Del("Connection")
	p.Out.Header.Del("Upgrade")
	// With one of these, net/http would send a POST a second time when its connection is cut.
	p.Out.Header.Del("Idempotency-Key")
	p.Out.Header.Del("X-Idempotency-Key")
}

// answer mends what only the upstream's settings could have got right: a realm or a Location that clients can't reach.
func (s *Separate) answer(resp *http.Response) error {
	if resp.StatusCode < http.StatusOK || resp.StatusCode > 599 {
		return fmt.Errorf("it answers with status %q", resp.Status)
	}
	resp.Header.Del(httpx.RequestIDHeader) // ours stands already
	origin := resp.Request.Header.Get("X-Forwarded-Proto") + "://" + resp.Request.Host
	if own, rest, ok := cutOrigin(resp.Header.Get("Location")); ok && s.isOwn(own) {
		resp.Header.Set("Location", origin+rest)
	}
	if resp.StatusCode == http.StatusUnauthorized {
		s.log.Warn("the upstream registry refused a token that the gate accepted: compare its auth.token settings with sealock registry-config",
			"request_id", resp.Request.Header.Get(httpx.RequestIDHeader), "challenge", resp.Header.Get("WWW-Authenticate"))
		if s.ownAud {
			return errs.New(errs.Unavailable, "the registry %q behind sealock refuses sealock's tokens", s.name).
				WithHint("its administrator compares its auth.token settings with what sealock registry-config prints")
		}
		mendRealm(resp.Header, origin+TokenPath)
	}
	return nil
}

// isOwn reports whether an origin is one of the registry's addresses.
func (s *Separate) isOwn(origin string) bool {
	for _, a := range s.addresses.list {
		if a.base.String() == origin {
			return true
		}
	}
	return false
}

// cutOrigin parts scheme://host from the rest of an absolute URL.
func cutOrigin(s string) (origin, rest string, ok bool) {
	scheme, after, ok := strings.Cut(s, "://")
	i := strings.IndexByte(after, '/')
	if !ok || i < 0 {
		return "", "", false
	}
	return scheme + "://" + after[:i], after[i:], true
}

// mendRealm points a challenge to our token end-point. What is not a bearer challenge stays as it is.
func mendRealm(h http.Header, realm string) {
	c, err := auth.ParseChallenge(h.Get("WWW-Authenticate"))
	if err != nil || c.Realm == realm {
		return
	}
	c.Realm = realm
	h.Set("WWW-Authenticate", c.String())
}

// fail answers when the upstream gave no answer.
func (s *Separate) fail(w http.ResponseWriter, r *http.Request, err error, body *bodyWatch) {
	if body.broken.Load() {
		err = errs.New(errs.Invalid, "the request's body ended early").WithHint("send it again").WithCode("BLOB_UPLOAD_INVALID").Because(err)
		s.errors.WriteRegistry(w, r, err)
		return
	}
	s.errors.WriteRegistry(w, r, s.unanswered(err))
}

// unanswered says that this registry gave no answer, unless the error says what it did.
func (s *Separate) unanswered(err error) error { return unanswered(s.name, err) }

func unanswered(name string, err error) error {
	if errs.Is(err, errs.NotFound) || errs.Is(err, errs.Unavailable) {
		return err
	}
	return errUnanswered(name).Because(err)
}

func errUpstream(err error) error { return errUnanswered("").Because(err) }

// slogWriter lets the standard library's complaints reach the log.
func slogWriter(l *slog.Logger) *log.Logger { return slog.NewLogLogger(l.Handler(), slog.LevelWarn) }
