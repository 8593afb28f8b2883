package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
)

// InsideAgent is what sealock's own requests to a registry are sent as, so that they can be told from a client's.
const InsideAgent = "sealock/inside"

// Inside does in the registry behind the gate what sealock itself wants done there. Nobody's rights are asked for: that is
// the caller's affair. The errors of all methods: NotFound; Unavailable: the registry can't be asked.
type Inside struct {
	upstream Upstream
	send     func(ctx context.Context, o ownRequest, limit int64) (*http.Response, error)
}

// NewInside returns the way into the registry. A registry in this process is called, one in another is sent requests with
// tokens of sealock's own.
func NewInside(up Upstream) *Inside {
	switch s := up.(type) {
	case *Separate:
		return &Inside{up, s.sendOwn}
	case *Several:
		return &Inside{up, s.sendOwn}
	}
	stored, _ := up.(Straight)
	serve := up.ServeHTTP
	if s, ok := up.(interface {
		ServeInside(w http.ResponseWriter, r *http.Request)
	}); ok { // it redirects clients
		serve = s.ServeInside
	}
	return &Inside{up, func(ctx context.Context, o ownRequest, limit int64) (*http.Response, error) {
		return callOwn(ctx, stored, serve, o, limit)
	}}
}

// ownRequest is a request of sealock's own.
type ownRequest struct {
	Request
	query       url.Values
	accept      []string
	contentType string
	body        []byte
}

// The most that is read of an answer. Tags come in one piece from a registry 2.8, however many there are.
const (
	maxTagsBytes  = 64 << 20
	maxErrorBytes = 64 << 10
)

// acceptManifests are all forms of manifests: without them a registry would turn what it has into something older.
func acceptManifests() []string {
	return []string{
		"application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json",
		"application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.docker.distribution.manifest.v2+json", "*/*",
	}
}

// Manifest returns a manifest by its tag or digest, and its media type.
func (i *Inside) Manifest(ctx context.Context, repository, reference string) (mediaType string, body []byte, err error) {
	what := Request{Kind: KindManifest, Method: http.MethodGet, Repository: repository, Reference: reference}
	got, err := i.do(ctx, ownRequest{Request: what, accept: acceptManifests()}, maxManifest, http.StatusOK)
	if err != nil {
		return "", nil, err
	}
	if err := verifyDigest(reference, got.body); err != nil {
		return "", nil, errUpstream(fmt.Errorf("reading manifest %s of %s: %w", reference, repository, err))
	}
	mediaType, _, err = mime.ParseMediaType(got.header.Get("Content-Type"))
	if err != nil {
		return "", nil, errUpstream(fmt.Errorf("reading manifest %s of %s: %w", reference, repository, err))
	}
	return mediaType, got.body, nil
}

// verifyDigest holds content to the digest that it was asked for by. Algorithms that are not known are the registry's.
func verifyDigest(reference string, body []byte) error {
	want := digest.Digest(reference)
	if !strings.Contains(reference, ":") || !want.Algorithm().Available() {
		return nil
	}
	if got := want.Algorithm().FromBytes(body); got != want {
		return fmt.Errorf("it is %s", got)
	}
	return nil
}

// PutManifest keeps a manifest under a tag or its digest. What it refers to must be in the repository.
func (i *Inside) PutManifest(ctx context.Context, repository, reference, mediaType string, body []byte) error {
	what := Request{Kind: KindManifest, Method: http.MethodPut, Repository: repository, Reference: reference}
	_, err := i.do(ctx, ownRequest{Request: what, contentType: mediaType, body: body}, maxErrorBytes, http.StatusCreated)
	return err
}

// DeleteManifest removes a manifest with its tags. Unsupported: this registry is told not to.
func (i *Inside) DeleteManifest(ctx context.Context, repository, digest string) error {
	what := Request{Kind: KindManifest, Method: http.MethodDelete, Repository: repository, Reference: digest}
	_, err := i.do(ctx, ownRequest{Request: what}, maxErrorBytes, http.StatusAccepted)
	return err
}

// DeleteTag removes a tag and leaves the manifest. Unsupported: this registry is told not to delete.
func (i *Inside) DeleteTag(ctx context.Context, repository, tag string) error {
	what := Request{Kind: KindManifest, Method: http.MethodDelete, Repository: repository, Reference: tag}
	_, err := i.do(ctx, ownRequest{Request: what}, maxErrorBytes, http.StatusAccepted)
	if errs.Is(err, errs.Invalid) { // 2.8 wants a digest
		return i.untag(ctx, repository, tag)
	}
	return err
}

