package external

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/pki"
	"github.com/sealock/sealock/internal/secret"
)

// httpHook asks over HTTP.
type httpHook struct {
	url     string
	shared  secret.Text
	retries int
	client  *http.Client
}

func newHTTPHook(cfg Config) (*httpHook, error) {
	roots, err := pki.Trusted(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	if cfg.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(cfg.CertFile, cfg.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("reading cert_file and key_file: %w", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return &httpHook{url: cfg.URL, shared: cfg.Shared, retries: cfg.Retries, client: &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: conf, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: max(cfg.AtOnce, 1), IdleConnTimeout: time.Minute,
			DialContext: (&net.Dialer{Timeout: cfg.Timeout}).DialContext, MaxResponseHeaderBytes: 64 << 10,
		},
		// A question holds a password: it goes where the operator said, and nowhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func (h *httpHook) close() { h.client.CloseIdleConnections() }

// ask asks again only when no connection came about: a hook that got the question may have counted it.
func (h *httpHook) ask(ctx context.Context, requestID string, text []byte) ([]byte, error) {
	for again := 0; ; again++ {
		said, err := h.once(ctx, requestID, text)
		if again >= h.retries || !unreached(err) {
			return said, err
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(err, context.Cause(ctx))
		case <-time.After(50 * time.Millisecond << again):
		}
	}
}

// unreached reports whether there was no connection to send the question over.
func unreached(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

func (h *httpHook) once(ctx context.Context, requestID string, text []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("X-Request-Id", requestID)
	if !h.shared.Empty() {
		req.Header.Set("Authorization", "Bearer "+h.shared.Reveal())
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	said, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case kind != "application/json" && resp.StatusCode < http.StatusInternalServerError:
		// Any web server says 404 to a wrong path: that must not let another source answer.
		return nil, fmt.Errorf("status %d with a body that is no application/json: is the URL right?", resp.StatusCode)
	case resp.StatusCode == http.StatusUnauthorized:
		return nil, auth.ErrBadCredential
	case resp.StatusCode == http.StatusNotFound:
		return nil, auth.ErrUnknownSubject
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("status %d, want 200, 401 or 404", resp.StatusCode)
	}
	return said, err
}
