package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"os"
	"time"
)

const (
	requestTimeout = time.Minute
	maxAnswer      = 64 << 20 // bytes; more than any page of the API
)

// httpClient returns what carries requests to a server whose certificate one in caFile vouches for. It follows no
// redirect: a password must not go where a server sends it.
func httpClient(env *environment, caFile string) (*http.Client, error) {
	transport := env.HTTP
	if transport == nil {
		t, err := newTransport(caFile)
		if err != nil {
			return nil, err
		}
		transport = t
	}
	return &http.Client{
		Transport:     transport,
		Timeout:       requestTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

func newTransport(caFile string) (*http.Transport, error) {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second}
	if caFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(caFile) //nolint:gosec // the user's own choice of file
	if err != nil {
		return nil, fmt.Errorf("reading the CA certificate: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no PEM certificate: get the server's with sealock ca", caFile)
	}
	t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return t, nil
}

// unreachable says why a request got no answer, and what to do about it.
func unreachable(server string, err error) error {
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	switch {
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted")
	case errors.As(err, &authority):
		return fmt.Errorf("the certificate of %s is signed by an authority that is not known here: log in with --ca-file", server)
	case errors.As(err, &hostname):
		return fmt.Errorf("the certificate of %s is for another name (%w): use that name", server, hostname)
	case errors.Is(err, http.ErrSchemeMismatch):
		return fmt.Errorf("%s speaks plain HTTP: write http:// instead of https://", server)
	}
	// The innermost error says it best: the ones around it repeat the URL.
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return fmt.Errorf("%s does not answer (%w): check the URL, and that sealock serve runs there", server, err)
}

// doer sends requests to one server, and turns what the network or a stranger answers into errors that say what to do.
type doer struct {
	http   *http.Client
	server string
}

func (d doer) Do(req *http.Request) (*http.Response, error) {
	resp, err := d.http.Do(req) //nolint:gosec // the server is the one that the user names
	if err != nil {
		return nil, unreachable(d.server, err)
	}
	if err := d.stranger(resp); err != nil {
		return nil, errors.Join(err, resp.Body.Close())
	}
	return resp, nil
}

// stranger tells when an answer is not one of sealock.
func (d doer) stranger(resp *http.Response) error {
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	to := resp.Header.Get("Location")
	switch {
	case resp.StatusCode >= 300 && resp.StatusCode < 400 && to != "":
		return fmt.Errorf("%s sends to %s: log in there", d.server, to)
	case media != "application/json" && resp.ContentLength != 0:
		return fmt.Errorf("%s answers %s, not like sealock: check the URL", d.server, resp.Status)
	}
	return nil
}

// apiError is a refusal in the server's own words, which say what to do.
type apiError struct {
	status  int
	message string
}

func (e *apiError) Error() string { return e.message }

// answer is what the generated client returns from every operation.
type answer interface {
	StatusCode() int
	Bytes() []byte
}

// decode reads the object in an answer, or the error that it is.
func decode[T any](a answer, err error) (T, error) {
	if err != nil {
		var none T
		return none, err
	}
	return understand[T](a.StatusCode(), a.Bytes())
}

// done waits for the answer of an operation that says nothing but yes or no.
func done(a answer, err error) error {
	_, err = decode[struct{}](a, err)
	return err
}

// understand reads a body. Refusals of the API and of the token end-point have the same list of errors.
func understand[T any](status int, body []byte) (T, error) {
	var v T
	var refusal struct {
		Errors []struct {
			Message string `json:"message"`
		} `json:"errors"`
	}
	if status < 200 || status > 299 {
		if err := json.Unmarshal(body, &refusal); err != nil || len(refusal.Errors) == 0 || refusal.Errors[0].Message == "" {
			return v, &apiError{status, fmt.Sprintf("the server answers %d and does not say why: its log does", status)}
		}
		return v, &apiError{status, refusal.Errors[0].Message}
	}
	if len(body) == 0 {
		return v, nil
	}
	if err := json.Unmarshal(body, &v); err != nil {
		return v, fmt.Errorf("the answer can't be read (%w): is the server of another version? compare sealock version", err)
	}
	return v, nil
}

// largePage is the largest page that the server gives.
const largePage int64 = 100

// pages reads a list to its end.
func pages[T any](fetch func(page int64) (answer, error)) ([]T, error) {
	all := []T{}
	for page := int64(1); ; page++ {
		items, err := decode[[]T](fetch(page))
		if err != nil {
			return nil, err
		}
		if all = append(all, items...); int64(len(items)) < largePage {
			return all, nil
		}
	}
}
