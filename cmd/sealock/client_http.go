package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
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
	pem, err := os.ReadFile(caFile) // the user's own choice of file
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

// apiError is a refusal in the server's own words, which say what to do.
type apiError struct {
	status  int
	message string
}

func (e *apiError) Error() string { return e.message }

// decode reads the answer to a request of the API, or the error that it is.
func decode[T any](resp *http.Response, err error) (T, error) {
	var v T
	if err != nil {
		return v, err
	}
	defer func() { _ = resp.Body.Close() }() // all of it is read
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return v, fmt.Errorf("reading the answer: %w", err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return v, refusal(resp, body)
	}
	if len(body) == 0 {
		return v, nil
	}
	if err := json.Unmarshal(body, &v); err != nil {
		return v, fmt.Errorf("%s does not answer like sealock: check the URL", origin(resp))
	}
	return v, nil
}

// done waits for the answer to a request that answers nothing but yes or no.
func done(resp *http.Response, err error) error {
	_, err = decode[struct{}](resp, err)
	return err
}

// refusal reads the errors of the API and of the token end-point, which have the same list.
func refusal(resp *http.Response, body []byte) error {
	var answer struct {
		Errors []struct {
			Message string `json:"message"`
		} `json:"errors"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || len(answer.Errors) == 0 || answer.Errors[0].Message == "" {
		return &apiError{resp.StatusCode, notSealock(resp)}
	}
	return &apiError{resp.StatusCode, answer.Errors[0].Message}
}

func notSealock(resp *http.Response) string {
	if to := resp.Header.Get("Location"); resp.StatusCode >= 300 && resp.StatusCode < 400 && to != "" {
		return fmt.Sprintf("%s sends to %s: log in there", origin(resp), to)
	}
	return fmt.Sprintf("%s answers %s, not like sealock: check the URL", origin(resp), resp.Status)
}

func origin(resp *http.Response) string {
	if resp.Request == nil || resp.Request.URL == nil {
		return "the server"
	}
	return resp.Request.URL.Scheme + "://" + resp.Request.URL.Host
}

// pages reads a list to its end.
func pages[T any](fetch func(page int64) (*http.Response, error)) ([]T, error) {
	all := []T{}
	for page := int64(1); ; page++ {
		resp, err := fetch(page)
		more := err == nil && strings.Contains(resp.Header.Get("Link"), `rel="next"`)
		items, err := decode[[]T](resp, err)
		if err != nil {
			return nil, err
		}
		if all = append(all, items...); !more {
			return all, nil
		}
	}
}

// largePage is the largest page that the server gives.
const largePage int64 = 100
