// Package wire is the smallest registry client: plain HTTP requests, one at a time.
//
// It owns the token dance as a client plays it, so that tests can ask for what no real
// client asks for, and look at what really came. It retries nothing and checks what it
// reads.
package wire

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sealock/sealock/e2e/internal/fixture"
)

// Client speaks to one registry as one user.
type Client struct {
	Base string // http://host:port of the registry
	User string // nobody if empty
	Pass string
	HTTP *http.Client

	Refresh string // a refresh token, used instead of user and password
	Bearer  string // an access token, used as it is
}

// New returns a client that speaks to host as user.
func New(host, user, pass string) *Client {
	return &Client{Base: "http://" + host, User: user, Pass: pass, HTTP: &http.Client{
		Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}}
}

// Response is an answer that was read to its end.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// String shows the answer in a failure.
func (r Response) String() string {
	return fmt.Sprintf("%d %s %s", r.Status, r.Header.Get("WWW-Authenticate"), bytes.TrimSpace(r.Body))
}

// Message joins the messages of the OCI error body.
func (r Response) Message() string {
	var body struct {
		Errors []struct{ Code, Message string }
	}
	if err := json.Unmarshal(r.Body, &body); err != nil {
		return ""
	}
	var all []string
	for _, e := range body.Errors {
		all = append(all, e.Code+": "+e.Message)
	}
	return strings.Join(all, "; ")
}

// Request is what to send. Bearer, if set, is sent as it is.
type Request struct {
	Method string
	URL    string // absolute, or a path of the registry
	Header http.Header
	Body   []byte
	Bearer string
	Basic  bool // send user and password
}

