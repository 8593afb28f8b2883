package job

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/store"
)

// pingTimeout bounds how long a registry may take to answer, with all that it sends us to.
const pingTimeout = 10 * time.Second

const maxRedirects = 3

// Ping asks a registry, whose AccessSecret is not looked at, whether it is one and takes the credential. Invalid: it is
// not, or does not. What it answered is told to nobody: whoever may ask this server to ask around would read what they
// can't reach.
func Ping(ctx context.Context, r store.Registry, password secret.Text) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	client := pingClient(r)
	defer client.CloseIdleConnections()
	p := ping{client: client, user: r.AccessKey, password: password}
	err := p.run(ctx, pingURL(r))
	if _, told := errors.AsType[*errs.Error](err); err == nil || told {
		return err
	}
	return errs.New(errs.Invalid, "no registry answers at %s", clip(r.URL)).
		WithHint("check the url and its certificate, and that this server reaches it; the log has the cause").Because(err)
}

// pingURL is the API's base. Docker Hub's registry is elsewhere than its pages.
func pingURL(r store.Registry) string {
	if SameOrigin(r.URL, "https://hub.docker.com") {
		return "https://registry-1.docker.io/v2/"
	}
	return r.URL + "/v2/"
}

func pingClient(r store.Registry) *http.Client {
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: r.Insecure} //nolint:gosec // the administrator chose
	if r.CACertificate != "" {
		tlsConfig.RootCAs = x509.NewCertPool()
		tlsConfig.RootCAs.AppendCertsFromPEM([]byte(r.CACertificate))
	}
	dialer := &net.Dialer{Timeout: pingTimeout, Control: noMetadata}
	return &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext, TLSClientConfig: tlsConfig, TLSHandshakeTimeout: pingTimeout,
			ResponseHeaderTimeout: pingTimeout, MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects || req.URL.Scheme != via[0].URL.Scheme {
				return errors.New("redirected to another scheme, or too often")
			}
			return nil
		},
	}
}

// noMetadata keeps from being reached what is on the link alone: a cloud tells its machines their secrets there, and no
// registry is. It is asked with the address itself, so that no name can lead around it.
func noMetadata(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if ip := at.Addr().Unmap(); ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() {
		return fmt.Errorf("%s is no address of a registry", ip)
	}
	return nil
}

// ping is one question to a registry.
type ping struct {
	client   *http.Client
	user     string
	password secret.Text
}

// errRefused answers a credential that a registry does not take. That it is one is known by then.
var errRefused = errs.New(errs.Invalid, "the registry refuses the credential").WithHint("check access_key and access_secret")

func (p ping) run(ctx context.Context, base string) error {
	status, challenges, err := p.get(ctx, base, false)
	if err != nil {
		return err
	}
	switch {
	case status == http.StatusOK:
		return nil
	case status != http.StatusUnauthorized:
		return fmt.Errorf("%s answered %d", base, status)
	}
	for _, c := range challenges {
		if strings.EqualFold(strings.SplitN(c, " ", 2)[0], "Basic") {
			return p.accepted(ctx, base)
		}
		if bearer, err := auth.ParseChallenge(c); err == nil {
			return p.token(ctx, base, bearer)
		}
	}
	return fmt.Errorf("%s answered 401 without a challenge", base)
}

// token asks for a token as the challenge says. Without a credential that there is a challenge is enough.
func (p ping) token(ctx context.Context, base string, c auth.Challenge) error {
	if p.user == "" && p.password.Empty() {
		return nil
	}
	realm, err := checkURL("the realm", c.Realm)
	if err != nil || realm.Scheme == "http" && strings.HasPrefix(base, "https:") {
		return errors.New("the registry names no place for tokens that a credential can be sent to")
	}
	query := realm.Query()
	query.Set("service", c.Service)
	if p.user != "" {
		query.Set("account", p.user)
	}
	realm.RawQuery = query.Encode()
	return p.accepted(ctx, realm.String())
}

// accepted sends the credential, where there is one, and wants it to be taken.
func (p ping) accepted(ctx context.Context, at string) error {
	if p.user == "" && p.password.Empty() {
		return nil
	}
	status, _, err := p.get(ctx, at, true)
	switch {
	case err != nil:
		return err
	case status == http.StatusOK:
		return nil
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return errRefused
	default:
		return fmt.Errorf("%s answered %d", at, status)
	}
}

func (p ping) get(ctx context.Context, at string, credential bool) (status int, challenges []string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("User-Agent", "sealock")
	if credential {
		req.SetBasicAuth(p.user, p.password.Reveal())
	}
	resp, err := p.client.Do(req)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err // the URL may say more than the log should know
		}
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	return resp.StatusCode, resp.Header.Values("WWW-Authenticate"), nil
}
