package e2e_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // what apps for one-time codes use (RFC 6238)
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"github.com/sealock/sealock/e2e/internal/client"
	"github.com/sealock/sealock/e2e/internal/need"
	"github.com/sealock/sealock/e2e/internal/proc"
	"github.com/sealock/sealock/e2e/internal/sealock"
)

// person sits at a browser.
type person struct {
	t   *testing.T
	ctx context.Context //nolint:containedctx // chromedp keeps the browser in it
	url string
}

// browse starts a browser of its own, which ends with the test.
func browse(t *testing.T, server *sealock.Server) *person {
	t.Helper()
	flags := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(need.Tool(t, "chromium")), chromedp.UserDataDir(proc.Dir(t)),
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), flags...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	p := &person{t, ctx, server.URL}
	p.do("starting a browser")
	return p
}

// do takes steps in the browser.
func (p *person) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, steps...); err != nil {
		p.t.Fatalf("%s: %v", what, err)
	}
}

// read asks the page for something.
func read[T any](p *person, script string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](script))
	if err != nil {
		p.t.Fatalf("asking the page for %s: %v", script, err)
	}
	return v
}

// open goes to a page.
func (p *person) open(path string) {
	p.t.Helper()
	p.do("opening "+path, chromedp.Navigate(p.url+path))
}

// submit presses the button that the selector finds, and waits for the page that follows.
func (p *person) submit(selector string) {
	p.t.Helper()
	button := chromedp.CSS(selector)
	p.do("pressing "+selector, chromedp.WaitVisible(button), chromedp.Evaluate[chromedp.Void](`window.before = true`), chromedp.Click(button))
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		// While the page goes, there is nothing to ask.
		there, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool](`!window.before && document.readyState === "complete"`))
		if err == nil && there {
			return
		}
	}
	p.t.Fatalf("nothing came after %s; the page shows %q", selector, p.text("main"))
}

func (p *person) fill(selector, text string) {
	p.t.Helper()
	p.do("filling in "+selector, chromedp.SetValue(chromedp.CSS(selector), text))
}

func (p *person) text(selector string) string {
	p.t.Helper()
	return strings.TrimSpace(read[string](p, fmt.Sprintf("document.querySelector(%q).textContent", selector)))
}

// sees wants a page at the path with the words in it.
func (p *person) sees(path string, words ...string) {
	p.t.Helper()
	at, page := read[string](p, "location.pathname"), p.text("main")
	if at != path {
		p.t.Fatalf("the browser is at %s, want %s; it shows %q", at, path, page)
	}
	for _, w := range words {
		if !strings.Contains(page, w) {
			p.t.Fatalf("%s shows %q, want %q", path, page, w)
		}
	}
}

func (p *person) signIn(name, password string) {
	p.t.Helper()
	p.open("/sign-in")
	p.fill("#name", name)
	p.fill("#password", password)
	p.submit(`form[action="/sign-in"] button`)
}

func (p *person) signOut() {
	p.t.Helper()
	p.submit(`form[action="/sign-out"] button`)
	p.sees("/sign-in", "signed out")
}

// enter types a code and sends it.
func (p *person) enter(code string) {
	p.t.Helper()
	p.fill("#code", code)
	p.submit(`form:has(#code) button`)
}

// shoot keeps a picture of the page, bright and dark, for whoever wants to look at it.
func (p *person) shoot(name string) {
	p.t.Helper()
	dir := os.Getenv("SEALOCK_E2E_SHOTS")
	if dir == "" {
		return
	}
	for _, scheme := range []string{"light", "dark"} {
		dark := &emulation.MediaFeature{Name: "prefers-color-scheme", Value: scheme}
		if _, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{dark}}); err != nil {
			p.t.Fatal(err)
		}
		picture, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
		if err != nil {
			p.t.Fatal(err)
		}
		if err := os.WriteFile(fmt.Sprintf("%s/%s-%s.png", dir, name, scheme), picture, 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
}

// app is an app for one-time codes, written from RFC 6238 and not with sealock's library.
type app struct {
	t    *testing.T
	key  []byte
	last int64
}

func newApp(t *testing.T, secret string) *app {
	t.Helper()
	key, err := base32.StdEncoding.DecodeString(strings.ReplaceAll(secret, " ", ""))
	if err != nil {
		t.Fatalf("the secret %q: %v", secret, err)
	}
	return &app{t: t, key: key}
}

// code returns a code that was not used: the oldest one that still counts.
func (a *app) code() string {
	a.t.Helper()
	now := func() int64 { return time.Now().Unix() / 30 }
	a.last = max(a.last+1, now()-1)
	for a.last > now() { // one ahead would do, too, but leaves no room for the next
		time.Sleep(200 * time.Millisecond)
	}
	mac := hmac.New(sha1.New, a.key)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(a.last)))
	sum := mac.Sum(nil)
	n := binary.BigEndian.Uint32(sum[sum[len(sum)-1]&0xf:]) & 0x7fffffff
	return fmt.Sprintf("%06d", n%1_000_000)
}

// device gives the browser an authenticator that knows its owner and says yes.
func (p *person) device() {
	p.t.Helper()
	_, err := chromedp.Call(p.ctx, webauthn.Enable, webauthn.EnableParams{})
	if err == nil {
		_, err = chromedp.Call(p.ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
		}})
	}
	if err != nil {
		p.t.Fatalf("adding an authenticator: %v", err)
	}
}

