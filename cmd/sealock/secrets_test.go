package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/sealock/sealock/settings"
	"github.com/sealock/sealock/store"
)

// loggedText is a log that is read while it is written.
type loggedText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *loggedText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *loggedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// TestSecretsAreNotWrittenDown presents each kind of secret where it belongs, where it does not, and as a name, and looks
// for it in the log and the audit trail.
func TestSecretsAreNotWrittenDown(t *testing.T) {
	log := new(loggedText)
	s := startLogged(t, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})), settings.Sources{
		Environ: []string{"SEALOCK_ADMIN_PASSWORD=" + testPassword}, Flags: map[string]string{"data_dir": t.TempDir(), "lockout.address_failures": "0"},
	})
	withAlice(t, s)
	_, personal := makePAT(t, s, "alice", "wonderland-1", `{"name":"one"}`)
	refresh, access := offline(t, s, "alice", personal, wanted)
	made := func(method, target, body string) map[string]any {
		var answer map[string]any
		w := s.call(t, "admin", testPassword, method, target, body)
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code >= 300 {
			t.Fatalf("%s %s = %d %s", method, target, w.Code, w.Body)
		}
		return answer
	}
	robot := made("POST", "/api/v2.0/robots", `{"name":"ci","level":"system","duration":1,"permissions":[{"kind":"project","namespace":"team",
		"access":[{"resource":"repository","action":"pull"}]}]}`)
	device := made("POST", "/service/device_authorization", "client_id=helper&service=sealock")
	secrets := map[string]string{
		"password": "wonderland-1", "personal access token": personal, "refresh token": refresh, "access token": access,
		"robot's secret": fmt.Sprint(robot["secret"]), "device code": fmt.Sprint(device["device_code"]),
	}
	for _, key := range secrets {
		for _, name := range []string{"alice", "robot~ci", "ci~rule", "jwt", key} {
			s.call(t, name, key, http.MethodGet, "/service/token?service=sealock", "")
			s.call(t, name, key, http.MethodGet, "/api/v2.0/users/current", "")
		}
		s.call(t, "bearer", key, http.MethodGet, "/api/v2.0/users/current", "")
		s.call(t, "bearer", key, http.MethodGet, "/v2/team/app/tags/list", "")
		s.call(t, "alice", personal, http.MethodPost, "/service/token/introspect", url.Values{"token": {key}}.Encode())
		for _, form := range []url.Values{
			{"grant_type": {"password"}, "username": {key}, "password": {key}},
			{"grant_type": {"refresh_token"}, "refresh_token": {key}},
			{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {key}, "client_id": {key}},
			{"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {key}, "subject_token_type": {"urn:ietf:params:oauth:token-type:jwt"}},
			{"grant_type": {key}},
		} {
			form.Set("service", "sealock")
			s.call(t, "", "", http.MethodPost, "/service/token", form.Encode())
		}
		s.call(t, "", "", http.MethodPost, "/sign-in", url.Values{"name": {key}, "password": {key}}.Encode())
		s.call(t, "alice", personal, http.MethodDelete, "/api/v2.0/personal-access-tokens/"+key+"x", "")
		s.call(t, "", "", http.MethodPost, "/service/device_authorization", url.Values{"client_id": {key}, "service": {"sealock"}}.Encode())
	}
	var trail strings.Builder
	n := 0
	for r, err := range s.store.ListAudit(t.Context(), store.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		fmt.Fprintf(&trail, "%+v\n", r)
	}
	if n < 50 {
		t.Errorf("%d records, want one of each attempt", n)
	}
	for what, key := range secrets {
		if what == "password" {
			continue // as a name it is one
		}
		tail := key[len(key)-20:]
		for where, text := range map[string]string{"the audit trail": trail.String(), "the log": log.String()} {
			if i := strings.Index(text, tail); i >= 0 {
				t.Errorf("%s holds the %s: %s", where, what, text[max(0, i-300):min(len(text), i+100)])
			}
		}
	}
}
