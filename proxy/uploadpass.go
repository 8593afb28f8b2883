package proxy

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/secret"
)

// passParameter carries a pass in the Location of an upload. Clients send back what stands there.
const passParameter = "_sealock"

// Passes let an upload that somebody began with a valid token go on when the token has ended on the way: a large push would
// fail for it with clients that ask for a token once. A pass is signed and names who began the upload, by which credential,
// where and when; nothing is remembered, so that each replica takes it. It opens nothing by itself: whoever comes with it
// shows the token that has ended, and both the account and the policy are asked as ever.
type Passes struct {
	Verifier auth.LateVerifier
	Key      secret.Text
	Life     time.Duration // after the last request of the upload with a valid token
	Minter   auth.Minter   // makes tokens for registries that verify them; nil: such an upload ends with its token
}

// passSize is the length of a signature in a pass, in bytes.
const passSize = 16

// sign returns the pass of an upload that the holder of the claims may go on with.
func (p *Passes) sign(c auth.ClaimSet, repository, upload string, at time.Time) string {
	when := strconv.FormatInt(at.Unix(), 36)
	mac := hmac.New(sha256.New, []byte("sealock upload pass "+p.Key.Reveal()))
	for _, part := range []string{c.Audience, c.Subject, c.Via, repository, upload, when} {
		_, _ = fmt.Fprintf(mac, "%d:%s,", len(part), part) // so that no two run together
	}
	return when + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:passSize])
}

// valid reports whether the pass is for the holder of the claims and this upload, and has not ended.
func (p *Passes) valid(pass string, c auth.ClaimSet, repository, upload string, now time.Time) bool {
	text, _, _ := strings.Cut(pass, ".")
	when, err := strconv.ParseInt(text, 36, 64)
	if err != nil {
		return false
	}
	at := time.Unix(when, 0)
	if !hmac.Equal([]byte(pass), []byte(p.sign(c, repository, upload, at))) {
		return false
	}
	return !now.After(at.Add(p.Life)) && !at.After(c.ExpiresAt.Add(time.Minute))
}

// passes lets an upload go on whose token has ended, and nothing else about the token is wrong.
func (g *Gate) passes(ctx context.Context, v *visit, token string) bool {
	if g.Passes == nil || v.Kind != KindUpload || v.Method == http.MethodDelete || v.to.Upstream.TakesTokens() && g.Passes.Minter == nil {
		return false
	}
	pass := v.r.URL.Query()[passParameter]
	if len(pass) != 1 {
		return false
	}
	claims, err := g.Passes.Verifier.VerifyLate(ctx, token, g.Service, g.Passes.Life)
	if err != nil || !g.Passes.valid(pass[0], claims, v.Repository, v.Reference, g.Now()) {
		return false
	}
	v.claims, v.pass, v.late = claims, pass[0], true
	return true
}

// passing returns a writer that puts a pass into the Location of an upload.
func (g *Gate) passing(v *visit, w http.ResponseWriter) http.ResponseWriter {
	if g.Passes == nil || v.Kind != KindUploads && v.Kind != KindUpload || v.claims.Subject == "" {
		return w
	}
	return &passWriter{ResponseWriter: w, located: func(location string) string { return g.withPass(v, location) }}
}

// withPass adds a pass to where an upload goes on. As long as the token is valid, each answer has a new one.
func (g *Gate) withPass(v *visit, location string) string {
	u, err := url.Parse(location)
	if err != nil {
		return location
	}
	q, err := parsePath(u.Path)
	if err != nil || q.Kind != KindUpload || q.Repository != v.Repository {
		return location
	}
	pass := v.pass
	if !v.late {
		pass = g.Passes.sign(v.claims, q.Repository, q.Reference, g.Now())
	}
	u.RawQuery = strings.TrimPrefix(without(u.RawQuery, passParameter)+"&"+passParameter+"="+pass, "&")
	return u.String()
}

// passWriter changes the Location of an answer that tells where an upload goes on.
type passWriter struct {
	http.ResponseWriter

	located func(location string) string
	written bool
}

// WriteHeader implements http.ResponseWriter.
func (w *passWriter) WriteHeader(status int) {
	if !w.written && status >= http.StatusOK {
		w.written = true
		if location := w.Header().Get("Location"); location != "" && (status == http.StatusAccepted || status == http.StatusNoContent) {
			w.Header().Set("Location", w.located(location))
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter. An answer that has no status by itself tells of no upload.
func (w *passWriter) Write(b []byte) (int, error) {
	w.written = true
	return w.ResponseWriter.Write(b)
}

// Unwrap lets [http.ResponseController] reach what is below.
func (w *passWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