// Tags returns up to n tags that follow last, in the order of bytes, and whether there may be more.
func (i *Inside) Tags(ctx context.Context, repository, last string, n int) (tags []string, more bool, err error) {
	query := url.Values{"n": {strconv.Itoa(n)}}
	if last != "" {
		query.Set("last", last)
	}
	what := Request{Kind: KindTags, Method: http.MethodGet, Repository: repository}
	got, err := i.do(ctx, ownRequest{Request: what, query: query}, maxTagsBytes, http.StatusOK)
	if err != nil {
		return nil, false, err
	}
	var list struct {
		Tags []string `json:"tags"`
	}
	if err := json.Unmarshal(got.body, &list); err != nil {
		return nil, false, errUpstream(fmt.Errorf("reading tags of %s: %w", repository, err))
	}
	tags, rest := cutTags(list.Tags, last, n)
	return tags, rest || strings.Contains(got.header.Get("Link"), `rel="next"`), nil
}

// cutTags makes a page of what an old registry gives: all tags, in any order.
func cutTags(all []string, last string, n int) (page []string, more bool) {
	slices.Sort(all)
	if last != "" {
		i, found := slices.BinarySearch(all, last)
		if found {
			i++
		}
		all = all[i:]
	}
	return all[:min(n, len(all))], len(all) > n
}

// Blob returns a blob of at most limit bytes. Invalid: it is longer.
func (i *Inside) Blob(ctx context.Context, repository, digest string, limit int64) ([]byte, error) {
	what := Request{Kind: KindBlob, Method: http.MethodGet, Repository: repository, Reference: digest}
	got, err := i.do(ctx, ownRequest{Request: what}, limit, http.StatusOK)
	if err != nil {
		return nil, err
	}
	if err := verifyDigest(digest, got.body); err != nil {
		return nil, errUpstream(fmt.Errorf("reading blob %s of %s: %w", digest, repository, err))
	}
	return got.body, nil
}

// Mount makes a blob of one repository one of another, without copying. NotFound: it is not there.
func (i *Inside) Mount(ctx context.Context, from, to, digest string) error {
	what := Request{Kind: KindUploads, Method: http.MethodPost, Repository: to, Mount: digest, From: from}
	query := url.Values{"mount": {digest}, "from": {from}}
	got, err := i.do(ctx, ownRequest{Request: what, query: query}, maxErrorBytes, http.StatusCreated, http.StatusAccepted)
	if err != nil || got.status == http.StatusCreated {
		return err
	}
	i.cancelUpload(ctx, to, got.header.Get("Location")) // it took the mount for the start of an upload
	return errs.New(errs.NotFound, "there is no blob %s in repository %s", digest, from).WithHint("push it first")
}

// cancelUpload ends an upload that nobody wants. One that stays is swept by the registry.
func (i *Inside) cancelUpload(ctx context.Context, repository, location string) {
	u, err := url.Parse(location)
	if err != nil {
		return
	}
	_, id, _ := cutLast(u.Path)
	if !validUploadID(id) {
		return
	}
	what := Request{Kind: KindUpload, Method: http.MethodDelete, Repository: repository, Reference: id}
	_, _ = i.do(ctx, ownRequest{Request: what, query: u.Query()}, maxErrorBytes, http.StatusNoContent)
}

// Repositories returns up to n names of repositories that follow last, and whether there may be more.
func (i *Inside) Repositories(ctx context.Context, last string, n int) ([]string, bool, error) {
	return i.upstream.CatalogPage(ctx, last, n)
}

// Digests returns the digests of all manifests of a repository, whether a tag leads to them or not. Unsupported: this
// registry does not tell.
func (i *Inside) Digests(ctx context.Context, repository string) ([]string, error) {
	type teller interface {
		Digests(ctx context.Context, repository string) ([]string, error)
	}
	if t, ok := i.upstream.(teller); ok {
		return t.Digests(ctx, repository)
	}
	return nil, errs.New(errs.Unsupported, "a stock registry does not tell which manifests have no tag").WithHint("those that a tag leads to are found")
}

// ownAnswer is an answer that was read to its end.
type ownAnswer struct {
	status int
	header http.Header
	body   []byte
}

