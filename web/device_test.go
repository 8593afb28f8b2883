package web_test

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/web"
)

// devices is the real device login of a world.
type devices struct{ *auth.Devices }

func newDeviceWorld(t *testing.T) (*world, *devices) {
	t.Helper()
	d := &devices{}
	w := newWorld(t, false, func(deps *web.Deps) {
		deps.Pages = append(deps.Pages, web.DevicePages(d)...)
	})
	trail := audit.NewBatcher(w.store, 64)
	t.Cleanup(trail.Close)
	issuer := auth.NewIssuer(auth.IssuerConfig{Services: []auth.Service{{Name: "sealock"}, {Name: auth.APIService}}}, auth.IssuerDeps{
		RefreshTokens: w.store, Trail: trail, Now: w.now,
	})
	d.Devices = auth.NewDevices(issuer, w.store)
	return w, d
}

func (w *world) askDevice(d *devices, service string) (userCode string) {
	w.t.Helper()
	g, err := d.Request(w.t.Context(), auth.DeviceRequest{ClientID: `helper@<b>laptop</b>`, Service: service, Remote: "203.0.113.9"})
	if err != nil {
		w.t.Fatal(err)
	}
	return g.UserCode
}

func (w *world) deviceStatus(userCode string) auth.DeviceCode {
	w.t.Helper()
	plain, _ := auth.ParseUserCode(userCode)
	c, err := w.store.DeviceCodeByUserCode(w.t.Context(), plain)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// The link that a device shows leads over the sign-in page to what asks, and approves nothing by itself.
func TestDeviceIsApproved(t *testing.T) {
	w, d := newDeviceWorld(t)
	code := w.askDevice(d, "sealock")
	link := "/device?user_code=" + code
	b := w.browser()
	to := b.get(link)
	want := "/sign-in?" + url.Values{"next": {link}}.Encode()
	if to.status != http.StatusSeeOther || to.location != want {
		t.Fatalf("GET %s without a session = %d to %q, want %q", link, to.status, to.location, want)
	}
	if a := b.signIn("alice", password, link); a.location != link {
		t.Fatalf("sign-in leads to %q, want %q", a.location, link)
	}
	page := b.get(link)
	for _, want := range []string{code, "helper@&lt;b&gt;laptop", "203.0.113.9", "not this browser", "pull and push images as alice", "Only approve if you started this yourself"} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the page does not show %q: %s", want, page.body)
		}
	}
	if got := w.deviceStatus(code).Status; page.status != http.StatusOK || got != auth.DevicePending {
		t.Errorf("the link answers %d and leaves the device %s, want 200 and pending", page.status, got)
	}
	done := b.post("/device", "user_code", code, "decision", "approve")
	got := w.deviceStatus(code)
	if done.status != http.StatusOK || !strings.Contains(done.body, "Device signed in") || got.Status != auth.DeviceApproved || got.UserID != w.alice.ID {
		t.Errorf("approval = %d %+v, want alice's: %s", done.status, got, done.body)
	}
	if line := w.trail()[0]; line != "device.approve device_code:"+got.ID+" alice session allowed" {
		t.Errorf("the trail says %q", line)
	}
}

func TestDeviceIsDenied(t *testing.T) {
	w, d := newDeviceWorld(t)
	code := w.askDevice(d, auth.APIService)
	b := w.in()
	if page := b.get("/device?user_code=" + strings.ToLower(code)); !strings.Contains(page.body, "everything that alice may") {
		t.Errorf("the page does not say that the device gets everything: %s", page.body)
	}
	done := b.post("/device", "user_code", code, "decision", "deny")
	if got := w.deviceStatus(code).Status; !strings.Contains(done.body, "Device refused") || got != auth.DeviceDenied {
		t.Errorf("denial leaves the device %s: %s", got, done.body)
	}
	if again := b.post("/device", "user_code", code, "decision", "approve"); again.status != http.StatusNotFound {
		t.Errorf("approval after the denial = %d, want 404", again.status)
	}
}

