package workload

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"
)

// Limits of an issuer's keys.
const (
	freshFor     = 5 * time.Minute  // keys are used for so long without asking the issuer again
	staleFor     = 6 * time.Hour    // and so long while it does not answer
	askEvery     = 10 * time.Second // the issuer is not asked more often, whatever strangers send
	fetchTimeout = 5 * time.Second
	maxBody      = 512 << 10
	maxKeys      = 200
	maxRedirects = 3
	leastRSA     = 2048 // bits
	mostRSA      = 8192
)

// keySource is where the keys of an issuer are; rules that share one share its memory.
type keySource struct{ issuer, jwksURL, jwksFile, caFile, tokenFile string }

func (r Rule) keySource() keySource {
	return keySource{r.Issuer, r.JWKSURL, r.JWKSFile, r.CAFile, r.TokenFile}
}

// keySet remembers the keys of an issuer. It has no goroutine: whoever needs a key that is old or unknown asks for all,
// and everybody else who does waits for the same answer.
type keySet struct {
	source keySource
	client *http.Client
	log    *slog.Logger
	now    func() time.Time
	asking singleflight.Group

	mu   sync.Mutex
	last keyState
}

// keyState is what is known of the issuer's keys.
type keyState struct {
	keys    []jose.JSONWebKey
	fetched time.Time // when they came
	asked   time.Time // when the issuer was asked last
	err     error     // what went wrong then
}

func newKeySet(source keySource, log *slog.Logger, now func() time.Time) (*keySet, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if source.caFile != "" {
		text, err := os.ReadFile(source.caFile)
		if err != nil {
			return nil, fmt.Errorf("reading ca_file: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("ca_file %q holds no certificate in PEM form", source.caFile)
		}
	}
	return &keySet{source: source, log: log.With("issuer", source.issuer), now: now, client: &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: conf, ForceAttemptHTTP2: true,
			IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects || origin(req.URL) != origin(via[0].URL) {
				return errors.New("it redirects elsewhere")
			}
			return nil
		},
	}}, nil
}

func (s *keySet) close() { s.client.CloseIdleConnections() }

// find returns the keys that can have signed a JWT with that header: none, if the issuer has no such key, or an
// error, if it can't be told.
func (s *keySet) find(ctx context.Context, kid, alg string) ([]jose.JSONWebKey, error) {
	state := s.state()
	found := state.fitting(kid, alg)
	if len(found) > 0 && s.now().Sub(state.fetched) < freshFor {
		return found, nil
	}
	if s.due(state) || len(found) == 0 {
		var err error
		if state, err = s.refresh(ctx); err != nil {
			return nil, err
		}
		found = state.fitting(kid, alg)
	}
	switch {
	case state.err != nil && len(found) == 0: // a key that is not known may be a new one
		return nil, state.err
	case state.err != nil && s.now().Sub(state.fetched) >= staleFor:
		return nil, fmt.Errorf("its keys are from %s: %w", state.fetched.UTC().Format(time.RFC3339), state.err)
	}
	return found, nil
}

func (s *keySet) state() keyState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

func (s *keySet) due(state keyState) bool { return s.now().Sub(state.asked) >= askEvery }

