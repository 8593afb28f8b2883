package credhelper

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
)

// tokenName is the user name that says that the secret is an identity token, which is what docker calls a refresh token.
const tokenName = "<token>"

// The texts that docker and containers/image compare with: they are the protocol.
var (
	errNotFound   = errors.New("credentials not found in native keychain")
	errNoServer   = errors.New("no credentials server URL")
	errNoUsername = errors.New("no credentials username")
)

// message is what stands on standard input of store, and on standard output of get.
type message struct {
	ServerURL string
	Username  string
	Secret    string
}

// maxInput bounds what a client may write to the helper.
const maxInput = 1 << 20

// readMessage reads what store is given.
func readMessage(r io.Reader) (m message, host string, err error) {
	text, err := readInput(r)
	if err != nil {
		return message{}, "", err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return message{}, "", errors.New("standard input is not the JSON that docker sends to a credential helper") // nothing of it: it may hold a secret
	}
	switch {
	case strings.TrimSpace(m.ServerURL) == "":
		return message{}, "", errNoServer
	case m.Username == "":
		return message{}, "", errNoUsername
	case m.Secret == "":
		return message{}, "", errors.New("no credentials secret")
	}
	if host, err = hostOf(m.ServerURL); err != nil {
		return message{}, "", err
	}
	return m, host, nil
}

// readServer reads what get and erase are given: the server alone.
func readServer(r io.Reader) (asked, host string, err error) {
	text, err := readInput(r)
	if err != nil {
		return "", "", err
	}
	if asked = strings.TrimSpace(string(text)); asked == "" {
		return "", "", errNoServer
	}
	host, err = hostOf(asked)
	return asked, host, err
}

func readInput(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	if err != nil {
		return nil, fmt.Errorf("reading standard input: %w", err)
	}
	if len(text) > maxInput {
		return nil, fmt.Errorf("standard input is longer than %d bytes", maxInput)
	}
	return text, nil
}

// hostOf returns the host[:port] that a client means: docker asks with the host alone and with a scheme before it, others
// with a path behind it.
func hostOf(server string) (string, error) {
	rest := strings.TrimSpace(server)
	for _, scheme := range []string{"https://", "http://"} {
		if len(rest) >= len(scheme) && strings.EqualFold(rest[:len(scheme)], scheme) {
			rest = rest[len(scheme):]
			break
		}
	}
	u, err := url.Parse("https://" + rest)
	if err != nil || u.Hostname() == "" || u.User != nil || strings.HasSuffix(u.Host, ":") || u.RawQuery != "" || u.Fragment != "" || strings.Contains(u.Host, "%") {
		return "", fmt.Errorf("%q is no server of a registry: write it like registry.example.com", clip(server))
	}
	return strings.ToLower(u.Host), nil
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}
