package proxy

import (
	"context"
	"fmt"
	"net/http"
)

// sendOwn sends a request of sealock's own, with a token for what it needs. A registry may keep blobs elsewhere and send
// us there.
func (s *Separate) sendOwn(ctx context.Context, o ownRequest, _ int64) (*http.Response, error) {
	token, err := s.minter.Mint(ctx, o.Access())
	if err != nil {
		return nil, fmt.Errorf("minting a token: %w", err)
	}
	req, err := o.to(ctx, s.base)
	if err != nil {
		return nil, err
	}
	req.Host = "" // that of the address which it goes to
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := s.addresses.RoundTrip(req)
	if err != nil {
		return nil, s.unanswered(err)
	}
	if o.Kind == KindBlob && o.Method == http.MethodGet && redirects(resp.StatusCode) {
		return s.follow(req, resp)
	}
	return resp, nil
}
