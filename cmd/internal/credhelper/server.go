package credhelper

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/cmd/internal/remote"
)

// tokenServer is where a registry sends its clients for tokens.
type tokenServer struct {
	remote.Server
	Realm   string
	Service string
}

// discover asks a registry where it sends its clients for tokens. It tries TLS first, and plain HTTP only where nobody can
// listen or the user said so.
func (h *Helper) discover(ctx context.Context, host string) (tokenServer, error) {
	client, err := h.client(host)
	if err != nil {
		return tokenServer{}, err
	}
	header, base, err := challengeOf(ctx, client, host, h.mayBePlain(host))
	if err != nil {
		return tokenServer{}, err
	}
	c, err := auth.ParseChallenge(header)
	if err != nil {
		return tokenServer{}, fmt.Errorf("%s does not work with tokens: use another credential helper for it", host)
	}
	return h.tokenServer(client, base, c.Realm, c.Service)
}

// tokenServer checks that secrets can go to the realm.
func (h *Helper) tokenServer(client *http.Client, base, realm, service string) (tokenServer, error) {
	u, err := url.Parse(realm)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" {
		return tokenServer{}, fmt.Errorf("%q is no URL of a token server: the operator of the registry must correct its realm", clip(realm))
	}
	if u.Scheme == "http" && !h.mayBePlain(u.Host) || u.Scheme == "http" && strings.HasPrefix(base, "https:") {
		return tokenServer{}, fmt.Errorf("%s is not encrypted: others on the way could read what is sent; name %s in SEALOCK_PLAIN_HTTP if that is meant so", realm, u.Host)
	}
	return tokenServer{remote.Server{URL: u.Scheme + "://" + u.Host, HTTP: client}, realm, service}, nil
}

// challengeOf pings the registry and returns its challenge, and the URL that answered.
func challengeOf(ctx context.Context, client *http.Client, host string, plain bool) (header, base string, err error) {
	for _, scheme := range []string{"https://", "http://"} {
		if scheme == "http://" && !plain {
			break
		}
		header, pingErr := ping(ctx, client, scheme+host)
		if pingErr == nil {
			return header, scheme + host, nil
		}
		err = pingErr
		if ctx.Err() != nil {
			break
		}
	}
	return "", "", fmt.Errorf("asking %s where it sends for tokens: %w", host, err)
}

func ping(ctx context.Context, client *http.Client, base string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/v2/", nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("User-Agent", remote.UserAgent)
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }() // nothing of it is read
	if resp.StatusCode != http.StatusUnauthorized {
		return "", fmt.Errorf("%s/v2/ answers %s and asks for no login", base, resp.Status)
	}
	for _, header := range resp.Header.Values("WWW-Authenticate") {
		if len(header) > 7 && strings.EqualFold(header[:7], "bearer ") {
			return header, nil
		}
	}
	return resp.Header.Get("WWW-Authenticate"), nil
}

// mayBePlain reports whether a host may be spoken to without TLS: this machine, and what the user names.
func (h *Helper) mayBePlain(host string) bool {
	name := host
	if n, _, err := net.SplitHostPort(host); err == nil {
		name = n
	}
	named := strings.FieldsFunc(h.Getenv("SEALOCK_PLAIN_HTTP"), func(r rune) bool { return r == ',' || r == ' ' })
	return remote.Loopback(name) || slices.Contains(named, host)
}

// client returns what speaks to a host: it trusts the system's certificates, those that docker was given for it, and the
// one in SEALOCK_CA_FILE.
func (h *Helper) client(host string) (*http.Client, error) {
	if h.HTTP != nil {
		return remote.NewHTTP(h.HTTP), nil
	}
	var files []string
	if name := h.Getenv("SEALOCK_CA_FILE"); name != "" {
		files = append(files, name)
	}
	for _, dir := range []string{"/etc/docker/certs.d", filepath.Join(h.Getenv("HOME"), ".docker", "certs.d"), "/etc/containers/certs.d"} {
		found, err := filepath.Glob(filepath.Join(dir, globQuote(host), "*.crt"))
		if err != nil {
			continue // no pattern is malformed
		}
		for _, name := range found {
			if f, err := os.Open(name); err == nil { //nolint:gosec // what cannot be read is not for this user
				_ = f.Close() // it was not written
				files = append(files, name)
			}
		}
	}
	transport, err := remote.Transport(files...)
	if err != nil {
		return nil, err
	}
	return remote.NewHTTP(transport), nil
}

// globQuote takes the meaning from what would be a pattern: an IPv6 address stands in brackets.
func globQuote(host string) string { return strings.NewReplacer("[", `\[`, "]", `\]`).Replace(host) }

// exchange turns a password into a refresh token.
func (h *Helper) exchange(ctx context.Context, s tokenServer, username, password string) (remote.Tokens, error) {
	t, err := remote.PostForm[remote.Tokens](ctx, s.Server, s.Realm, url.Values{
		"grant_type": {"password"}, "access_type": {"offline"}, "username": {username}, "password": {password},
		"service": {s.Service}, "client_id": {h.clientID()},
	})
	if refused, ok := errors.AsType[*remote.Error](err); ok {
		return remote.Tokens{}, fmt.Errorf("%s refuses the login: %w", s.URL, refused)
	}
	if err == nil && t.RefreshToken == "" {
		err = fmt.Errorf("%s gives no refresh token, and this helper keeps no password: use another credential helper for it", s.URL)
	}
	return t, err
}

// revoke ends a refresh token on the server that it came from.
func (h *Helper) revoke(ctx context.Context, host string, c credential) error {
	s, err := h.serverOf(ctx, host, c)
	if err != nil {
		return err
	}
	m, err := remote.FetchMetadata(ctx, s.Server)
	if err != nil {
		return err
	}
	if m.RevocationEndpoint == "" {
		return fmt.Errorf("%s can't revoke: what was logged in ends by itself", s.URL)
	}
	return remote.Revoke(ctx, s.Server, m.RevocationEndpoint, c.RefreshToken, h.clientID())
}

// serverOf returns the token server that a kept credential came from.
func (h *Helper) serverOf(ctx context.Context, host string, c credential) (tokenServer, error) {
	if c.Realm == "" {
		return h.discover(ctx, host)
	}
	client, err := h.client(host)
	if err != nil {
		return tokenServer{}, err
	}
	return h.tokenServer(client, "", c.Realm, c.Service)
}

// clientID says in the server's lists whose login this is.
func (h *Helper) clientID() string {
	if h.Hostname == "" {
		return Name
	}
	return Name + "@" + h.Hostname
}
