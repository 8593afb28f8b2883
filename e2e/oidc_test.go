package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
	"golang.org/x/text/language"

	"github.com/sealock/sealock/e2e/internal/browser"
	"github.com/sealock/sealock/e2e/internal/fixture"
	"github.com/sealock/sealock/e2e/internal/proc"
	"github.com/sealock/sealock/e2e/internal/wire"
)

const (
	opSecret    = "op-client-secret"
	adaPassword = "Ada-e2e-12345"
)

// people is the provider's storage, with groups besides.
type people struct {
	*storage.Storage
	mu     sync.Mutex
	groups map[string][]string
}

func (p *people) set(user string, groups ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.groups[user] = groups
}

func (p *people) add(info *oidc.UserInfo) {
	p.mu.Lock()
	defer p.mu.Unlock()
	info.AppendClaims("groups", append([]string{}, p.groups[info.Subject]...))
}

func (p *people) SetUserinfoFromToken(ctx context.Context, info *oidc.UserInfo, tokenID, subject, origin string) error {
	err := p.Storage.SetUserinfoFromToken(ctx, info, tokenID, subject, origin)
	p.add(info)
	return err
}

var _ op.Storage = (*people)(nil)

// startProvider runs zitadel's example of an OpenID provider for a client with this redirect URL.
func startProvider(t *testing.T, redirect string) (issuer string, _ *people) {
	t.Helper()
	users := map[string]*storage.User{}
	for _, name := range []string{"ada", "bert"} {
		users["id-"+name] = &storage.User{
			ID: "id-" + name, Username: name, Password: adaPassword, FirstName: name, Email: name + "@example.com", EmailVerified: true, PreferredLanguage: language.English,
		}
	}
	text, err := json.Marshal(users)
	if err != nil {
		t.Fatal(err)
	}
	known, err := storage.StoreFromFile(fixture.File(t, filepath.Join(proc.Dir(t), "users.json"), string(text)))
	if err != nil {
		t.Fatal(err)
	}
	storage.RegisterClients(storage.WebClient("sealock", opSecret, redirect))
	p := &people{Storage: storage.NewStorage(known), groups: map[string][]string{}}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	issuer = fmt.Sprintf("http://localhost:%d/", listener.Addr().(*net.TCPAddr).Port) //nolint:errcheck // it is a TCP listener
	server := &http.Server{Handler: exampleop.SetupServer(issuer, p, nil, false), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return issuer, p
}

// signInAt goes through the provider in the browser, to the account page.
func signInAt(b *browser.Browser, url, name string) {
	b.Open(url + "/sign-in")
	b.Press(`.ways a`, `#username`)
	b.Fill(`#username`, name)
	b.Fill(`#password`, adaPassword)
	b.Press(`button[type=submit]`, `#tokens`)
}

// TestOIDC signs in at a real provider with a real browser, makes a personal access token there, and pushes with it.
func TestOIDC(t *testing.T) {
	addr := proc.FreeAddr(t)
	issuer, provider := startProvider(t, "http://"+addr+"/oidc/sso/callback")
	server := serveAt(t, addr, fmt.Sprintf(`sources:
- type: database
- {name: sso, type: oidc, title: Example Corp, issuer: %q, client_id: sealock, client_secret: %s, groups_claim: groups, admin_group: registry-admins, scopes: [openid, profile, email, offline_access], recheck: 10s}
`, issuer, opSecret))
	server.CLI(t, "project", "create", "team")
	provider.set("id-ada", "dev", "registry-admins")

	b := browser.New(t)
	b.Open(server.URL)
	b.Shoot("welcome")
	b.Press(`main a.button`, `#password`)
	b.Shoot("sign-in")
	b.Fill(`#name`, "ada@sso")
	b.Fill(`#password`, adaPassword)
	b.Press(`form.stack button`, `[role=alert]`)
	if got := b.Text(`[role=alert]`); !strings.Contains(got, "wrong password") {
		t.Errorf("the provider's password, typed here: %q, want a refusal", got)
	}
	b.Shoot("sign-in-refused")

	signInAt(b, server.URL, "ada")
	if got := b.Text("main"); !strings.Contains(got, "ada@sso") || !strings.Contains(got, "System administrator") || !strings.Contains(got, "dev") {
		t.Errorf("the account page shows %q, want ada@sso, an administrator, in dev", got)
	}
	b.Fill(`#token-name`, "laptop")
	b.Press(`form.grid button`, `#secret`)
	b.Shoot("account")
	token := b.Text(`#secret`)

	ada := newDesk(t, server)
	mustFail(t, ada.login("ada@sso", adaPassword), "unknown user or wrong password")
	must(t, ada.login("ada@sso", token))
	must(t, ada.push("team/app"))
	must(t, ada.pull("team/app"))
	if got := listUsers(t, server.Addr, token); got != http.StatusOK {
		t.Errorf("ada, an administrator, lists users with %d, want 200", got)
	}

	// A person without groups is nobody's member, and no administrator.
	other := browser.New(t)
	signInAt(other, server.URL, "bert")
	if got := other.Text("main"); !strings.Contains(got, "bert@sso") || strings.Contains(got, "System administrator") {
		t.Errorf("the account page shows %q, want bert@sso, no administrator", got)
	}

	// The provider takes the group back: the next sign-in knows.
	provider.set("id-ada", "dev")
	b.Press(`header form button`, `#name`)
	signInAt(b, server.URL, "ada")
	if got := b.Text("main"); strings.Contains(got, "System administrator") {
		t.Errorf("the account page shows %q, want no administrator any more", got)
	}
	mustFail(t, ada.push("team/app2"), "denied", "unauthorized")
	if got := listUsers(t, server.Addr, token); got != http.StatusForbidden {
		t.Errorf("ada, no administrator, lists users with %d, want 403", got)
	}
	server.CLI(t, "member", "add", "team", "ada@sso", "--role", "developer")
	must(t, ada.push("team/app2"))

	b.Press(`form[action="/account/tokens/revoke"] button`, `p.none`)
	mustFail(t, ada.push("team/app3"), "denied", "unauthorized")
}

// TestOIDCOnlyWhoIsExpected lets in, with auto_onboard off, whom an administrator made a user of before, and nobody else.
func TestOIDCOnlyWhoIsExpected(t *testing.T) {
	addr := proc.FreeAddr(t)
	issuer, _ := startProvider(t, "http://"+addr+"/oidc/sso/callback")
	server := serveAt(t, addr, fmt.Sprintf(`sources:
- type: database
- {name: sso, type: oidc, issuer: %q, client_id: sealock, client_secret: %s, auto_onboard: false}
`, issuer, opSecret))
	b := browser.New(t)
	b.Open(server.URL + "/sign-in")
	b.Press(`.ways a`, `#username`)
	b.Fill(`#username`, "ada")
	b.Fill(`#password`, adaPassword)
	b.Press(`button[type=submit]`, `[role=alert]`)
	if got := b.Text(`[role=alert]`); !strings.Contains(got, "has no account here") {
		t.Errorf("a stranger who signs in reads %q, want that there is no account", got)
	}
	server.CLI(t, "user", "create", "ada@sso")
	server.CLI(t, "project", "create", "team")
	server.CLI(t, "member", "add", "team", "ada@sso", "--role", "developer")
	b = browser.New(t)
	signInAt(b, server.URL, "ada")
	b.Fill(`#token-name`, "laptop")
	b.Press(`form.grid button`, `#secret`)
	ada := newDesk(t, server)
	must(t, ada.login("ada@sso", b.Text(`#secret`)))
	must(t, ada.push("team/app"))

	// An administrator ends her sessions; what she made for clients stays.
	server.CLI(t, "user", "sign-out", "ada@sso")
	b.Open(server.URL + "/account")
	if got := b.URL(); !strings.Contains(got, "/sign-in") {
		t.Errorf("after the sign-out, the account page leads to %s, want the sign-in", got)
	}
	must(t, ada.pull("team/app"))
}

// listUsers returns the status of an administrator's question, asked with a personal access token.
func listUsers(t *testing.T, addr, token string) int {
	t.Helper()
	resp, err := wire.New(addr, "ada@sso", token).Send(wire.Request{Method: http.MethodGet, URL: "/api/v2.0/users", Basic: true})
	if err != nil {
		t.Fatal(err)
	}
	return resp.Status
}