// What is not an answer of a signed-in person's own page changes nothing.
func TestDeviceAnswersOfOthers(t *testing.T) {
	w, d := newDeviceWorld(t)
	code := w.askDevice(d, "sealock")
	b := w.in()
	form := func(csrf string) url.Values {
		return url.Values{"user_code": {code}, "decision": {"approve"}, "csrf": {csrf}}
	}
	for name, status := range map[string]int{
		"without a form's token": b.send(http.MethodPost, "/device", form("")).status,
		"of another site":        b.send(http.MethodPost, "/device", form(b.token("/account")), "Origin", "https://evil.example").status,
		"without a decision":     b.post("/device", "user_code", code).status,
		"of a code that is none": b.post("/device", "user_code", "AAAA-AAAA", "decision", "approve").status,
	} {
		if status < 400 {
			t.Errorf("an answer %s = %d, want a refusal", name, status)
		}
	}
	stranger := w.browser()
	if a := stranger.send(http.MethodPost, "/device", form("")); a.status != http.StatusSeeOther || !strings.HasPrefix(a.location, "/sign-in") {
		t.Errorf("an answer of nobody = %d to %q, want the sign-in page", a.status, a.location)
	}
	if got := w.deviceStatus(code).Status; got != auth.DevicePending {
		t.Errorf("the device is %s, want pending", got)
	}
}

func TestDeviceForm(t *testing.T) {
	w, _ := newDeviceWorld(t)
	b := w.in()
	for path, status := range map[string]int{
		"/device": 200, "/device?user_code=BBBB-BBBB": 404, "/device?user_code=%3Cscript%3E": 404, "/device?user_code=" + strings.Repeat("B", 9000): 404,
	} {
		a := b.get(path)
		if a.status != status || !strings.Contains(a.body, `name="user_code"`) || strings.Contains(a.body, "<script") || len(a.body) > 8000 {
			t.Errorf("GET %.60s = %d, want %d and the form", path, a.status, status)
		}
	}
	if !regexp.MustCompile(`method="get" action="/device"`).MatchString(b.get("/device").body) {
		t.Error("the form does not lead to the page that shows what asks")
	}
}

// Who tries codes is told to wait.
func TestDeviceCodesCantBeTried(t *testing.T) {
	w, d := newDeviceWorld(t)
	code := w.askDevice(d, "sealock")
	b := w.in()
	for range 10 {
		b.get("/device?user_code=BBBB-BBBB")
	}
	a := b.post("/device", "user_code", code, "decision", "approve")
	if a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") != "600" || w.deviceStatus(code).Status != auth.DevicePending {
		t.Errorf("the eleventh code = %d, want 429 with Retry-After: 600", a.status)
	}
}

// A failure of the store says so, and nothing else.
type brokenDevices struct{}

func (brokenDevices) Waiting(context.Context, auth.Subject, string, string) (auth.DeviceCode, error) {
	return auth.DeviceCode{}, errs.New(errs.Unavailable, "the database can't be used at the moment")
}

func (brokenDevices) Answer(context.Context, auth.DeviceAnswer) error {
	return errs.New(errs.Unavailable, "the database can't be used at the moment")
}

func TestDeviceFailure(t *testing.T) {
	w := newWorld(t, false, func(deps *web.Deps) { deps.Pages = append(deps.Pages, web.DevicePages(brokenDevices{})...) })
	b := w.in()
	for name, a := range map[string]answer{
		"the page": b.get("/device?user_code=BBBB-BBBB"), "the answer": b.post("/device", "user_code", "BBBB-BBBB", "decision", "approve"),
	} {
		if a.status != http.StatusServiceUnavailable || strings.Contains(a.body, "signed in</h1>") {
			t.Errorf("%s = %d, want 503", name, a.status)
		}
	}
}
