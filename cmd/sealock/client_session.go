package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sealock/sealock/api/client"
)

const (
	defaultServer = "http://localhost:8080"
	apiService    = "sealock-api" // the audience of tokens for the REST API
	clientID      = "sealock-cli"
)

// serverURL checks a server's URL and drops what does not belong to it.
func serverURL(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.User != nil {
		return "", usagef("%q is no URL of a server: write it like %s", s, defaultServer)
	}
	return u.Scheme + "://" + u.Host, nil
}

// signIn opens a session: with the access token in SEALOCK_ACCESS_TOKEN, or with the saved login.
func signIn(ctx context.Context, env *environment, server string) (*session, error) {
	server, err := chosenServer(env, server)
	if err != nil {
		return nil, err
	}
	if token := env.Getenv("SEALOCK_ACCESS_TOKEN"); token != "" {
		return newSession(env, login{URL: orDefault(server)}, "Bearer "+token)
	}
	saved, err := savedLogin(env, server)
	if err != nil {
		return nil, err
	}
	token, err := refreshAccess(ctx, env, saved)
	if err != nil {
		return nil, err
	}
	return newSession(env, saved, "Bearer "+token)
}

// signInAgain opens a session with the password of who is logged in, for what the saved login may not do: to make
// something that outlives it.
func signInAgain(env *environment, server string, passwordStdin bool) (*session, error) {
	server, err := chosenServer(env, server)
	if err != nil {
		return nil, err
	}
	saved, err := savedLogin(env, server)
	if err != nil {
		return nil, err
	}
	warnPlain(env, saved.URL)
	password, err := askPassword(env, bufio.NewReader(env.Stdin), "Password of "+printable(saved.Username)+": ", passwordStdin)
	if err != nil {
		return nil, err
	}
	return newSession(env, saved, "Basic "+base64.StdEncoding.EncodeToString([]byte(saved.Username+":"+password)))
}

// chosenServer returns the URL that was given or set, or "".
func chosenServer(env *environment, server string) (string, error) {
	if server == "" {
		server = env.Getenv("SEALOCK_SERVER")
	}
	if server == "" {
		return "", nil
	}
	return serverURL(server)
}

// savedLogin returns the login at the server, or wherever there is one.
func savedLogin(env *environment, server string) (login, error) {
	saved, err := loadLogin(env)
	if err != nil {
		return login{}, err
	}
	if saved.URL == "" || (server != "" && server != saved.URL) {
		return login{}, fmt.Errorf("not logged in at %s: run: sealock login %s", orDefault(server), orDefault(server))
	}
	return saved, nil
}

func orDefault(server string) string {
	if server == "" {
		return defaultServer
	}
	return server
}

func newSession(env *environment, l login, authorization string) (*session, error) {
	h, err := httpClient(env, l.CAFile)
	if err != nil {
		return nil, err
	}
	api, err := client.NewClientWithResponses(l.URL, client.WithHTTPClient(doer{h, l.URL}), client.WithRequestEditorFn(
		func(_ context.Context, req *http.Request) error {
			req.Header.Set("Authorization", authorization)
			req.Header.Set("User-Agent", clientID)
			return nil
		}))
	if err != nil {
		return nil, fmt.Errorf("building the client: %w", err)
	}
	return &session{env: env, api: api, login: l}, nil
}

// tokens is an answer of the token end-point.
type tokens struct {
	AccessToken  string    `json:"access_token"`
	RefreshToken string    `json:"refresh_token"`
	ExpiresIn    int       `json:"expires_in"`
	IssuedAt     time.Time `json:"issued_at"`
}

// refreshAccess gets an access token for the saved login.
func refreshAccess(ctx context.Context, env *environment, l login) (string, error) {
	t, err := askToken(ctx, env, l, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {l.RefreshToken}})
	var refused *apiError
	if errors.As(err, &refused) && (refused.status == http.StatusUnauthorized || refused.status == http.StatusBadRequest) {
		return "", fmt.Errorf("the login at %s has ended: run: sealock login %s", l.URL, l.URL)
	}
	return t.AccessToken, err
}

// askToken posts a grant to the token end-point.
func askToken(ctx context.Context, env *environment, l login, form url.Values) (tokens, error) {
	form.Set("service", apiService)
	form.Set("client_id", clientID)
	return postForm[tokens](ctx, env, l, "/service/token", form)
}

// postForm posts to an OAuth 2.0 end-point of the server.
func postForm[T any](ctx context.Context, env *environment, l login, path string, form url.Values) (T, error) {
	var none T
	h, err := httpClient(env, l.CAFile)
	if err != nil {
		return none, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		return none, fmt.Errorf("building the request: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("User-Agent", clientID)
	resp, err := doer{h, l.URL}.Do(req)
	if err != nil {
		return none, err
	}
	defer func() { _ = resp.Body.Close() }() // all of it is read
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return none, fmt.Errorf("reading the answer of %s: %w", l.URL, err)
	}
	return understand[T](resp.StatusCode, body)
}
