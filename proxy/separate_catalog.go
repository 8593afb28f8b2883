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
		return nil, false, s.unanswered(err)
	}
	if len(names) > 0 && names[len(names)-1] == last {
		return nil, false, s.unanswered(fmt.Errorf("catalog repeats the page after %q", last))
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
	return s.sendOwn(ctx, ownRequest{Request: Request{Kind: KindCatalog, Method: http.MethodGet}, query: query}, 0)
}

// HasTags implements [Catalog].
func (s *Separate) HasTags(ctx context.Context, repository string) (bool, error) {
	resp, err := s.sendOwn(ctx, ownRequest{Request: Request{Kind: KindTags, Method: http.MethodGet, Repository: repository}}, 0)
	if err != nil {
		return false, s.unanswered(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		return false, nil
	}
	var list struct {
		Tags []string `json:"tags"`
	}
	if resp.StatusCode != http.StatusOK {
		return false, s.unanswered(fmt.Errorf("reading tags of %s: status %s", repository, resp.Status))
	}
	// The list of an old registry has no pages and no limit: what is left out can't make it empty.
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		return false, s.unanswered(fmt.Errorf("reading tags of %s: %w", repository, err))
	}
	return len(list.Tags) > 0, nil
}

// TagDigest implements [Catalog].
func (s *Separate) TagDigest(ctx context.Context, repository, tag string) (string, error) {
	what := Request{Kind: KindManifest, Method: http.MethodHead, Repository: repository, Reference: tag}
	resp, err := s.sendOwn(ctx, ownRequest{Request: what, accept: acceptManifests()}, 0)
	if err != nil {
		return "", s.unanswered(err)
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		if found := resp.Header.Get(digestHeader); found != "" {
			return found, nil
		}
		return "", s.unanswered(fmt.Errorf("looking for tag %s of %s: no digest", tag, repository))
	case http.StatusNotFound:
		return "", nil
	}
	return "", s.unanswered(fmt.Errorf("looking for tag %s of %s: status %s", tag, repository, resp.Status))
}

// DropRepositories implements [Catalog]: a stock registry forgets no repository while it runs.
func (s *Separate) DropRepositories(context.Context, string) error { return nil }

// RenameRepositories implements [Catalog].
func (s *Separate) RenameRepositories(context.Context, string, string) error {
	return errs.New(errs.Unsupported, "the registry behind sealock can't rename repositories").
		WithHint("copy them into a new project, or use the embedded registry")
}
