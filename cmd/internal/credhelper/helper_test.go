package credhelper_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealock/sealock/cmd/internal/credhelper"
)

// run is one run of the helper in a home folder, without any server in reach unless transport is one.
func run(t *testing.T, home string, transport http.RoundTripper, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, said bytes.Buffer
	env := map[string]string{"HOME": home, "SEALOCK_PLAIN_HTTP": "registry.lan:5000"}
	h := credhelper.Helper{
		Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &said, Getenv: func(name string) string { return env[name] },
		HTTP: transport, Hostname: "laptop", Version: "test", Wait: func(context.Context, time.Duration) error { return nil },
	}
	code = h.Run(t.Context(), args)
	return code, out.String(), said.String()
}

// network answers requests by URL and notes what was asked. It stands in for networks that a test can't have.
type network struct {
	mu      sync.Mutex
	answers map[string]answer
	asked   []string
	sent    string
}

func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, r.Method+" "+r.URL.String())
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		n.sent += string(body) + "\n"
	}
	answer, ok := n.answers[r.URL.String()]
	if !ok {
		return nil, fmt.Errorf("no route to %s", r.URL.Host)
	}
	a := answer()
	return &http.Response{
		StatusCode: a.status, Status: http.StatusText(a.status), Header: a.header,
		Body: io.NopCloser(strings.NewReader(a.body)), ContentLength: int64(len(a.body)), Request: r,
	}, nil
}

// answer makes what the network says, anew for each request.
type answer func() spoken

type spoken struct {
	status int
	header http.Header
	body   string
}

func reply(status int, body string, header ...string) answer {
	return func() spoken {
		h := http.Header{"Content-Type": {"application/json"}}
		for i := 0; i+1 < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return spoken{status, h, body}
	}
}

func challenge(realm string) answer {
	return reply(401, "{}", "WWW-Authenticate", `Bearer realm="`+realm+`",service="svc"`)
}

// A password goes to the token server that the registry names, over TLS, and nowhere else.
func TestPasswordsGoWhereNobodyListens(t *testing.T) {
	const good = `{"access_token":"a.b.c","refresh_token":"rt"}`
	type answers = map[string]answer
	for _, tt := range []struct {
		name    string
		host    string
		network answers
		want    string // in what the helper says; "" for success
	}{
		{"TLS", "registry.example.com", answers{
			"https://registry.example.com/v2/": challenge("https://auth.example.com/token"),
			"https://auth.example.com/token":   reply(200, good),
		}, ""},
		{"a host that the user named", "registry.lan:5000", answers{
			"http://registry.lan:5000/v2/":   challenge("http://registry.lan:5000/token"),
			"http://registry.lan:5000/token": reply(200, good),
		}, ""},
		{"this machine", "localhost:5000", answers{
			"http://localhost:5000/v2/":   challenge("http://localhost:5000/token"),
			"http://localhost:5000/token": reply(200, good),
		}, ""},
		{"a registry without TLS", "registry.example.com", answers{
			"http://registry.example.com/v2/":   challenge("http://registry.example.com/token"),
			"http://registry.example.com/token": reply(200, good),
		}, "no route"},
		{"a token server without TLS", "registry.example.com", answers{
			"https://registry.example.com/v2/": challenge("http://auth.example.com/token"),
			"http://auth.example.com/token":    reply(200, good),
		}, "is not encrypted"},
		{"from TLS to this machine", "registry.example.com", answers{
			"https://registry.example.com/v2/": challenge("http://localhost:1/token"),
			"http://localhost:1/token":         reply(200, good),
		}, "is not encrypted"},
		{"a token server that redirects", "registry.example.com", answers{
			"https://registry.example.com/v2/":   challenge("https://registry.example.com/token"),
			"https://registry.example.com/token": reply(307, "", "Location", "https://evil.example/token"),
			"https://evil.example/token":         reply(200, good),
		}, "sends to https://evil.example/token"},
		{"a registry with Basic alone", "registry.example.com", answers{
			"https://registry.example.com/v2/": reply(401, "{}", "WWW-Authenticate", `Basic realm="x"`),
		}, "does not work with tokens"},
		{"a registry that is open", "registry.example.com", answers{
			"https://registry.example.com/v2/": reply(200, "{}"),
		}, "asks for no login"},
		{"a server without refresh tokens", "registry.example.com", answers{
			"https://registry.example.com/v2/":   challenge("https://registry.example.com/token"),
			"https://registry.example.com/token": reply(200, `{"token":"a.b.c"}`),
		}, "this helper keeps no password"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			home, n := t.TempDir(), &network{answers: tt.network}
			code, stdout, stderr := run(t, home, n, `{"ServerURL":"`+tt.host+`","Username":"alice","Secret":"canary"}`, "store")
			if (code == 0) != (tt.want == "") || !strings.Contains(stdout, tt.want) || strings.Contains(stdout+stderr, "canary") {
				t.Errorf("store ends with %d and says %q %q, want %q", code, stdout, stderr, tt.want)
			}
			if tt.want == "" != strings.Contains(n.sent, "canary") && !strings.Contains(tt.want, "sends to") && !strings.Contains(tt.want, "keeps no password") {
				t.Errorf("what was sent: %q", n.sent)
			}
			for _, asked := range n.asked {
				if strings.Contains(asked, "evil") || strings.Contains(asked, "http://auth") || strings.Contains(asked, "http://registry.example") {
					t.Errorf("the helper asked %s", asked)
				}
			}
			kept, err := os.ReadFile(filepath.Join(home, ".config", "sealock", "credentials.json"))
			if (err == nil) != (tt.want == "") || strings.Contains(string(kept), "canary") {
				t.Errorf("what is kept: %s, %v", kept, err)
			}
		})
	}
}

