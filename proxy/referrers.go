package proxy

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/httpx"
)

// Referrers knows what refers to a digest, which stock registries don't.
type Referrers interface {
	// Referrers returns up to most artifacts of the repository whose manifests name the digest as their subject, after the
	// one with the number, in the order of numbers. artifactType narrows them; "" is any.
	Referrers(ctx context.Context, repository, digest, artifactType string, after int64, most int) ([]Referrer, error)
}

// Referrer is an artifact that refers to another one.
type Referrer struct {
	Number int64 `json:"-"` // its place in the list

	MediaType    string            `json:"mediaType"`
	Digest       string            `json:"digest"`
	Size         int64             `json:"size"`
	ArtifactType string            `json:"artifactType,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
}

// Bounds of one page of a list of referrers: their number, and the bytes after which a page ends. A client reads it as it
// reads a manifest.
const (
	mostReferrers  = 100
	referrersBytes = 1 << 20
)

const indexType = "application/vnd.oci.image.index.v1+json"

const subjectHeader = "Oci-Subject" // OCI-Subject, as headers are kept

// serveReferrers answers /v2/<name>/referrers/<digest> from what came through the gate (OCI distribution specification,
// "Listing Referrers"). That nothing is known of the digest is an empty list.
func (g *Gate) serveReferrers(ctx context.Context, v *visit) error {
	query := v.r.URL.Query()
	after, err := referrersAfter(query)
	if err != nil {
		return err
	}
	artifactType := query.Get("artifactType")
	found, err := g.Referrers.Referrers(ctx, v.Repository, v.Reference, artifactType, after, mostReferrers+1)
	if err != nil {
		return err
	}
	page, err := pageOf(found)
	if err != nil {
		return err
	}
	body, err := json.Marshal(struct {
		SchemaVersion int               `json:"schemaVersion"`
		MediaType     string            `json:"mediaType"`
		Manifests     []json.RawMessage `json:"manifests"`
	}{2, indexType, page})
	if err != nil {
		return err
	}
	h := v.w.Header()
	if artifactType != "" {
		h.Set("Oci-Filters-Applied", "artifactType")
	}
	if n := len(page); n < len(found) {
		query.Set("last", strconv.FormatInt(found[n-1].Number, 10))
		h.Set("Link", "<"+v.r.URL.Path+"?"+query.Encode()+`>; rel="next"`)
	}
	v.answer(indexType, body)
	return nil
}

// answer sends a short answer of sealock's own.
func (v *visit) answer(contentType string, body []byte) {
	h := v.w.Header()
	h.Set(httpx.APIVersionHeader, httpx.APIVersion)
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if v.Method != http.MethodHead {
		_, _ = v.w.Write(body) // a client that hung up needs no answer
	}
}

// referrersAfter reads the place in a list that a Link named.
func referrersAfter(query url.Values) (int64, error) {
	last := query.Get("last")
	if last == "" {
		return 0, nil
	}
	after, err := strconv.ParseInt(last, 10, 64)
	if err != nil || after < 0 {
		return 0, errs.New(errs.Invalid, "last=%q is no place in a list of referrers", clip(last)).WithHint("follow the Link header as it is").WithCode("PAGINATION_NUMBER_INVALID")
	}
	return after, nil
}

// pageOf returns as many of the referrers as are a page, and one at least.
func pageOf(found []Referrer) ([]json.RawMessage, error) {
	page, size := make([]json.RawMessage, 0, min(len(found), mostReferrers)), 0
	for _, r := range found {
		text, err := json.Marshal(r)
		if err != nil {
			return nil, err
		}
		if size += len(text); len(page) == mostReferrers || len(page) > 0 && size > referrersBytes {
			break
		}
		page = append(page, text)
	}
	return page, nil
}

// acknowledge tells the client of a push that its subject was understood (OCI distribution specification, "Pushing
// Manifests with Subject"): it keeps no list of referrers by itself then.
func (g *Gate) acknowledge(h http.Header, sent manifestSent) {
	if g.Referrers == nil || sent.body == nil {
		return
	}
	if m, err := ReadManifest(sent.mediaType, sent.body); err == nil && m.Subject != nil {
		h.Set(subjectHeader, m.Subject.Digest.String())
	}
}
