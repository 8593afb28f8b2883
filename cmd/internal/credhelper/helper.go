package credhelper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/sealock/sealock/cmd/internal/remote"
)

// Name is the program's name, as docker looks for it.
const Name = "docker-credential-sealock"

// Helper is one run of the helper and all that it may touch of the world around it.
type Helper struct {
	Stdin    io.Reader
	Stdout   io.Writer
	Stderr   io.Writer
	Getenv   func(string) string
	HTTP     http.RoundTripper // nil makes one that trusts the system's certificates and docker's
	Terminal bool              // somebody can be asked on standard input
	Hostname string            // of this machine; may be empty
	Version  string
	Wait     func(context.Context, time.Duration) error // passes the time between two polls
}

const usage = `A docker credential helper that keeps no password, but refresh tokens, which the server can revoke.

  docker-credential-sealock login registry.example.com --configure
        log in with a code that you approve in a browser, and let docker use this helper for that registry
  docker-credential-sealock configure registry.example.com
        let docker use this helper for that registry; log in with: docker login registry.example.com
  docker-credential-sealock list
        show where you are logged in
  docker-credential-sealock get|store|erase
        what docker, podman, skopeo, crane, oras and helm call
  docker-credential-sealock version

Refresh tokens are kept in $XDG_CONFIG_HOME/sealock/credentials.json, for you alone. SEALOCK_CA_FILE names a PEM file
that vouches for servers; SEALOCK_PLAIN_HTTP lists hosts that may be spoken to without TLS.
`

// networkPatience bounds what a client of the helper has to wait for.
const networkPatience = 30 * time.Second

// Run does what the arguments say and returns the exit code. What goes wrong in the protocol's commands stands on standard
// output: that is where docker reads it.
func (h *Helper) Run(ctx context.Context, args []string) int {
	if len(args) == 0 {
		args = []string{"--help"}
	}
	errorsTo := h.Stderr
	var err error
	switch verb, rest := args[0], args[1:]; verb {
	case "get", "store", "erase", "list", "version":
		errorsTo = h.Stdout
		if len(rest) > 0 {
			err = fmt.Errorf("%s takes no arguments: it reads standard input", verb)
			break
		}
		err = h.protocol(ctx, verb)
	case "login":
		err = h.login(ctx, rest)
	case "configure":
		err = h.configure(rest)
	case "help", "-h", "--help":
		_, err = io.WriteString(h.Stdout, usage)
	default:
		err = fmt.Errorf("%q is no command of this helper: see %s --help", clip(verb), Name)
	}
	if err != nil {
		_, _ = fmt.Fprintln(errorsTo, err) // nowhere to tell of a failure
		return 1
	}
	return 0
}

func (h *Helper) protocol(ctx context.Context, verb string) error {
	if verb == "version" {
		_, err := fmt.Fprintf(h.Stdout, "%s (github.com/sealock/sealock) %s\n", Name, h.Version)
		return err
	}
	k, err := newKeeper(h.Getenv)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, networkPatience)
	defer cancel()
	switch verb {
	case "get":
		return h.get(k)
	case "store":
		return h.store(ctx, k)
	case "erase":
		return h.erase(ctx, k)
	}
	return h.list(k)
}

// get answers with the refresh token. What the client asked for stands in the answer as it asked.
func (h *Helper) get(k keeper) error {
	asked, host, err := readServer(h.Stdin)
	if err != nil {
		return err
	}
	all, err := k.all()
	if err != nil {
		return err
	}
	c, ok := all[host]
	if !ok {
		return errNotFound
	}
	return h.answer(message{ServerURL: asked, Username: tokenName, Secret: c.RefreshToken})
}

// store keeps an identity token, or what the server gives for a password. The password itself is kept nowhere.
func (h *Helper) store(ctx context.Context, k keeper) error {
	m, host, err := readMessage(h.Stdin)
	if err != nil {
		return err
	}
	c, err := h.obtain(ctx, host, m)
	if err != nil {
		return err
	}
	return h.keep(ctx, k, host, c)
}

// obtain returns what to keep for a message.
func (h *Helper) obtain(ctx context.Context, host string, m message) (credential, error) {
	s, err := h.discover(ctx, host)
	if m.Username == tokenName {
		// The token is good without what is asked for here: that only names its user, and saves erase a question.
		c := credential{Username: tokenName, RefreshToken: m.Secret}
		if err != nil {
			return c, nil //nolint:nilerr // the server may be out of reach, and reached by docker's engine
		}
		c.Realm, c.Service = s.Realm, s.Service
		if t, err := refresh(ctx, s, m.Secret, h.clientID()); err == nil && t.Subject() != "" {
			c.Username = t.Subject()
		}
		return c, nil
	}
	if err != nil {
		return credential{}, err
	}
	t, err := h.exchange(ctx, s, m.Username, m.Secret)
	if err != nil {
		return credential{}, err
	}
	return credential{Username: m.Username, RefreshToken: t.RefreshToken, Realm: s.Realm, Service: s.Service}, nil
}

func refresh(ctx context.Context, s tokenServer, refreshToken, clientID string) (remote.Tokens, error) {
	return remote.PostForm[remote.Tokens](ctx, s.Server, s.Realm, url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {refreshToken}, "service": {s.Service}, "client_id": {clientID},
	})
}

// keep keeps a credential and revokes the one that it replaces, which nobody could revoke afterwards for lack of its secret.
func (h *Helper) keep(ctx context.Context, k keeper, host string, c credential) error {
	before, err := k.put(host, c)
	if err != nil {
		return err
	}
	if before.RefreshToken != "" && before.RefreshToken != c.RefreshToken {
		_ = h.revoke(ctx, host, before) // a server that is gone keeps nobody from logging in again
	}
	return nil
}

// erase forgets a credential and revokes it on the server. It is forgotten even if the server can't be asked.
func (h *Helper) erase(ctx context.Context, k keeper) error {
	_, host, err := readServer(h.Stdin)
	if err != nil {
		return err
	}
	c, err := k.drop(host)
	if err != nil || c.RefreshToken == "" {
		return err // docker logout asks for several spellings of one server
	}
	if err := h.revoke(ctx, host, c); err != nil {
		_, _ = fmt.Fprintf(h.Stderr, "%s: logged out from %s here, but the login was not revoked there: %v\n", Name, host, err)
	}
	return nil
}

// list answers with who is logged in where.
func (h *Helper) list(k keeper) error {
	all, err := k.all()
	if err != nil {
		return err
	}
	names := make(map[string]string, len(all))
	for host, c := range all {
		names[host] = c.Username
	}
	return h.answer(names)
}

func (h *Helper) answer(v any) error {
	e := json.NewEncoder(h.Stdout)
	e.SetEscapeHTML(false) // "<token>" as docker's own helpers write it
	if err := e.Encode(v); err != nil {
		return errors.New("standard output can't be written") // nothing of it: it holds a secret
	}
	return nil
}