// Docker runs several helpers at once; none loses what another one kept.
func TestHelpersAtOnce(t *testing.T) {
	home, n := t.TempDir(), &network{}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			code, out, _ := run(t, home, n, fmt.Sprintf(`{"ServerURL":"host-%d.example","Username":"<token>","Secret":"rt-%d"}`, i, i), "store")
			if code != 0 {
				t.Errorf("store ends with %d: %s", code, out)
			}
		})
	}
	wg.Wait()
	_, out, _ := run(t, home, n, "", "list")
	var list map[string]string
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) != 20 {
		t.Errorf("list = %s, want twenty servers", out)
	}
	_, out, _ = run(t, home, n, "https://host-7.example\n", "get")
	if want := `{"ServerURL":"https://host-7.example","Username":"<token>","Secret":"rt-7"}` + "\n"; out != want {
		t.Errorf("get = %s, want %s", out, want)
	}
}

func TestDamagedFileIsNotReplaced(t *testing.T) {
	home := t.TempDir()
	path := filepath.Join(home, ".config", "sealock", "credentials.json")
	write(t, path, `{"credentials": canary`)
	for _, verb := range []string{"get", "store", "erase", "list"} {
		stdin := "h.example"
		if verb == "store" {
			stdin = `{"ServerURL":"h.example","Username":"<token>","Secret":"rt"}`
		}
		code, out, _ := run(t, home, &network{}, stdin, verb)
		if code != 1 || !strings.Contains(out, "is damaged: remove it and log in again") || strings.Contains(out, "canary") {
			t.Errorf("%s ends with %d and says %q", verb, code, out)
		}
	}
	if got := read(t, path); got != `{"credentials": canary` {
		t.Errorf("the file is %q now", got)
	}
}

