package remote

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sealock/sealock/auth"
)

// Tokens is an answer of the token end-point.
type Tokens struct {
	AccessToken  string    `json:"access_token"`
	RefreshToken string    `json:"refresh_token"`
	ExpiresIn    int       `json:"expires_in"`
	IssuedAt     time.Time `json:"issued_at"`
}

// Subject returns whom the access token is for, for people to read: nobody here has verified it.
func (t Tokens) Subject() string {
	parts := strings.Split(t.AccessToken, ".")
	if len(parts) != 3 {
		return ""
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var claims struct {
		Subject string `json:"sub"`
	}
	_ = json.Unmarshal(text, &claims) // then nobody is named
	return claims.Subject
}

// Metadata is what an authorization server says of itself (RFC 8414).
type Metadata struct {
	TokenEndpoint      string `json:"token_endpoint"`
	DeviceEndpoint     string `json:"device_authorization_endpoint"`
	RevocationEndpoint string `json:"revocation_endpoint"`
}

// FetchMetadata asks the server what its end-points are. Those of another origin are dropped: secrets go to the server
// that was asked, and nowhere else.
func FetchMetadata(ctx context.Context, s Server) (Metadata, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+auth.PathMetadata, nil)
	if err != nil {
		return Metadata{}, fmt.Errorf("building the request: %w", err)
	}
	m, err := exchange[Metadata](s, req)
	for _, endpoint := range []*string{&m.TokenEndpoint, &m.DeviceEndpoint, &m.RevocationEndpoint} {
		if !strings.HasPrefix(*endpoint, s.URL+"/") {
			*endpoint = ""
		}
	}
	return m, err
}

// Revoke ends a refresh token (RFC 7009).
func Revoke(ctx context.Context, s Server, endpoint, refreshToken, clientID string) error {
	_, err := PostForm[struct{}](ctx, s, endpoint, url.Values{
		"token": {refreshToken}, "token_type_hint": {"refresh_token"}, "client_id": {clientID},
	})
	return err
}

// DeviceLogin is a login that somebody approves in a browser (RFC 8628).
type DeviceLogin struct {
	Server         Server
	DeviceEndpoint string
	TokenEndpoint  string
	ClientID       string
	Service        string
}

// DeviceCodes is what the server gives a device first.
type DeviceCodes struct {
	DeviceCode string `json:"device_code"`
	UserCode   string `json:"user_code"`
	URI        string `json:"verification_uri"`
	Complete   string `json:"verification_uri_complete"`
	ExpiresIn  int    `json:"expires_in"`
	Interval   int    `json:"interval"`
}

// Start asks for codes.
func (d DeviceLogin) Start(ctx context.Context) (DeviceCodes, error) {
	c, err := PostForm[DeviceCodes](ctx, d.Server, d.DeviceEndpoint, url.Values{"client_id": {d.ClientID}, "service": {d.Service}})
	if err == nil && (c.DeviceCode == "" || c.UserCode == "" || c.URI == "") {
		err = fmt.Errorf("%s gives no codes: is it another version? compare sealock version", d.Server.URL)
	}
	if c.Interval <= 0 {
		c.Interval = 5 // RFC 8628 section 3.2
	}
	return c, err
}

// slower is how much longer to wait when the server says slow_down (RFC 8628 section 3.5).
const slower = 5 * time.Second

// Wait polls until somebody has decided, at the pace that the server wants. wait passes the time between two polls.
func (d DeviceLogin) Wait(ctx context.Context, c DeviceCodes, wait func(context.Context, time.Duration) error) (Tokens, error) {
	interval := time.Duration(c.Interval) * time.Second
	for {
		if err := wait(ctx, interval); err != nil {
			return Tokens{}, err
		}
		t, err := PostForm[Tokens](ctx, d.Server, d.TokenEndpoint, url.Values{
			"grant_type": {string(auth.GrantDevice)}, "device_code": {c.DeviceCode}, "client_id": {d.ClientID},
		})
		if err == nil {
			return t, nil
		}
		refused, known := errors.AsType[*Error](err)
		switch {
		case !known:
			return Tokens{}, err
		case refused.Code == "authorization_pending":
		case refused.Code == "slow_down":
			interval += slower
		case refused.Status >= http.StatusInternalServerError || refused.Status == http.StatusTooManyRequests:
			interval += slower // it may come back
		default:
			return Tokens{}, err
		}
	}
}

// Instructions tells a person what to do with the codes.
func (c DeviceCodes) Instructions() string {
	return fmt.Sprintf("Open  %s\nand type the code  %s\n(or open %s and compare the code). It is good for %d minutes.\nWaiting for your approval...\n",
		c.URI, c.UserCode, c.Complete, c.ExpiresIn/60)
}

// Sleep passes time, or ends early with the context.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return errors.New("interrupted")
	case <-t.C:
		return nil
	}
}