// do sends a request and reads its answer, which must have one of the statuses.
func (i *Inside) do(ctx context.Context, o ownRequest, limit int64, want ...int) (ownAnswer, error) {
	// A name or a reference that no registry could have is not sent: it becomes a path.
	if err := errors.Join(o.checkReference(), validName(o.Repository), validName(o.From)); err != nil {
		return ownAnswer{}, errs.New(errs.NotFound, "no registry can have %s %s", clip(o.Repository), clip(o.Reference)).WithHint("check the name").Because(err)
	}
	resp, err := i.send(ctx, o, limit)
	if err != nil {
		return ownAnswer{}, unanswered("", err)
	}
	defer resp.Body.Close()
	if !slices.Contains(want, resp.StatusCode) {
		return ownAnswer{}, answerError(o, resp)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case int64(len(body)) > limit, resp.ContentLength > limit && o.Method != http.MethodHead:
		return ownAnswer{}, errs.New(errs.Invalid, "%s of %s is longer than %d bytes", o.Reference, o.Repository, limit).WithHint("it is not read here")
	case err != nil:
		return ownAnswer{}, errUpstream(err)
	}
	return ownAnswer{resp.StatusCode, resp.Header, body}, nil
}

func validName(name string) error {
	if name != "" && !auth.ValidRepository(name) {
		return errName(name)
	}
	return nil
}

// answerError turns a registry's refusal into an error. Its words are for the log: they may be anything.
func answerError(o ownRequest, resp *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBytes))
	because := fmt.Errorf("%s %s: status %s: %s", o.Method, o.Path(), resp.Status, clip(string(text)))
	switch resp.StatusCode {
	case http.StatusNotFound:
		return errs.New(errs.NotFound, "the registry has no %s in repository %s", wanted(o.Request), o.Repository).WithHint("push it first").Because(because)
	case http.StatusMethodNotAllowed:
		return errs.New(errs.Unsupported, "the registry behind sealock does not allow this").
			WithHint("set storage.delete.enabled: true in its config.yml and restart it").Because(because)
	case http.StatusBadRequest:
		return errs.New(errs.Invalid, "the registry behind sealock refuses this").WithHint("the server's log has its words").Because(because)
	}
	return errUpstream(because)
}

func wanted(q Request) string {
	switch {
	case q.Kind == KindTags:
		return "tags"
	case q.Mount != "":
		return q.Mount
	}
	return q.Reference
}

// callOwn calls a registry in this process, straight where it can be. Its answer is kept as far as it will be read.
func callOwn(ctx context.Context, stored Straight, serve http.HandlerFunc, o ownRequest, limit int64) (*http.Response, error) {
	req, err := o.to(ctx, &url.URL{Scheme: "http", Host: "registry.invalid"})
	if err != nil {
		return nil, err
	}
	req.RequestURI = req.URL.RequestURI()
	req.RemoteAddr = "127.0.0.1:1"
	rec := &recorder{header: http.Header{}, limit: limit + 1}
	if stored == nil || !readStraight(stored, rec, req, o.Request) {
		serve(rec, req)
	}
	return rec.response(req), nil
}

// to returns the request, for a registry at base.
func (o ownRequest) to(ctx context.Context, base *url.URL) (*http.Request, error) {
	u := *base
	u.Path, u.RawQuery = o.Path(), o.query.Encode()
	req, err := http.NewRequestWithContext(ctx, o.Method, u.String(), bytes.NewReader(o.body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", InsideAgent)
	if len(o.accept) > 0 {
		req.Header["Accept"] = o.accept
	}
	if o.contentType != "" {
		req.Header.Set("Content-Type", o.contentType)
	}
	return req, nil
}

// recorder keeps an answer, up to a limit.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
	limit  int64
}

var errEnough = errors.New("nobody reads more of it")

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK {
		r.status = status
	}
}

func (r *recorder) Write(b []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	room := r.limit - int64(r.body.Len())
	if int64(len(b)) > room {
		r.body.Write(b[:room])
		return int(room), errEnough
	}
	return r.body.Write(b)
}

func (r *recorder) response(req *http.Request) *http.Response {
	r.WriteHeader(http.StatusOK)
	return &http.Response{
		Status: strconv.Itoa(r.status) + " " + http.StatusText(r.status), StatusCode: r.status, Header: r.header, ContentLength: -1,
		Body: io.NopCloser(&r.body), Request: req, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
}