// Docker's settings keep all that is not about the helper.
func TestConfigure(t *testing.T) {
	for name, tt := range map[string]struct{ before, after string }{
		"no file":    {"", `{"credHelpers":{"h.example":"sealock"}}`},
		"empty file": {" \n", `{"credHelpers":{"h.example":"sealock"}}`},
		"unknown keys": {
			`{"credsStore":"pass","HttpHeaders":{"X":"<a&b>"},"big":12345678901234567890,"credHelpers":{"gcr.io":"gcloud"}}`,
			`{"credsStore":"pass","HttpHeaders":{"X":"<a&b>"},"big":12345678901234567890,"credHelpers":{"gcr.io":"gcloud","h.example":"sealock"}}`,
		},
		"a login in clear": {
			`{"auths":{"h.example":{"auth":"Y2FuYXJ5"},"https://h.example/":{"identitytoken":"canary"},"other.example":{"auth":"eDp5"}}}`,
			`{"auths":{"h.example":{},"https://h.example/":{},"other.example":{"auth":"eDp5"}},"credHelpers":{"h.example":"sealock"}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			path := filepath.Join(home, ".docker", "config.json")
			if tt.before != "" {
				write(t, path, tt.before)
			}
			code, out, said := run(t, home, &network{}, "", "configure", "https://H.example")
			if code != 0 || !strings.Contains(out, "docker uses this helper for h.example from now on") {
				t.Fatalf("configure ends with %d and says %q %q", code, out, said)
			}
			if cleaned := strings.Contains(out, "in clear is gone"); cleaned != strings.Contains(tt.before, "canary") {
				t.Errorf("configure says %q", out)
			}
			got := read(t, path)
			if diff := cmp.Diff(decode(t, tt.after), decode(t, got)); diff != "" || strings.Contains(got, `\u003c`) {
				t.Errorf("docker's settings (-want +got):\n%s\n%s", diff, got)
			}
			if code, _, _ = run(t, home, &network{}, "", "configure", "h.example"); code != 0 || read(t, path) != got {
				t.Errorf("configure again changes them to %s", read(t, path))
			}
		})
	}
}

func TestConfigureLeavesWhatItCannotRead(t *testing.T) {
	for _, before := range []string{`{"auths":`, `[]`, `{"credHelpers":["x"]}`, `{"auths":{"h":"x"}}`} {
		home := t.TempDir()
		path := filepath.Join(home, ".docker", "config.json")
		write(t, path, before)
		code, _, said := run(t, home, &network{}, "", "configure", "h.example")
		if code != 1 || !strings.Contains(said, "correct it by hand") || read(t, path) != before {
			t.Errorf("configure over %s ends with %d, says %q and leaves %s", before, code, said, read(t, path))
		}
	}
}

// A link to settings that are kept elsewhere stays a link, and a mode that the user chose stays.
func TestConfigureFollowsLinks(t *testing.T) {
	home := t.TempDir()
	real, link := filepath.Join(home, "dotfiles", "docker.json"), filepath.Join(home, ".docker", "config.json")
	write(t, real, `{}`)
	if err := os.Chmod(real, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(link), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	if code, _, said := run(t, home, &network{}, "", "configure", "h.example"); code != 0 {
		t.Fatalf("configure ends with %d: %s", code, said)
	}
	info, err := os.Stat(real)
	if err != nil || info.Mode().Perm() != 0o640 || !strings.Contains(read(t, real), "sealock") {
		t.Errorf("the file is %s, %v", read(t, real), err)
	}
	if to, err := os.Readlink(link); err != nil || to != real {
		t.Errorf("the link leads to %q, %v", to, err)
	}
}

// The device's side of RFC 8628: the pace that the server wants, and what ends it.
func TestLoginPolls(t *testing.T) {
	const base = "https://registry.example.com"
	oauthError := func(status int, code string) answer {
		return reply(status, `{"error":"`+code+`","errors":[{"message":"the server says `+code+`"}]}`)
	}
	for _, tt := range []struct {
		name  string
		polls []answer
		waits []time.Duration
		want  string // of what is said, "" for success
	}{
		{"at once", []answer{reply(200, `{"refresh_token":"rt"}`)}, []time.Duration{3 * time.Second}, ""},
		{
			"slower", []answer{
				oauthError(400, "authorization_pending"), oauthError(400, "slow_down"), oauthError(503, "temporarily_unavailable"),
				oauthError(400, "authorization_pending"), reply(200, `{"refresh_token":"rt"}`),
			}, []time.Duration{3 * time.Second, 3 * time.Second, 8 * time.Second, 13 * time.Second, 13 * time.Second}, "",
		},
		{"denied", []answer{oauthError(400, "access_denied")}, []time.Duration{3 * time.Second}, "the server says access_denied"},
		{"expired", []answer{oauthError(400, "expired_token")}, []time.Duration{3 * time.Second}, "the server says expired_token"},
		{"without a refresh token", []answer{reply(200, `{"access_token":"x"}`)}, []time.Duration{3 * time.Second}, "gives no refresh token"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			polls := 0
			n := &network{answers: map[string]answer{
				base + "/v2/": challenge(base + "/service/token"),
				base + "/.well-known/oauth-authorization-server": reply(200, `{"token_endpoint":"`+base+`/service/token","device_authorization_endpoint":"`+base+`/service/device_authorization"}`),
				base + "/service/device_authorization":           reply(200, `{"device_code":"dc","user_code":"BCDF-GHJK","verification_uri":"`+base+`/device","expires_in":600,"interval":3}`),
				base + "/service/token": func() spoken {
					polls++
					return tt.polls[polls-1]()
				},
			}}
			var out, said bytes.Buffer
			var waits []time.Duration
			home := t.TempDir()
			h := credhelper.Helper{
				Stdin: strings.NewReader(""), Stdout: &out, Stderr: &said, HTTP: n, Hostname: "laptop",
				Getenv: func(name string) string { return map[string]string{"HOME": home}[name] },
				Wait:   func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil },
			}
			code := h.Run(t.Context(), []string{"login", "registry.example.com"})
			if (code == 0) != (tt.want == "") || !strings.Contains(said.String(), tt.want) || !strings.Contains(said.String(), "BCDF-GHJK") {
				t.Errorf("login ends with %d and says %q", code, said.String())
			}
			if diff := cmp.Diff(tt.waits, waits); diff != "" {
				t.Errorf("waits (-want +got):\n%s", diff)
			}
			if !strings.Contains(n.sent, "client_id=docker-credential-sealock%40laptop") {
				t.Errorf("sent %q, want the helper's name and the machine's", n.sent)
			}
		})
	}
}

// A token server's metadata can't send a login elsewhere.
func TestLoginStaysAtTheServer(t *testing.T) {
	const base = "https://registry.example.com"
	n := &network{answers: map[string]answer{
		base + "/v2/": challenge(base + "/service/token"),
		base + "/.well-known/oauth-authorization-server": reply(200, `{"token_endpoint":"https://evil.example/token","device_authorization_endpoint":"https://evil.example/device"}`),
	}}
	code, _, said := run(t, t.TempDir(), n, "", "login", "registry.example.com")
	if code != 1 || !strings.Contains(said, "knows no device login") || strings.Contains(strings.Join(n.asked, " "), "evil") {
		t.Errorf("login ends with %d, says %q and asked %q", code, said, n.asked)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// decode keeps numbers as they stand.
func decode(t *testing.T, text string) (v any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("decoding %s: %v", text, err)
	}
	return v
}