// refresh returns the issuer's keys as they are now, or as they were when it was asked a moment ago.
func (s *keySet) refresh(ctx context.Context) (keyState, error) {
	answer := s.asking.DoChan("", func() (any, error) {
		if state := s.state(); !s.due(state) {
			return state, nil
		}
		s.mu.Lock()
		s.last.asked = s.now() // the others go on with what is known
		s.mu.Unlock()
		// The one who asked first may hang up; the others still wait.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
		defer cancel()
		keys, err := s.fetch(ctx)
		if err != nil {
			s.log.Warn("the keys of an issuer can't be had", "error", err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.last.err = err
		if err == nil {
			s.last.keys, s.last.fetched = keys, s.now()
		}
		return s.last, nil
	})
	select {
	case r := <-answer:
		state, _ := r.Val.(keyState)
		return state, r.Err
	case <-ctx.Done():
		return keyState{}, ctx.Err()
	}
}

// fitting returns the keys of that id and for that algorithm. Without an id, there must be no choice.
func (k keyState) fitting(kid, alg string) []jose.JSONWebKey {
	var found []jose.JSONWebKey
	for _, key := range k.keys {
		if (kid == "" || key.KeyID == kid) && signs(key, alg) {
			found = append(found, key)
		}
	}
	if kid == "" && len(found) != 1 {
		return nil
	}
	return found
}

// signs reports whether a key is one for the algorithm. Of a key that may be used for several, the type decides: a
// public key is never taken for a shared secret.
func signs(key jose.JSONWebKey, alg string) bool {
	if key.Algorithm != "" && key.Algorithm != alg {
		return false
	}
	switch public := key.Key.(type) {
	case *rsa.PublicKey:
		return (strings.HasPrefix(alg, "RS") || strings.HasPrefix(alg, "PS")) && public.N.BitLen() >= leastRSA && public.N.BitLen() <= mostRSA
	case *ecdsa.PublicKey:
		return alg == map[int]string{256: "ES256", 384: "ES384", 521: "ES512"}[public.Curve.Params().BitSize]
	case ed25519.PublicKey:
		return alg == string(jose.EdDSA)
	}
	return false
}

// fetch gets the keys from where they are.
func (s *keySet) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	if s.source.jwksFile != "" {
		text, err := os.ReadFile(s.source.jwksFile)
		if err != nil {
			return nil, fmt.Errorf("reading jwks_file: %w", err)
		}
		return parseKeys(text)
	}
	from := s.source.jwksURL
	if from == "" {
		var err error
		if from, err = s.discover(ctx); err != nil {
			return nil, fmt.Errorf("asking where its keys are: %w", err)
		}
	}
	text, err := s.get(ctx, from)
	if err != nil {
		return nil, fmt.Errorf("asking for its keys: %w", err)
	}
	return parseKeys(text)
}

// discover asks the issuer where its keys are (OpenID Connect Discovery 1.0, section 4).
func (s *keySet) discover(ctx context.Context) (string, error) {
	text, err := s.get(ctx, strings.TrimSuffix(s.source.issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return "", err
	}
	var said struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(text, &said); err != nil {
		return "", errors.New("its discovery document is no JSON object with issuer and jwks_uri")
	}
	if said.Issuer != s.source.issuer {
		return "", fmt.Errorf("its discovery document is of the issuer %.100q", said.Issuer)
	}
	if !safeURL(said.JWKSURI) || strings.HasPrefix(s.source.issuer, "https:") && !strings.HasPrefix(said.JWKSURI, "https:") {
		return "", fmt.Errorf("its jwks_uri %.100q is no https URL", said.JWKSURI)
	}
	return said.JWKSURI, nil
}

// get fetches a document of the issuer's.
func (s *keySet) get(ctx context.Context, from string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json, application/jwk-set+json")
	if err := s.authorize(req); err != nil {
		return nil, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d of %s", resp.StatusCode, from)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", from, err)
	}
	if len(text) > maxBody {
		return nil, fmt.Errorf("%s is larger than %d bytes", from, maxBody)
	}
	return text, nil
}

// authorize adds the bearer token, which goes where the operator said and nowhere else. It is read anew each time:
// Kubernetes replaces it.
func (s *keySet) authorize(req *http.Request) error {
	if s.source.tokenFile == "" {
		return nil
	}
	named := s.source.issuer
	if s.source.jwksURL != "" {
		named = s.source.jwksURL
	}
	u, err := url.Parse(named)
	if err != nil || origin(u) != origin(req.URL) {
		return nil //nolint:nilerr // it gets none
	}
	text, err := os.ReadFile(s.source.tokenFile)
	if err != nil {
		return fmt.Errorf("reading jwks_token_file: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(text)))
	return nil
}

// parseKeys reads a JWKS (RFC 7517 section 5). Keys of kinds that are not known are passed over.
func parseKeys(text []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, errors.New("its keys are no JSON object with a list of keys")
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("it has more than %d keys", maxKeys)
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		if key.UnmarshalJSON(raw) == nil && key.Valid() && key.IsPublic() && (key.Use == "" || key.Use == "sig") {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("it has no key that can be used")
	}
	return keys, nil
}
