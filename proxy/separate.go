package proxy

import (
	"crypto/tls"
	"log"
	"log/slog"
	"net"
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
	URL    string      // scheme://host[:port]
	TLS    *tls.Config // for https: which CA to trust, which client certificate to show; nil for the system's
	Minter auth.Minter // makes the tokens for sealock's own requests
	Log    *slog.Logger
}

// Separate is a registry in another process. It implements [Upstream].
type Separate struct {
	base      *url.URL
	transport *http.Transport
	storage   *http.Transport // to where the registry keeps blobs: the system's certificates count there
	proxy     *httputil.ReverseProxy
	shared    *flights
	minter    auth.Minter
	errors    httpx.Errors
	log       *slog.Logger
}

// NewSeparate returns the registry at the URL. It does not connect yet: registries start in any order.
func NewSeparate(c SeparateConfig) (*Separate, error) {
	base, err := url.Parse(c.URL)
	bad := errs.New(errs.Invalid, "registry URL %q is not scheme://host[:port]", c.URL).WithHint("write it like http://127.0.0.1:5000; a path is not supported")
	if err != nil {
		return nil, bad.Because(err)
	}
	if base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.User != nil ||
		strings.Trim(base.Path, "/") != "" || base.RawQuery != "" || base.Fragment != "" {
		return nil, bad
	}
	base.Path = ""
	s := &Separate{base: base, minter: c.Minter, errors: httpx.Errors{Log: c.Log}, log: c.Log, transport: newTransport(c.TLS), storage: newTransport(nil)}
	s.proxy = &httputil.ReverseProxy{
		Rewrite:        s.rewrite,
		Transport:      s.transport,
		FlushInterval:  -1,
		BufferPool:     &bufferPool{},
		ErrorLog:       slogWriter(c.Log),
		ModifyResponse: s.answer,
	}
	s.shared = newFlights(s.putQuestion)
	return s, nil
}

// newTransport returns a pool of HTTP/1.1 connections. There is no limit on how long an answer may take: committing a
// large blob to an object store takes minutes, and the client's own patience ends the request.
func newTransport(t *tls.Config) *http.Transport {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		DialContext:           dialer.DialContext,
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

// Close ends idle connections.
func (s *Separate) Close() {
	s.transport.CloseIdleConnections()
	s.storage.CloseIdleConnections()
}

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
}

// answer mends what only the upstream's settings could have got right: a realm or a Location that clients can't reach.
func (s *Separate) answer(resp *http.Response) error {
	resp.Header.Del(httpx.RequestIDHeader) // ours stands already
	origin := resp.Request.Header.Get("X-Forwarded-Proto") + "://" + resp.Request.Host
	if own, rest, ok := cutOrigin(resp.Header.Get("Location")); ok && own == s.base.String() {
		resp.Header.Set("Location", origin+rest)
	}
	if resp.StatusCode == http.StatusUnauthorized {
		s.log.Warn("the upstream registry refused a token that the gate accepted: compare its auth.token settings with sealock registry-config",
			"request_id", resp.Request.Header.Get(httpx.RequestIDHeader), "challenge", resp.Header.Get("WWW-Authenticate"))
		mendRealm(resp.Header, origin+TokenPath)
	}
	return nil
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
	s.errors.WriteRegistry(w, r, errUpstream(err))
}

func errUpstream(err error) error {
	return errs.New(errs.Unavailable, "the registry behind sealock does not answer").
		WithHint("try again in a moment; if it stays, its administrator finds the cause in the log").Because(err)
}

// slogWriter lets the standard library's complaints reach the log.
func slogWriter(l *slog.Logger) *log.Logger { return slog.NewLogLogger(l.Handler(), slog.LevelWarn) }
