package auth_test

import (
	"context"
	"testing"
	"time"

	"github.com/sealock/sealock/auth"
)

// A token that has ended is accepted late for as long as was said, and one that was revoked never, at no replica, also when
// its revocation came after its end.
func TestVerifyLate(t *testing.T) {
	w := newWorld(t)
	w.tokens.WithLate(8 * time.Minute)
	ctx, token, revoked := context.Background(), w.login(t, "svc"), w.login(t, "svc")
	late := func(what string, tokens *auth.Tokens, token, service string, want bool) {
		t.Helper()
		if claims, err := tokens.VerifyLate(ctx, token, service, time.Hour); (err == nil) != want || want && claims.Subject == "" {
			t.Errorf("VerifyLate(%s) = %+v, %v, want accepted: %v", what, claims, err, want)
		}
	}
	late("a token in its time", w.tokens, token, "svc", true)
	w.clock.Advance(10 * time.Minute) // five after its end
	if _, err := w.tokens.Verify(ctx, token, "svc"); err == nil {
		t.Error("Verify of a token that has ended works, want ErrInvalidToken")
	}
	late("a token that has ended", w.tokens, token, "svc", true)
	late("a token for another service", w.tokens, token, "other", false)
	late("garbage", w.tokens, token+"x", "svc", false)
	late("a token that is about to be revoked", w.tokens, revoked, "svc", true)
	if a := w.do(t, "POST", auth.PathRevoke, form("token", revoked)); a.status != 200 {
		t.Fatalf("revoking: %d %s", a.status, a.body)
	}
	fresh := auth.NewTokens(w.ring, "test-issuer", w.clock.Now).WithLate(8 * time.Minute)
	for _, tokens := range []*auth.Tokens{w.tokens, fresh} {
		if err := tokens.SyncRevocations(ctx, w.memory); err != nil {
			t.Fatal(err)
		}
		late("a token that was revoked", tokens, revoked, "svc", false)
	}
	late("a token that has ended, at a replica that never saw it", fresh, token, "svc", true)
	if _, err := fresh.Verify(ctx, token, "svc"); err == nil {
		t.Error("Verify after VerifyLate works, want ErrInvalidToken")
	}
	late("a token where nothing is late", auth.NewTokens(w.ring, "test-issuer", w.clock.Now), token, "svc", false)
	w.clock.Advance(4 * time.Minute)
	late("a token that ended too long ago", w.tokens, token, "svc", false)
}
