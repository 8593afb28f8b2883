package auth_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/secret"
)

// keyed is a source whose subjects act by a credential.
type keyed struct {
	*users
	until   time.Time
	revoked bool
}

func (k *keyed) Authenticate(ctx context.Context, c auth.Credential) (auth.Subject, error) {
	sub, err := k.users.Authenticate(ctx, c)
	sub.How, sub.Via = "pat", "pat:1"
	return sub.Bound(permissions("team repository pull"), k.until), err
}

func (k *keyed) Holder(ctx context.Context, name, via string) (auth.Subject, error) {
	if via != "pat:1" || k.revoked {
		return auth.Subject{}, auth.ErrUnknownSubject
	}
	sub, err := k.Resolve(ctx, name)
	return sub.Bound(permissions("team repository pull"), k.until), err
}

// issuing returns an issuer of a world for subjects that act by a credential.
func issuing(w *world, k *keyed) *auth.Issuer {
	return auth.NewIssuer(auth.IssuerConfig{
		Issuer: "test-issuer", Life: 5 * time.Minute, RefreshIdle: 24 * time.Hour, RefreshAbsolute: 72 * time.Hour,
		Services: []auth.Service{{Name: "svc", Header: auth.HeaderX5C}},
	}, auth.IssuerDeps{
		Authenticator: k, Holders: k, Authorizer: w.rules, Signer: w.tokens, RefreshTokens: w.memory, Trail: w.memory, Now: w.clock.Now,
	})
}

func TestNothingOutlivesItsCredential(t *testing.T) {
	w := newWorld(t)
	k := &keyed{users: w.users, until: w.clock.Now().Add(2 * time.Minute)}
	i := issuing(w, k)
	basic := auth.TokenRequest{
		Grant: auth.GrantBasic, Service: "svc", Offline: true,
		Credential: &auth.Credential{Name: "alice", Secret: secret.New("wonderland")},
	}
	answer, err := i.Issue(t.Context(), basic)
	if err != nil {
		t.Fatalf("Issue() = %v, want a token", err)
	}
	if answer.ExpiresIn != 2*time.Minute {
		t.Errorf("a token for a credential that ends in 2m lives for %s, want 2m", answer.ExpiresIn)
	}
	claims, err := w.tokens.Verify(t.Context(), answer.AccessToken.Reveal(), "svc")
	if err != nil || claims.Via != "pat:1" {
		t.Errorf("the token's via is %q, %v, want pat:1", claims.Via, err)
	}
	if got := w.memory.last(t).Method; got != "pat" {
		t.Errorf("the trail says %q, want pat", got)
	}
	w.clock.Advance(time.Minute)
	refresh := auth.TokenRequest{Grant: auth.GrantRefresh, Service: "svc", RefreshToken: answer.RefreshToken}
	again, err := i.Issue(t.Context(), refresh)
	if err != nil || again.ExpiresIn != time.Minute {
		t.Errorf("a refreshed token lives for %s, %v, want 1m", again.ExpiresIn, err)
	}
	k.revoked = true
	if _, err := i.Issue(t.Context(), refresh); err == nil {
		t.Error("a refresh token works on after its credential was revoked")
	}
	if _, err := auth.Bearer(t.Context(), k, claims); !errors.Is(err, auth.ErrUnknownSubject) {
		t.Errorf("Bearer() after the credential was revoked = %v, want ErrUnknownSubject", err)
	}
	k.revoked = false
	w.clock.Advance(2 * time.Minute)
	for name, req := range map[string]auth.TokenRequest{"refresh token": refresh, "credential": basic} {
		if a, err := i.Issue(t.Context(), req); err == nil {
			t.Errorf("an ended %s gives a token for %s", name, a.ExpiresIn)
		}
	}
}

// told is a recognizer of one secret, and says how often it was asked.
type told struct {
	prefix string
	err    error
	asked  int
}

func (r *told) Recognizes(c auth.Credential) bool { return c.Secret.Reveal()[:1] == r.prefix }

func (r *told) Authenticate(context.Context, auth.Credential) (auth.Subject, error) {
	r.asked++
	return auth.Subject{Name: r.prefix}, r.err
}

// What a recognizer knows for its own never reaches another, whatever it says of it.
func TestLoginAsksOneOnly(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	for _, tt := range []struct {
		secret, name string
		first, want  error
	}{
		{"a1", "a", nil, nil},
		{"a1", "", auth.ErrUnknownSubject, auth.ErrBadCredential},
		{"a1", "", auth.ErrBadCredential, auth.ErrBadCredential},
		{"a1", "", down, down},
		{"b1", "b", nil, nil},
		{"x1", "p", nil, nil},
	} {
		a, b, passwords := &told{prefix: "a", err: tt.first}, &told{prefix: "b"}, &told{prefix: "p"}
		sub, err := auth.Login{Recognizers: []auth.Recognizer{a, b}, Passwords: passwords}.
			Authenticate(t.Context(), auth.Credential{Secret: secret.New(tt.secret)})
		if !errors.Is(err, tt.want) || err == nil && sub.Name != tt.name {
			t.Errorf("a login with %q where the first says %v = %q, %v, want %q, %v", tt.secret, tt.first, sub.Name, err, tt.name, tt.want)
		}
		if a.asked+b.asked+passwords.asked != 1 {
			t.Errorf("a login with %q asks %d, %d, %d times, want one of them once", tt.secret, a.asked, b.asked, passwords.asked)
		}
	}
}
