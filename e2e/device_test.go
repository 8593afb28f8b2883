package e2e_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/e2e/internal/client"
	"github.com/sealock/sealock/e2e/internal/fixture"
	"github.com/sealock/sealock/e2e/internal/need"
	"github.com/sealock/sealock/e2e/internal/sealock"
)

const (
	anna         = "anna"
	annaPassword = "Anna-e2e-12345"
)

// helperServer has anna, who may push to team.
func helperServer(t *testing.T) *sealock.Server {
	t.Helper()
	server := serve(t, "")
	server.AddUser(t, anna, annaPassword)
	server.AddProject(t, "team", anna+":developer")
	return server
}

// helperDesk is a desk where the credential helper is installed.
func helperDesk(t *testing.T, server *sealock.Server) *desk {
	t.Helper()
	d := newDesk(t, server)
	d.More = append(d.More, "PATH="+sealock.Helpers(t)+":"+need.Path())
	return d
}

func (d *desk) helper(args ...string) client.Output {
	d.T.Helper()
	return d.Run("sh", "-c", "exec docker-credential-sealock "+strings.Join(args, " "))
}

// secretOf is what the helper answers to a client.
func (d *desk) secretOf(host string) string {
	d.T.Helper()
	out := d.RunWith(host, "sh", "-c", "exec docker-credential-sealock get")
	var answer struct{ Username, Secret string }
	if err := json.Unmarshal([]byte(out.Stdout), &answer); err != nil || answer.Username != "<token>" {
		d.T.Fatalf("get answers %s", out)
	}
	return answer.Secret
}

// holdsNoSecret holds that neither docker's settings nor the helper's file has the password, and docker's no token.
func (d *desk) holdsNoSecret(password string) {
	d.T.Helper()
	config, err := os.ReadFile(filepath.Join(d.Dir, "docker", "config.json"))
	if err != nil {
		d.T.Fatal(err)
	}
	if text := string(config); strings.Contains(text, "identitytoken") || strings.Contains(text, `"auth":`) || strings.Contains(text, "sealock_rt_") {
		d.T.Errorf("docker's settings hold a login: %s", text)
	}
	kept, err := os.ReadFile(filepath.Join(d.Dir, "config", "sealock", "credentials.json"))
	if err != nil {
		d.T.Fatal(err)
	}
	if strings.Contains(string(kept), password) {
		d.T.Error("the helper keeps the password")
	}
}

