package web_test

import (
	"context"
	"encoding/base32"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/seal"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/userdb"
	"github.com/sealock/sealock/web"
)

// everything lets everybody do everything: what is tested here is nobody's role.
type everything struct{}

func (everything) Decide(context.Context, auth.Subject, auth.Access) (auth.Ruling, error) {
	return auth.Ruling{Allowed: true}, nil
}

type clockOf func() time.Time

func (c clockOf) Now() time.Time { return c() }

// factorWorld is a world with the pages of the second factor.
func factorWorld(t *testing.T) *world {
	t.Helper()
	box, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	return newWorld(t, false, func(d *web.Deps) {
		kept, ok := d.Sessions.(store.Store)
		if !ok {
			t.Fatal("sessions are not kept in the store")
		}
		service := project.New(kept, everything{}, d.Trail, userdb.NewHasher(1), clockOf(d.Now))
		factors, err := service.SecondFactors(box, []string{d.Origins.First().String()})
		if err != nil {
			t.Fatal(err)
		}
		pages := web.SecondFactor{Factors: factors, Holders: d.Holders}
		d.Pages, d.Hurdles = append(d.Pages, pages.Pages()...), append(d.Hurdles, pages)
	})
}

// codeNow is what the app with the secret shows.
func (w *world) codeNow(key string) string {
	w.t.Helper()
	code, err := totp.GenerateCodeCustom(key, w.now(), totp.ValidateOpts{Period: 30, Digits: otp.DigitsSix})
	if err != nil {
		w.t.Fatal(err)
	}
	return code
}

// addApp switches the second factor on and returns the app's secret and the page with the recovery codes.
func (b *browser) addApp() (key, page string) {
	b.w.t.Helper()
	if a := b.post("/account/second-factor/app/begin"); a.location != "/account/second-factor/app" {
		b.w.t.Fatalf("beginning = %d %s, want the page for it", a.status, a.body)
	}
	m := regexp.MustCompile(`<code class="key">([A-Z2-7 ]+)</code>`).FindStringSubmatch(b.get("/account/second-factor/app").body)
	if m == nil {
		b.w.t.Fatal("the page shows no secret")
	}
	key = strings.ReplaceAll(m[1], " ", "")
	a := b.post("/account/second-factor/app", "code", b.w.codeNow(key))
	if a.status != http.StatusOK {
		b.w.t.Fatalf("confirming = %d %s, want the recovery codes", a.status, a.body)
	}
	return key, a.body
}

func TestSecondFactorPages(t *testing.T) {
	t.Parallel()
	w := factorWorld(t)
	b, other := w.in(), w.in()
	if body := b.get("/account").body; !strings.Contains(body, `href="/account/second-factor">Set it up<`) {
		t.Error("the account page does not lead to the second factor")
	}
	key, codes := b.addApp()
	if raw, err := base32.StdEncoding.DecodeString(key); err != nil || len(raw) != 20 || strings.Count(codes, "<li><code>") != 10 {
		t.Errorf("the secret is %d bytes, %v, with %d recovery codes; want 20 and 10", len(raw), err, strings.Count(codes, "<li><code>"))
	}
	if !b.signedIn() || other.signedIn() {
		t.Errorf("after switching on, this session is alive: %t, another one: %t; want true, false", b.signedIn(), other.signedIn())
	}
	if a := b.get("/account/second-factor/app"); a.location != "/account/second-factor" || strings.Contains(a.body, key) {
		t.Errorf("the page with the secret = %d %s, want it gone once the app counts", a.status, a.body)
	}

	// After a while changes need the factor once more.
	w.later += 6 * time.Minute
	for _, path := range []string{"/app/remove", "/recovery-codes", "/app/begin"} {
		a := b.post("/account/second-factor" + path)
		if a.status != http.StatusForbidden && a.status != http.StatusConflict || strings.Contains(a.body, "<li><code>") {
			t.Errorf("POST %s later on = %d %s, want a refusal", path, a.status, a.body)
		}
	}
	if body := b.get("/account/second-factor").body; !strings.Contains(body, `action="/account/second-factor/unlock"`) || strings.Contains(body, "/app/remove") {
		t.Errorf("the page later on shows %s, want a question and nothing to change", body)
	}
	if a := b.post("/account/second-factor/unlock", "code", "123"); a.status != http.StatusForbidden {
		t.Errorf("unlocking with a wrong code = %d, want 403", a.status)
	}
	if a := b.post("/account/second-factor/unlock", "code", w.codeNow(key)); a.location != "/account/second-factor" {
		t.Errorf("unlocking = %d %s, want to go on", a.status, a.body)
	}
	if a := b.post("/account/second-factor/app/remove"); a.location != "/account/second-factor" {
		t.Errorf("removing = %d %s, want to go on", a.status, a.body)
	}
	if a := w.browser().signIn("alice", password, ""); a.location != "/account" {
		t.Errorf("signing in after the removal leads to %q, want the account", a.location)
	}
}

func TestSecondFactorHurdle(t *testing.T) {
	t.Parallel()
	w := factorWorld(t)
	key, _ := w.in().addApp()
	w.later += time.Minute
	b := w.browser()
	if a := b.signIn("alice", password, "/account/second-factor"); a.location != "/sign-in/second-factor?next=%2Faccount%2Fsecond-factor" {
		t.Fatalf("signing in leads to %q, want the second factor", a.location)
	}
	for _, path := range []string{"/account", "/account/second-factor", "/account/second-factor/app"} {
		if a := b.get(path); a.status != http.StatusSeeOther || !strings.HasPrefix(a.location, "/sign-in/second-factor") {
			t.Errorf("GET %s before the code = %d %s, want the second factor", path, a.status, a.location)
		}
	}
	send := func(code string) answer {
		form := map[string][]string{"csrf": {b.token("/sign-in/second-factor")}, "code": {code}, "next": {"/account/second-factor"}}
		return b.send(http.MethodPost, "/sign-in/second-factor", form)
	}
	if a := send("000000"); a.status != http.StatusForbidden || b.signedIn() {
		t.Errorf("a wrong code = %d, want 403 and nobody signed in", a.status)
	}
	if a := send(w.codeNow(key)); a.location != "/account/second-factor" || !b.signedIn() {
		t.Errorf("a right code leads to %q, signed in: %t; want where it was asked for", a.location, b.signedIn())
	}
	for range 5 {
		b = w.browser()
		b.signIn("alice", password, "")
		send("000000")
	}
	w.later += time.Minute
	if a := send(w.codeNow(key)); a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") == "" {
		t.Errorf("a code after five wrong ones = %d, Retry-After %q, want 429", a.status, a.header.Get("Retry-After"))
	}
}

// TestPasskeyPages sees what a browser without a passkey gets; e2e has one that uses them.
func TestPasskeyPages(t *testing.T) {
	t.Parallel()
	w := factorWorld(t) // an address: browsers allow no passkeys there
	if a := w.browser().get("/sign-in/passkey"); a.status != http.StatusPreconditionFailed {
		t.Errorf("signing in with a passkey at an address = %d, want 412", a.status)
	}
	b := w.in()
	if body := b.get("/account/second-factor").body; strings.Contains(body, `href="/account/second-factor/passkey"`) {
		t.Error("the page offers passkeys where there can be none")
	}
	if a := b.get("/account/second-factor/passkey"); a.status != http.StatusPreconditionFailed {
		t.Errorf("adding a passkey at an address = %d, want 412", a.status)
	}
}