// TestSecondFactor sets a second factor up in a browser, and sees that docker is let in with a token alone from then on.
func TestSecondFactor(t *testing.T) {
	t.Parallel()
	server := sealock.Prepare(t, sealock.Options{Addr: fmt.Sprintf("localhost:%d", proc.FreePort(t))})
	server.Start(t)
	server.LogIn(t)
	server.AddUser(t, "alice", alicePassword)
	server.AddProject(t, "team", "alice:developer")
	server.CLIWith(t, alicePassword+"\n", "login", server.URL, "--username", "alice", "--password-stdin")
	token := makePAT(t, server, "laptop")
	laptop := newDesk(t, server)
	must(t, laptop.login("alice", alicePassword))
	must(t, laptop.push("team/before"))

	p := browse(t, server)
	p.signIn("alice", alicePassword)
	p.sees("/account", "Second factor")
	p.shoot("account")
	phone, codes := p.addApp()

	mustFail(t, laptop.push("team/after"), "second factor", "unauthorized")
	mustFail(t, laptop.login("alice", alicePassword), "use a personal access token as the password")
	mustFail(t, laptop.login("alice", alicePassword+"x"), "unknown user or wrong password")
	mustFail(t, laptop.RunWith(alicePassword+"\n", sealock.Binary(t), "login", server.URL, "--username", "alice", "--password-stdin"), "sealock login --device")
	must(t, laptop.login("alice", token))
	must(t, laptop.push("team/after"))
	must(t, laptop.pull("team/before"))

	p.signOut()
	p.signIn("alice", alicePassword)
	p.sees("/sign-in/second-factor", "Show that it is you, alice")
	p.open("/account") // nothing but the second factor opens
	p.sees("/sign-in/second-factor")
	p.enter("000000")
	p.sees("/sign-in/second-factor", "The code is wrong")
	p.shoot("ask")
	p.enter(phone.code())
	p.sees("/account")

	p.signOut()
	p.signIn("alice", alicePassword)
	p.enter(codes[4])
	p.sees("/account")
	p.signOut()
	p.signIn("alice", alicePassword)
	p.enter(codes[4])
	p.sees("/sign-in/second-factor", "was used already")
	p.enter(codes[5])

	p.signOut()
	p.approveLogin(server, laptop, phone)
	p.passkeys()

	server.LogIn(t)
	server.CLI(t, "user", "reset-second-factor", "alice")
	p.open("/account")
	p.sees("/sign-in")
	p.signIn("alice", alicePassword)
	p.sees("/account", "Off. With one")
	must(t, laptop.login("alice", alicePassword))
}

// approveLogin signs the command line in from the browser, which asks for the second factor before it shows the device.
func (p *person) approveLogin(server *sealock.Server, d *desk, phone *app) {
	p.t.Helper()
	said := filepath.Join(d.Dir, "said")
	ended := make(chan client.Output, 1)
	go func() { ended <- d.Run("sh", "-c", sealock.Binary(p.t)+" login "+server.URL+" --device 2>"+said) }()
	p.open("/device?user_code=" + waitForCode(p.t, said))
	p.sees("/sign-in")
	p.fill("#name", "alice")
	p.fill("#password", alicePassword)
	p.submit(`form[action="/sign-in"] button`)
	p.sees("/sign-in/second-factor")
	p.enter(phone.code())
	p.sees("/device", "Sign in this device?")
	p.submit(`button[value="approve"]`)
	p.sees("/device", "Device signed in")
	select {
	case out := <-ended:
		must(p.t, out)
	case <-time.After(30 * time.Second):
		p.t.Fatal("the login does not end")
	}
	must(p.t, d.Run(sealock.Binary(p.t), "project", "list"))
}

// addApp sets up an app and returns it with the recovery codes.
func (p *person) addApp() (phone *app, codes []string) {
	p.t.Helper()
	p.open("/account/second-factor")
	p.shoot("off")
	p.submit(`form[action$="/app/begin"] button`)
	p.sees("/account/second-factor/app")
	p.shoot("app")
	phone = newApp(p.t, p.text("code.key"))
	p.enter("000000")
	p.sees("/account/second-factor/app", "The code is wrong")
	p.enter(phone.code())
	p.sees("/account/second-factor/app", "not shown again")
	p.shoot("codes")
	codes = read[[]string](p, `[...document.querySelectorAll(".codes code")].map((c) => c.textContent)`)
	if len(codes) != 10 {
		p.t.Fatalf("there are %d recovery codes, want 10", len(codes))
	}
	return phone, codes
}

// passkeys adds one, passes the second factor with it, and signs in with nothing else.
func (p *person) passkeys() {
	p.t.Helper()
	p.device()
	p.open("/account/second-factor/passkey")
	p.fill("#name", "Laptop")
	p.shoot("passkey")
	p.submit(`form[data-passkey] button`)
	p.sees("/account/second-factor", "8 left")
	if got := read[string](p, `document.querySelector("input[name=name]").value`); got != "Laptop" {
		p.t.Errorf("the passkey is called %q, want Laptop", got)
	}
	p.shoot("on")
	p.signOut()
	p.signIn("alice", alicePassword)
	p.sees("/sign-in/second-factor", "Use a passkey")
	p.shoot("ask-passkey")
	p.submit(`form[data-passkey] button`)
	p.sees("/account")
	p.signOut()
	p.shoot("sign-in")
	p.open("/sign-in/passkey?next=/account/second-factor")
	p.shoot("sign-in-passkey")
	p.submit(`form[data-passkey] button`)
	p.sees("/account/second-factor", "Recovery codes")
}