// alive reports whether a refresh token is one on the server.
func alive(t *testing.T, server *sealock.Server, token string) bool {
	t.Helper()
	resp, err := http.PostForm(server.URL+"/service/token", url.Values{ //nolint:noctx // a server of the test
		"grant_type": {"refresh_token"}, "refresh_token": {token}, "service": {"sealock"}, "client_id": {"e2e"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// throughHelper pushes and pulls with every client that asks credential helpers.
func throughHelper(t *testing.T, d *desk) {
	t.Helper()
	for _, name := range []string{"crane", "skopeo", "podman", "oras", "regctl", "helm"} {
		t.Run(name, func(t *testing.T) {
			how := driver(t, name)
			for _, tool := range how.Tools {
				need.Tool(t, tool)
			}
			ref := d.ref("team/" + name)
			if out := how.Push(d.Session, ref, unique(name)); out.Err != nil {
				t.Fatalf("pushing through the helper:\n%s", out)
			}
			if pulled, out := how.Pull(d.Session, ref, ""); out.Err != nil {
				t.Fatalf("pulling %v through the helper:\n%s", pulled, out)
			}
		})
	}
}

// docker login hands the helper a refresh token, every client uses it, and docker logout ends it on the server.
func TestCredentialHelper(t *testing.T) {
	t.Parallel()
	server := helperServer(t)
	d := helperDesk(t, server)
	fixture.File(t, filepath.Join(d.Dir, "docker", "config.json"), `{"credHelpers":{"`+server.Addr+`":"sealock"},"detachKeys":"ctrl-q"}`)
	if out := d.login(anna, annaPassword); out.Err != nil {
		t.Fatalf("docker login:\n%s", out)
	}
	d.holdsNoSecret(annaPassword)
	token := d.secretOf(server.Addr)
	if !strings.HasPrefix(token, "sealock_rt_") || !alive(t, server, token) {
		t.Fatal("what the helper keeps is no refresh token that is alive")
	}
	throughHelper(t, d)
	if out := d.Run("docker", "manifest", "inspect", "--insecure", d.ref("team/crane").String()); out.Err != nil {
		t.Errorf("docker manifest inspect through the helper:\n%s", out)
	}
	if out := d.Run("docker", "logout", server.Addr); out.Err != nil || strings.Contains(out.Text, "not revoked") {
		t.Fatalf("docker logout:\n%s", out)
	}
	if alive(t, server, token) {
		t.Error("the refresh token is alive after docker logout")
	}
	if out := d.push("team/after"); out.Err == nil {
		t.Error("a push after docker logout works")
	}
}

// Clients that hand over the password itself get no further than docker: it is exchanged at once.
func TestCredentialHelperTakesPasswords(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"skopeo", "oras"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := helperServer(t)
			d := helperDesk(t, server)
			fixture.File(t, filepath.Join(d.Dir, "docker", "config.json"), `{"credHelpers":{"`+server.Addr+`":"sealock"}}`)
			if out := driver(t, name).Login(d.Session, anna, annaPassword); out.Err != nil {
				t.Fatalf("%s login:\n%s", name, out)
			}
			d.holdsNoSecret(annaPassword)
			if out := d.push("team/app"); out.Err != nil {
				t.Errorf("a push after %s login:\n%s", name, out)
			}
			if out := driver(t, name).Login(d.Session, anna, "wrong-password"); out.Err == nil {
				t.Errorf("%s login with a wrong password works", name)
			}
		})
	}
}

// What the helper gets for a personal access token or a robot's secret is good for as much, and ends with it.
func TestCredentialHelperTakesTokens(t *testing.T) {
	t.Parallel()
	server := helperServer(t)
	robot := robotSecret(t, server, "create", "team/ci", "--allow", "push")
	server.CLIWith(t, annaPassword+"\n", "login", server.URL, "--username", anna, "--password-stdin")
	pat := strings.TrimSpace(server.CLIWith(t, annaPassword+"\n", "pat", "create", "laptop", "--password-stdin", "--project", "team", "--action", "push"))
	for _, row := range []struct {
		what, user, secret string
		end                func()
	}{
		{"a personal access token", anna, pat, func() { server.CLI(t, "pat", "revoke", "laptop") }},
		{"a robot's secret", "robot~team+ci", robot, func() { server.LogIn(t); server.CLI(t, "robot", "disable", "team/ci") }},
	} {
		t.Run(row.what, func(t *testing.T) {
			d := helperDesk(t, server)
			fixture.File(t, filepath.Join(d.Dir, "docker", "config.json"), `{"credHelpers":{"`+server.Addr+`":"sealock"}}`)
			must(t, d.login(row.user, row.secret))
			d.holdsNoSecret(row.secret)
			token := d.secretOf(server.Addr)
			if !strings.HasPrefix(token, "sealock_rt_") || !alive(t, server, token) {
				t.Fatal("what the helper keeps is no refresh token that is alive")
			}
			must(t, d.push("team/app"))
			must(t, d.pull("team/app"))
			mustFail(t, d.push("elsewhere/app"), "denied", "unauthorized")
			row.end()
			if alive(t, server, token) {
				t.Error("the refresh token is alive after its credential ended")
			}
			mustFail(t, d.push("team/app"), "denied", "unauthorized")
			mustFail(t, d.login(row.user, row.secret), "unknown user or wrong password")
		})
	}
}

var (
	codeInLink = regexp.MustCompile(`user_code=(\S+)`)
	formToken  = regexp.MustCompile(`name="csrf" value="([^"]+)"`)
)

// A device gets its login from somebody who approves it in a browser; no password comes near it.
func TestDeviceLogin(t *testing.T) {
	t.Parallel()
	server := helperServer(t)
	d := helperDesk(t, server)
	said := filepath.Join(d.Dir, "said")
	ended := make(chan client.Output, 1)
	go func() { ended <- d.helper("login", server.Addr, "--configure", "2>"+said) }()
	approve(t, server, waitForCode(t, said))
	select {
	case out := <-ended:
		if out.Err != nil || !strings.Contains(out.Stdout, "logged in at "+server.Addr+" as "+anna) {
			t.Fatalf("login by code:\n%s", out)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("login by code does not end")
	}
	d.holdsNoSecret(annaPassword)
	if out := d.push("team/app"); out.Err != nil {
		t.Errorf("a push after a login by code:\n%s", out)
	}
	if out := d.pull("team/app"); out.Err != nil {
		t.Errorf("a pull after a login by code:\n%s", out)
	}
	if out := d.push("elsewhere/app"); out.Err == nil {
		t.Error("a push where anna may not works")
	}
	token := d.secretOf(server.Addr)
	server.RevokeRefreshTokens(t, anna)
	if alive(t, server, token) {
		t.Error("the login is alive after an administrator revoked it")
	}
}

func waitForCode(t *testing.T, file string) string {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		said, _ := os.ReadFile(file) // it may not be there yet
		if code := codeInLink.FindSubmatch(said); code != nil {
			return string(code[1])
		}
		if time.Now().After(end) {
			t.Fatalf("no code is shown: %s", said)
		}
	}
}

// approve does what anna does in her browser.
func approve(t *testing.T, server *sealock.Server, code string) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	page := submit(t, browser, server, "/sign-in", url.Values{"name": {anna}, "password": {annaPassword}, "next": {"/device?user_code=" + code}})
	token := formToken.FindStringSubmatch(page)
	if token == nil || !strings.Contains(page, code) {
		t.Fatalf("the sign-in does not lead to the device: %s", page)
	}
	if done := submit(t, browser, server, "/device", url.Values{"csrf": {token[1]}, "user_code": {code}, "decision": {"approve"}}); !strings.Contains(done, "Device signed in") {
		t.Fatalf("the approval answers %s", done)
	}
}

func submit(t *testing.T, browser *http.Client, server *sealock.Server, path string, form url.Values) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", server.URL)
	resp, err := browser.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
