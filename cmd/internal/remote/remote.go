// Package remote owns how the command line speaks to a server over HTTP: whom it trusts, that it follows no redirect,
// how refusals read, and the OAuth 2.0 end-points. It does not know the REST API.
package remote

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

const (
	requestTimeout = time.Minute
	maxAnswer      = 64 << 20 // bytes; more than any page of the API
)

// NewHTTP returns a client over a transport. It follows no redirect: a secret must not go where a server sends it.
func NewHTTP(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     transport,
		Timeout:       requestTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Transport returns what carries requests to servers whose certificate the system or one in the files vouches for.
func Transport(caFiles ...string) (*http.Transport, error) {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second}
	if len(caFiles) == 0 {
		return t, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	for _, name := range caFiles {
		pem, err := os.ReadFile(name) //nolint:gosec // the user's own choice of file
		if err != nil {
			return nil, fmt.Errorf("reading the CA certificate: %w", err)
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no PEM certificate: get the server's with sealock ca", name)
		}
	}
	t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return t, nil
}

// Loopback reports whether a host (without a port) is this machine, so that nobody on the way reads what goes there.
func Loopback(host string) bool {
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Plain reports whether what goes to the URL can be read on the way.
func Plain(server string) bool {
	u, err := url.Parse(server)
	return err != nil || u.Scheme != "https" && !Loopback(u.Hostname())
}

// Server is a server, or one origin of it, and how to reach it.
type Server struct {
	URL  string // scheme://host[:port], for errors
	HTTP *http.Client
}

// Do sends a request, and turns what the network or a stranger answers into errors that say what to do.
func (s Server) Do(req *http.Request) (*http.Response, error) {
	resp, err := s.HTTP.Do(req) //nolint:gosec // the server is the one that the user names
	if err != nil {
		return nil, s.unreachable(err)
	}
	if err := s.stranger(resp); err != nil {
		return nil, errors.Join(err, resp.Body.Close())
	}
	return resp, nil
}

// Stream returns the server for answers that may take longer than a request may: they are read while they come.
func (s Server) Stream() Server {
	patient := *s.HTTP
	patient.Timeout = 0
	return Server{URL: s.URL, HTTP: &patient}
}

// unreachable says why a request got no answer, and what to do about it.
func (s Server) unreachable(err error) error {
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	switch {
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted")
	case errors.As(err, &authority):
		return fmt.Errorf("the certificate of %s is signed by an authority that is not known here: log in with --ca-file", s.URL)
	case errors.As(err, &hostname):
		return fmt.Errorf("the certificate of %s is for another name (%w): use that name", s.URL, hostname)
	case errors.Is(err, http.ErrSchemeMismatch):
		return fmt.Errorf("%s speaks plain HTTP: write http:// instead of https://", s.URL)
	}
	// The innermost error says it best: the ones around it repeat the URL.
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return fmt.Errorf("%s does not answer (%w): check the URL, and that sealock serve runs there", s.URL, err)
}

// stranger tells when an answer is not one of sealock.
func (s Server) stranger(resp *http.Response) error {
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	to := resp.Header.Get("Location")
	switch {
	case resp.StatusCode >= 300 && resp.StatusCode < 400 && to != "":
		return fmt.Errorf("%s sends to %s: log in there", s.URL, to)
	case media != "application/json" && media != "application/jsonl" && resp.ContentLength != 0:
		return fmt.Errorf("%s answers %s, not like sealock: check the URL", s.URL, resp.Status)
	}
	return nil
}

// Error is a refusal in the server's own words, which say what to do.
type Error struct {
	Status  int
	Code    string // of OAuth 2.0, if there is one
	Message string
}

func (e *Error) Error() string { return e.Message }

// Understand reads a body. Refusals of the API and of the token end-point have the same list of errors.
func Understand[T any](status int, body []byte) (T, error) {
	var v T
	var refusal struct {
		Code   any `json:"error"`
		Errors []struct {
			Message string `json:"message"`
		} `json:"errors"`
	}
	if status < 200 || status > 299 {
		err := json.Unmarshal(body, &refusal)
		code, _ := refusal.Code.(string)
		if err != nil || len(refusal.Errors) == 0 || refusal.Errors[0].Message == "" {
			return v, &Error{status, code, fmt.Sprintf("the server answers %d and does not say why: its log does", status)}
		}
		return v, &Error{status, code, refusal.Errors[0].Message}
	}
	if len(body) == 0 {
		return v, nil
	}
	if err := json.Unmarshal(body, &v); err != nil {
		return v, fmt.Errorf("the answer can't be read (%w): is the server of another version? compare sealock version", err)
	}
	return v, nil
}

// PostForm posts to an OAuth 2.0 end-point of the server.
func PostForm[T any](ctx context.Context, s Server, endpoint string, form url.Values) (T, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		var none T
		return none, fmt.Errorf("building the request: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return exchange[T](s, req)
}

func exchange[T any](s Server, req *http.Request) (T, error) {
	var none T
	req.Header.Set("User-Agent", UserAgent)
	resp, err := s.Do(req)
	if err != nil {
		return none, err
	}
	defer func() { _ = resp.Body.Close() }() // all of it is read
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return none, fmt.Errorf("reading the answer of %s: %w", s.URL, err)
	}
	return Understand[T](resp.StatusCode, body)
}

// UserAgent is what the command line calls itself.
const UserAgent = "sealock-cli"
