package main

import (
	"bufio"
	"context"
	"encoding/base64"
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
	server, err := remoteServer(env, l.URL, l.CAFile)
	if err != nil {
		return nil, err
	}
	introduce := client.WithRequestEditorFn(func(_ context.Context, req *http.Request) error {
		req.Header.Set("Authorization", authorization)
		req.Header.Set("User-Agent", clientID)
		return nil
	})
	api, err := client.NewClientWithResponses(l.URL, client.WithHTTPClient(server), introduce)
	if err != nil {
		return nil, fmt.Errorf("building the client: %w", err)
	}
	stream, err := client.NewClient(l.URL, client.WithHTTPClient(server.Stream()), introduce)
	if err != nil {
		return nil, fmt.Errorf("building the client: %w", err)
	}
	return &session{env: env, api: api, stream: stream, login: l}, nil
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
