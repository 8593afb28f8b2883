package oidc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/sealock/sealock/internal/secret"
)

// maxAnswer is how many bytes an answer of a provider may have.
const maxAnswer = 1 << 20

// provider is what is known of a provider once it has said what it is made of.
type provider struct {
	*gooidc.Provider
	verifier *gooidc.IDTokenVerifier
	style    oauth2.AuthStyle
	saysIss  bool // its answers in the browser name it (RFC 9207)
}

// newClient returns a client for a provider: it waits for no more than the timeout, reads no more than it must, and goes
// where it was told and nowhere else.
func newClient(caFile string, timeout time.Duration) (*http.Client, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile != "" {
		text, err := os.ReadFile(caFile) //nolint:gosec // the operator chose the file
		if err != nil {
			return nil, fmt.Errorf("reading ca_file: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("ca_file %q holds no certificate in PEM form", caFile)
		}
	}
	return clientWith(conf, timeout, nil), nil
}

func clientWith(conf *tls.Config, timeout time.Duration, control func(network, address string, c syscall.RawConn) error) *http.Client {
	return &http.Client{
		Timeout: timeout,
		Transport: bounded{&http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: conf, ForceAttemptHTTP2: true, IdleConnTimeout: time.Minute,
			DialContext: (&net.Dialer{Timeout: timeout, Control: control}).DialContext, MaxResponseHeaderBytes: 64 << 10,
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// bounded cuts answers that are too long.
type bounded struct{ *http.Transport }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.Transport.RoundTrip(r)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	}
	return resp, err
}

// discover asks the provider what it is made of. The keys that it signs with are asked for later, and again when a new
// one turns up, so the context must not end.
func discover(ctx context.Context, client *http.Client, issuer, clientID string, clientSecret secret.Text, now func() time.Time) (*provider, error) {
	p, err := gooidc.NewProvider(gooidc.ClientContext(ctx, client), issuer)
	if err != nil {
		return nil, fmt.Errorf("asking %s what it is made of: %w", issuer, err)
	}
	var more struct {
		Methods []string `json:"token_endpoint_auth_methods_supported"`
		SaysIss bool     `json:"authorization_response_iss_parameter_supported"`
	}
	if err := p.Claims(&more); err != nil {
		return nil, fmt.Errorf("reading what %s is made of: %w", issuer, err)
	}
	style := oauth2.AuthStyleInHeader
	if clientSecret.Empty() || len(more.Methods) > 0 && !slices.Contains(more.Methods, "client_secret_basic") {
		style = oauth2.AuthStyleInParams
	}
	return &provider{
		// Of the algorithms that the provider names, go-oidc takes those with a public key: never none, never HS256.
		Provider: p, verifier: p.Verifier(&gooidc.Config{ClientID: clientID, Now: now}), style: style, saysIss: more.SaysIss,
	}, nil
}

// pingTimeout is how long a provider may take that somebody is about to configure.
const pingTimeout = 5 * time.Second

// Ping asks a provider what it is made of, for somebody who is about to configure it. Nothing of what comes back is
// shown. Addresses of the machine's own link are not asked: clouds keep their machines' secrets there.
func Ping(ctx context.Context, issuer string, verifyCertificate bool) error {
	if wrong := checkIssuer(issuer); wrong != "" {
		return fmt.Errorf("the issuer %s", wrong)
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: !verifyCertificate} //nolint:gosec // Harbor's API lets an administrator ask for it; nothing is believed from it
	client := clientWith(conf, pingTimeout, noLinkLocal)
	defer client.CloseIdleConnections()
	_, err := discover(ctx, client, issuer, "", secret.Text{}, time.Now)
	return err
}

// noLinkLocal refuses to connect to an address of the link (RFC 3927, RFC 4291 section 2.5.6), whatever name led there.
func noLinkLocal(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if a := at.Addr().Unmap(); a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() {
		return fmt.Errorf("%s is no address of a provider", a)
	}
	return nil
}
