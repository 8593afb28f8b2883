// Package browser drives a real browser: Debian's chromium, without a screen, with a profile of its own, and with nothing
// to reach but this machine.
package browser

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/sealock/sealock/e2e/internal/need"
	"github.com/sealock/sealock/e2e/internal/proc"
)

// Shots names a folder that pages are photographed into, for people to look at.
const Shots = "SEALOCK_E2E_SHOTS"

// Patience is how long one step may take.
const Patience = 30 * time.Second

// Browser is a browser with one page.
type Browser struct {
	t   testing.TB
	ctx context.Context
}

// New starts a browser that ends with the test.
func New(t testing.TB) *Browser {
	t.Helper()
	allocator, stop := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(need.Tool(t, "chromium")), chromedp.UserDataDir(proc.Dir(t)), chromedp.Headless, chromedp.NoSandbox,
		chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.WindowSize(1200, 900),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"),
	)
	t.Cleanup(stop)
	ctx, leave := chromedp.NewContext(allocator)
	t.Cleanup(leave)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("starting chromium: %v", err)
	}
	return &Browser{t, ctx}
}

// Do takes steps, and fails the test at one that does not come about, with what the page shows then.
func (b *Browser) Do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	for _, step := range steps {
		ctx, cancel := context.WithTimeout(b.ctx, Patience)
		err := chromedp.Do(ctx, step)
		cancel()
		if err != nil {
			b.t.Fatalf("%s: %v; the browser shows\n%s", what, err, b.Text("body"))
		}
	}
}

// Open goes to a URL.
func (b *Browser) Open(url string) { b.t.Helper(); b.Do("opening "+url, chromedp.Navigate(url)) }

// Fill types into an empty field.
func (b *Browser) Fill(field, text string) {
	b.t.Helper()
	b.Do("filling in "+field, chromedp.SendKeys(chromedp.CSS(field), text))
}

// Press clicks on something and waits until another thing is there.
func (b *Browser) Press(button, then string) {
	b.t.Helper()
	b.Do("pressing "+button, chromedp.Click(chromedp.CSS(button)), chromedp.WaitVisible(chromedp.CSS(then)))
}

// Text returns what an element shows; "" when it is not there.
func (b *Browser) Text(element string) string {
	b.t.Helper()
	script := "(document.querySelector(" + strconv.Quote(element) + `) || {innerText: ""}).innerText`
	return look(b, "reading "+element, chromedp.Evaluate[string](script))
}

// URL returns where the page is.
func (b *Browser) URL() string {
	b.t.Helper()
	return look(b, "reading the address", chromedp.Location())
}

// look takes a step that returns something.
func look[T any](b *Browser, what string, step chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, Patience)
	defer cancel()
	v, err := chromedp.Run(ctx, step)
	if err != nil {
		b.t.Errorf("%s: %v", what, err)
	}
	return v
}

// Shoot photographs the page, light, dark and on a phone, if somebody wants to look at it.
func (b *Browser) Shoot(name string) {
	b.t.Helper()
	dir := os.Getenv(Shots)
	if dir == "" {
		return
	}
	for _, as := range []struct {
		name, scheme string
		width        int64
	}{{"light", "light", 1200}, {"dark", "dark", 1200}, {"phone", "light", 380}} {
		b.Do("changing the looks", chromedp.EmulateViewport(as.width, 900), scheme(as.scheme))
		picture := look(b, "photographing "+name, chromedp.FullScreenshot(100))
		if err := os.WriteFile(filepath.Join(dir, name+"-"+as.name+".png"), picture, 0o600); err != nil {
			b.t.Error(err)
		}
	}
	b.Do("looking as before", chromedp.EmulateViewport(1200, 900), scheme(""))
}

// scheme makes the browser prefer light or dark pages.
func scheme(value string) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (none chromedp.Void, err error) {
		_, err = cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}},
		})
		return none, err
	}
}
