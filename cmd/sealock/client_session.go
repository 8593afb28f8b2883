package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/sealock/sealock/api/client"
	"github.com/sealock/sealock/cmd/internal/remote"
)

const (
	defaultServer = "http://localhost:8080"
	apiService    = "sealock-api" // the audience of tokens for the REST API
	clientID      = remote.UserAgent
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
	if server == "" {
		server = env.Getenv("SEALOCK_SERVER")
	}
	if server != "" {
		var err error
		if server, err = serverURL(server); err != nil {
			return nil, err
		}
	}
	if token := env.Getenv("SEALOCK_ACCESS_TOKEN"); token != "" {
		return newSession(env, login{URL: orDefault(server)}, token)
	}
	saved, err := loadLogin(env)
	if err != nil {
		return nil, err
	}
	if saved.URL == "" || (server != "" && server != saved.URL) {
		return nil, fmt.Errorf("not logged in at %s: run: sealock login %s", orDefault(server), orDefault(server))
	}
	token, err := refreshAccess(ctx, env, saved)
	if err != nil {
		return nil, err
	}
	return newSession(env, saved, token)
}

func orDefault(server string) string {
	if server == "" {
		return defaultServer
	}
	return server
}

func newSession(env *environment, l login, accessToken string) (*session, error) {
	server, err := remoteServer(env, l.URL, l.CAFile)
	if err != nil {
		return nil, err
	}
	api, err := client.NewClientWithResponses(l.URL, client.WithHTTPClient(server), client.WithRequestEditorFn(
		func(_ context.Context, req *http.Request) error {
			req.Header.Set("Authorization", "Bearer "+accessToken)
			req.Header.Set("User-Agent", clientID)
			return nil
		}))
	if err != nil {
		return nil, fmt.Errorf("building the client: %w", err)
	}
	return &session{env: env, api: api, login: l}, nil
}

// refreshAccess gets an access token for the saved login.
func refreshAccess(ctx context.Context, env *environment, l login) (string, error) {
	t, err := askToken(ctx, env, l, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {l.RefreshToken}})
	var refused *remote.Error
	if errors.As(err, &refused) && (refused.Status == http.StatusUnauthorized || refused.Status == http.StatusBadRequest) {
		return "", fmt.Errorf("the login at %s has ended: run: sealock login %s", l.URL, l.URL)
	}
	return t.AccessToken, err
}

// askToken posts a grant to the token end-point.
func askToken(ctx context.Context, env *environment, l login, form url.Values) (remote.Tokens, error) {
	form.Set("service", apiService)
	form.Set("client_id", clientID)
	return postForm[remote.Tokens](ctx, env, l, "/service/token", form)
}

// postForm posts to an OAuth 2.0 end-point of the server.
func postForm[T any](ctx context.Context, env *environment, l login, path string, form url.Values) (T, error) {
	server, err := remoteServer(env, l.URL, l.CAFile)
	if err != nil {
		var none T
		return none, err
	}
	return remote.PostForm[T](ctx, server, l.URL+path, form)
}
