package proxy

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/sealock/sealock/internal/errs"
)

// sendOwn sends a request of sealock's own, with a token for what it needs. A registry may keep blobs elsewhere and send
// us there, once.
func (s *Separate) sendOwn(ctx context.Context, o ownRequest, _ int64) (*http.Response, error) {
	token, err := s.minter.Mint(ctx, o.Access())
	if err != nil {
		return nil, fmt.Errorf("minting a token: %w", err)
	}
	req, err := o.to(ctx, s.base)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := s.transport.RoundTrip(req)
	if err != nil || o.Kind != KindBlob || o.Method != http.MethodGet {
		return resp, err
	}
	switch resp.StatusCode {
	case http.StatusFound, http.StatusTemporaryRedirect:
		return s.elsewhere(ctx, resp)
	}
	return resp, nil
}

// elsewhere follows a redirect to where blobs are kept. The token stays here: it is the registry's.
func (s *Separate) elsewhere(ctx context.Context, resp *http.Response) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxErrorBytes)) // so that the connection is used again
	_ = resp.Body.Close()
	to, err := resp.Location()
	if err != nil || to.Scheme != "http" && to.Scheme != "https" {
		return nil, errs.New(errs.Unavailable, "the registry sends sealock to a place that is none").WithHint("check the registry's storage settings").Because(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to.String(), http.NoBody) //nolint:gosec // the registry is trusted to say where its blobs are
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", InsideAgent)
	if to.Scheme == s.base.Scheme && to.Host == s.base.Host {
		return s.transport.RoundTrip(req)
	}
	return s.storage.RoundTrip(req)
}