// Send sends one request and no more.
func (c *Client) Send(r Request) (Response, error) {
	target := r.URL
	if strings.HasPrefix(target, "/") {
		target = c.Base + target
	}
	req, err := http.NewRequestWithContext(context.Background(), r.Method, target, bytes.NewReader(r.Body))
	if err != nil {
		return Response{}, fmt.Errorf("making a request for %s: %w", target, err)
	}
	for name, values := range r.Header {
		req.Header[name] = values
	}
	if r.Bearer != "" {
		req.Header.Set("Authorization", "Bearer "+r.Bearer)
	}
	if r.Basic {
		req.SetBasicAuth(c.User, c.Pass)
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return Response{}, fmt.Errorf("sending %s %s: %w", r.Method, target, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return Response{}, fmt.Errorf("reading the answer to %s %s: %w", r.Method, target, err)
	}
	return Response{Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

// Do sends a request, and sends it again with the token that the challenge asks for.
func (c *Client) Do(r Request) (Response, error) {
	if c.Bearer != "" {
		r.Bearer = c.Bearer
		return c.Send(r)
	}
	resp, err := c.Send(r)
	if err != nil || resp.Status != http.StatusUnauthorized {
		return resp, err
	}
	challenge, err := ParseChallenge(resp.Header.Get("WWW-Authenticate"))
	if err != nil {
		return resp, err
	}
	token, err := c.answer(challenge)
	if err != nil {
		return resp, err
	}
	r.Bearer = token
	return c.Send(r)
}

// answer gets the token that a challenge asks for.
func (c *Client) answer(challenge Challenge) (string, error) {
	if c.Refresh == "" {
		token, _, err := c.Token(challenge, challenge.Scope)
		return token.Token, err
	}
	token, _, err := c.Post(challenge, url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {c.Refresh}, "scope": {challenge.Scope},
	})
	return token.AccessToken, err
}

// Challenge is a WWW-Authenticate header of a registry.
type Challenge struct {
	Realm, Service, Scope, Error string
}

// ParseChallenge reads a Bearer challenge.
func ParseChallenge(header string) (Challenge, error) {
	rest, ok := strings.CutPrefix(header, "Bearer ")
	if !ok {
		return Challenge{}, fmt.Errorf("challenge %q: want one that starts with Bearer", header)
	}
	values := map[string]string{}
	for _, m := range parameter.FindAllStringSubmatch(rest, -1) {
		values[m[1]] = m[2]
	}
	return Challenge{Realm: values["realm"], Service: values["service"], Scope: values["scope"], Error: values["error"]}, nil
}

var parameter = regexp.MustCompile(`([a-z]+)="([^"]*)"`)

// Token is an answer of the token end-point.
type Token struct {
	Token        string    `json:"token"`
	AccessToken  string    `json:"access_token"`
	RefreshToken string    `json:"refresh_token"`
	ExpiresIn    int       `json:"expires_in"`
	IssuedAt     time.Time `json:"issued_at"`
}

// KeyID returns the kid of the token's header.
func (t Token) KeyID() (string, error) {
	var header struct {
		Kid string `json:"kid"`
	}
	err := t.part(0, &header)
	return header.Kid, err
}

// Granted returns what the token allows at a repository.
func (t Token) Granted(repository string) ([]string, error) {
	var claims struct {
		Access []struct {
			Type, Name string
			Actions    []string
		} `json:"access"`
	}
	if err := t.part(1, &claims); err != nil {
		return nil, err
	}
	var actions []string
	for _, a := range claims.Access {
		if a.Type == "repository" && a.Name == repository {
			actions = append(actions, a.Actions...)
		}
	}
	slices.Sort(actions)
	return actions, nil
}

// Ends returns when the token ends.
func (t Token) Ends() (time.Time, error) {
	var claims struct {
		Exp int64 `json:"exp"`
	}
	err := t.part(1, &claims)
	return time.Unix(claims.Exp, 0), err
}

// part decodes one of the parts of the token.
func (t Token) part(number int, into any) error {
	parts := strings.Split(t.Token, ".")
	if len(parts) != 3 {
		return fmt.Errorf("token %q: want three parts", t.Token)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[number])
	if err != nil {
		return fmt.Errorf("decoding a token: %w", err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("decoding a token: %w", err)
	}
	return nil
}

// ErrToken is wrapped when the token end-point gives no token.
var ErrToken = errors.New("no token")

// Token asks for a token by GET, with Basic credentials if there are any.
func (c *Client) Token(challenge Challenge, scopes ...string) (Token, Response, error) {
	query := url.Values{"service": {challenge.Service}}
	for _, scope := range scopes {
		if scope != "" {
			query.Add("scope", scope)
		}
	}
	return c.token(Request{Method: http.MethodGet, URL: challenge.Realm + "?" + query.Encode(), Basic: c.User != ""})
}

// Offline asks for a refresh token as docker does when it logs in.
func (c *Client) Offline(challenge Challenge) (Token, Response, error) {
	query := url.Values{
		"account": {c.User}, "client_id": {"docker"}, "offline_token": {"true"}, "service": {challenge.Service},
	}
	return c.token(Request{Method: http.MethodGet, URL: challenge.Realm + "?" + query.Encode(), Basic: true})
}

// Post asks for a token by a form.
func (c *Client) Post(challenge Challenge, form url.Values) (Token, Response, error) {
	form.Set("service", challenge.Service)
	return c.token(Request{
		Method: http.MethodPost, URL: challenge.Realm, Body: []byte(form.Encode()),
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
	})
}

func (c *Client) token(r Request) (Token, Response, error) {
	resp, err := c.Send(r)
	if err != nil {
		return Token{}, resp, err
	}
	if resp.Status != http.StatusOK {
		return Token{}, resp, fmt.Errorf("%w: %s %s: %s", ErrToken, r.Method, r.URL, resp)
	}
	var token Token
	if err := json.Unmarshal(resp.Body, &token); err != nil {
		return Token{}, resp, fmt.Errorf("reading the token answer: %w", err)
	}
	return token, resp, nil
}

// Challenge asks the registry who gives tokens.
func (c *Client) Challenge() (Challenge, error) {
	resp, err := c.Send(Request{Method: http.MethodGet, URL: "/v2/"})
	if err != nil {
		return Challenge{}, err
	}
	if resp.Status != http.StatusUnauthorized {
		return Challenge{}, fmt.Errorf("GET /v2/ without a token: got %s, want 401", resp)
	}
	return ParseChallenge(resp.Header.Get("WWW-Authenticate"))
}

// Manifest reads a manifest by tag or digest, and returns its digest.
func (c *Client) Manifest(repository, reference string) (fixture.Manifest, string, error) {
	resp, err := c.want(http.StatusOK, Request{
		Method: http.MethodGet, URL: "/v2/" + repository + "/manifests/" + reference, Header: http.Header{"Accept": accepted()},
	})
	if err != nil {
		return fixture.Manifest{}, "", err
	}
	var manifest fixture.Manifest
	if err := json.Unmarshal(resp.Body, &manifest); err != nil {
		return fixture.Manifest{}, "", fmt.Errorf("reading the manifest of %s:%s: %w", repository, reference, err)
	}
	digest := fixture.Digest(resp.Body)
	if claimed := resp.Header.Get("Docker-Content-Digest"); claimed != digest {
		return manifest, digest, fmt.Errorf("Docker-Content-Digest of %s:%s: got %q, want %q", repository, reference, claimed, digest)
	}
	return manifest, digest, nil
}

func accepted() []string {
	return []string{
		fixture.MediaTypeManifest, fixture.MediaTypeIndex,
		"application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.distribution.manifest.list.v2+json",
	}
}

// Check reads an image, verifies every blob, and reports an error unless one of them
// holds content. It returns the digest of the manifest.
func (c *Client) Check(repository, reference, content string) (string, error) {
	manifest, digest, err := c.Manifest(repository, reference)
	if err != nil {
		return "", err
	}
	found := false
	for _, d := range append(manifest.Layers, manifest.Config) {
		blob, err := c.Blob(repository, d.Digest)
		if err != nil {
			return digest, err
		}
		if got := fixture.Digest(blob); got != d.Digest {
			return digest, fmt.Errorf("blob %s of %s: got digest %s", d.Digest, repository, got)
		}
		found = found || fixture.Holds(blob, content)
	}
	if !found {
		return digest, fmt.Errorf("no blob of %s:%s holds %q", repository, reference, content)
	}
	return digest, nil
}

// Blob reads a blob.
func (c *Client) Blob(repository, digest string) ([]byte, error) {
	resp, err := c.want(http.StatusOK, Request{Method: http.MethodGet, URL: "/v2/" + repository + "/blobs/" + digest})
	return resp.Body, err
}

// PutBlob uploads a blob in two requests.
func (c *Client) PutBlob(repository string, blob []byte) error {
	resp, err := c.want(http.StatusAccepted, Request{Method: http.MethodPost, URL: "/v2/" + repository + "/blobs/uploads/"})
	if err != nil {
		return err
	}
	target, err := c.location(resp, url.Values{"digest": {fixture.Digest(blob)}})
	if err != nil {
		return err
	}
	_, err = c.want(http.StatusCreated, Request{
		Method: http.MethodPut, URL: target, Body: blob,
		Header: http.Header{"Content-Type": {"application/octet-stream"}},
	})
	return err
}

// location makes the Location of an upload absolute and adds to its query.
func (c *Client) location(resp Response, more url.Values) (string, error) {
	base, err := url.Parse(c.Base + "/")
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", c.Base, err)
	}
	target, err := base.Parse(resp.Header.Get("Location"))
	if err != nil {
		return "", fmt.Errorf("reading Location: %w", err)
	}
	if target.Host != base.Host || target.Scheme != base.Scheme {
		return "", fmt.Errorf("Location %s: want scheme and host of %s", target, c.Base) //nolint:staticcheck // a header's name
	}
	query := target.Query()
	for name, values := range more {
		query[name] = values
	}
	target.RawQuery = query.Encode()
	return target.String(), nil
}

// Push uploads an image.
func (c *Client) Push(repository, tag string, image fixture.Image) error {
	for _, blob := range [][]byte{image.Layer, image.Config} {
		if err := c.PutBlob(repository, blob); err != nil {
			return err
		}
	}
	return c.putManifest(repository, tag, image.Manifest)
}

// PutManifest uploads a manifest whose blobs are there.
func (c *Client) PutManifest(repository, tag string, manifest fixture.Manifest) error {
	raw, err := json.Marshal(manifest)
	if err != nil {
		return fmt.Errorf("encoding a manifest: %w", err)
	}
	return c.putManifest(repository, tag, raw)
}

func (c *Client) putManifest(repository, tag string, raw []byte) error {
	_, err := c.want(http.StatusCreated, Request{
		Method: http.MethodPut, URL: "/v2/" + repository + "/manifests/" + tag, Body: raw,
		Header: http.Header{"Content-Type": {fixture.MediaTypeManifest}},
	})
	return err
}

// Mount asks for a blob of another repository and reports whether it was mounted; an
// upload that was opened instead is cancelled with the client's own rights, if any.
func (c *Client) Mount(repository, from, digest string) (Response, error) {
	query := url.Values{"mount": {digest}, "from": {from}}
	return c.Do(Request{Method: http.MethodPost, URL: "/v2/" + repository + "/blobs/uploads/?" + query.Encode()})
}

// Tags lists the tags of a repository.
func (c *Client) Tags(repository string) ([]string, error) {
	resp, err := c.want(http.StatusOK, Request{Method: http.MethodGet, URL: "/v2/" + repository + "/tags/list"})
	if err != nil {
		return nil, err
	}
	var list struct{ Tags []string }
	if err := json.Unmarshal(resp.Body, &list); err != nil {
		return nil, fmt.Errorf("reading the tags of %s: %w", repository, err)
	}
	return list.Tags, nil
}

// HasTag reports whether a repository has the tag; a repository without any tag is an
// unknown name to some registries.
func (c *Client) HasTag(repository, tag string) (bool, error) {
	resp, err := c.Do(Request{Method: http.MethodHead, URL: "/v2/" + repository + "/manifests/" + tag, Header: http.Header{"Accept": accepted()}})
	if err != nil {
		return false, err
	}
	switch resp.Status {
	case http.StatusOK:
		return true, nil
	case http.StatusNotFound:
		return false, nil
	}
	return false, fmt.Errorf("HEAD manifest %s:%s: got %s, want 200 or 404", repository, tag, resp)
}

// Catalog lists all repositories, page by page.
func (c *Client) Catalog() ([]string, error) {
	var all []string
	for next := "/v2/_catalog?n=3"; next != ""; {
		resp, err := c.want(http.StatusOK, Request{Method: http.MethodGet, URL: next})
		if err != nil {
			return nil, err
		}
		var page struct{ Repositories []string }
		if err := json.Unmarshal(resp.Body, &page); err != nil {
			return nil, fmt.Errorf("reading the catalog: %w", err)
		}
		all = append(all, page.Repositories...)
		if next, err = nextPage(resp.Header.Get("Link")); err != nil {
			return nil, err
		}
	}
	slices.Sort(all)
	return all, nil
}

func nextPage(link string) (string, error) {
	if link == "" {
		return "", nil
	}
	target, rel, ok := strings.Cut(strings.TrimPrefix(link, "<"), ">")
	if !ok || !strings.Contains(rel, `rel="next"`) {
		return "", fmt.Errorf("Link %q: want <path>; rel=\"next\"", link) //nolint:staticcheck // a header's name
	}
	return target, nil
}

// Delete deletes a manifest by digest.
func (c *Client) Delete(repository, digest string) error {
	_, err := c.want(http.StatusAccepted, Request{Method: http.MethodDelete, URL: "/v2/" + repository + "/manifests/" + digest})
	return err
}

// want does a request and reports any other status as an error.
func (c *Client) want(status int, r Request) (Response, error) {
	resp, err := c.Do(r)
	if err != nil {
		return resp, err
	}
	if resp.Status != status {
		return resp, fmt.Errorf("%s %s as %q: got %s, want %d", r.Method, r.URL, c.User, resp, status)
	}
	return resp, nil
}
