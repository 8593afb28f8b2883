package proxy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/sealock/sealock/internal/errs"
)

// maxPageBytes bounds what one page of the upstream's catalog may take: a thousand names of the longest kind.
const maxPageBytes = 1 << 20

// CatalogPage implements [Catalog] with a token of sealock's own: only the gate knows who may see what.
func (s *Separate) CatalogPage(ctx context.Context, last string, n int) ([]string, bool, error) {
	names, more, err := s.catalogPage(ctx, last, n)
	if errs.Is(err, errs.Invalid) { // the upstream's own maximum is lower: take its default
		names, more, err = s.catalogPage(ctx, last, 0)
	}
	if err != nil {
		return nil, false, errUpstream(err)
	}
	if len(names) > 0 && names[len(names)-1] == last {
		return nil, false, errUpstream(fmt.Errorf("catalog repeats the page after %q", last))
	}
	return names, more, nil
}

func (s *Separate) catalogPage(ctx context.Context, last string, n int) (names []string, more bool, err error) {
	resp, err := s.getCatalog(ctx, last, n)
	if err != nil {
		return nil, false, err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusBadRequest:
		return nil, false, errs.New(errs.Invalid, "catalog page of %d is refused", n)
	default:
		return nil, false, fmt.Errorf("reading catalog: status %s", resp.Status)
	}
	var page struct {
		Repositories []string `json:"repositories"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxPageBytes)).Decode(&page); err != nil {
		return nil, false, fmt.Errorf("reading catalog: %w", err)
	}
	return page.Repositories, strings.Contains(resp.Header.Get("Link"), `rel="next"`), nil
}

func (s *Separate) getCatalog(ctx context.Context, last string, n int) (*http.Response, error) {
	query := url.Values{}
	if n > 0 {
		query.Set("n", strconv.Itoa(n))
	}
	if last != "" {
		query.Set("last", last)
	}
	return s.ask(ctx, Request{Kind: KindCatalog, Method: http.MethodGet}, query, nil)
}

// HasTags implements [Catalog].
func (s *Separate) HasTags(ctx context.Context, repository string) (bool, error) {
	resp, err := s.ask(ctx, Request{Kind: KindTags, Method: http.MethodGet, Repository: repository}, nil, nil)
	if err != nil {
		return false, errUpstream(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		return false, nil
	}
	var list struct {
		Tags []string `json:"tags"`
	}
	if resp.StatusCode != http.StatusOK {
		return false, errUpstream(fmt.Errorf("reading tags of %s: status %s", repository, resp.Status))
	}
	// The list of an old registry has no pages and no limit: what is left out can't make it empty.
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		return false, errUpstream(fmt.Errorf("reading tags of %s: %w", repository, err))
	}
	return len(list.Tags) > 0, nil
}

// TagDigest implements [Catalog].
func (s *Separate) TagDigest(ctx context.Context, repository, tag string) (string, error) {
	what := Request{Kind: KindManifest, Method: http.MethodHead, Repository: repository, Reference: tag}
	// Without these, a registry would turn what it has into something older, with another digest.
	accept := []string{
		"application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json",
		"application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.docker.distribution.manifest.v2+json",
	}
	resp, err := s.ask(ctx, what, nil, accept)
	if err != nil {
		return "", errUpstream(err)
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		if found := resp.Header.Get("Docker-Content-Digest"); found != "" {
			return found, nil
		}
		return "", errUpstream(fmt.Errorf("looking for tag %s of %s: no digest", tag, repository))
	case http.StatusNotFound:
		return "", nil
	}
	return "", errUpstream(fmt.Errorf("looking for tag %s of %s: status %s", tag, repository, resp.Status))
}

// DropRepositories implements [Catalog]: a stock registry forgets no repository while it runs.
func (s *Separate) DropRepositories(context.Context, string) error { return nil }

// RenameRepositories implements [Catalog].
func (s *Separate) RenameRepositories(context.Context, string, string) error {
	return errs.New(errs.Unsupported, "the registry behind sealock can't rename repositories").
		WithHint("copy them into a new project, or use the embedded registry")
}

// ask sends a request of sealock's own, with a token for what it needs.
func (s *Separate) ask(ctx context.Context, what Request, query url.Values, accept []string) (*http.Response, error) {
	token, err := s.minter.Mint(ctx, what.Access())
	if err != nil {
		return nil, fmt.Errorf("minting a token: %w", err)
	}
	u := *s.base
	u.Path, u.RawQuery = what.Path(), query.Encode()
	req, err := http.NewRequestWithContext(ctx, what.Method, u.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if len(accept) > 0 {
		req.Header["Accept"] = accept
	}
	return s.transport.RoundTrip(req)
}
