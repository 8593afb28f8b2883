package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

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

// syslogCopies reads what came to a syslog server until nothing comes any more.
func syslogCopies(t *testing.T, conn net.PacketConn, exported string) string {
	t.Helper()
	var all strings.Builder
	buffer := make([]byte, 65536)
	for {
		_ = conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		n, _, err := conn.ReadFrom(buffer)
		if err != nil {
			break
		}
		all.Write(buffer[:n])
		all.WriteByte('\n')
	}
	if !strings.Contains(all.String(), "personal_access_token.create") || !strings.Contains(exported, "personal_access_token.create") {
		t.Errorf("the copies and the export tell nothing of what was done:\n%.500s", all.String())
	}
	return all.String()
}

// TestSecretsAreNotWrittenDown presents each kind of secret where it belongs, where it does not, and as a name, and looks
// for it in the log and the audit trail.
func TestSecretsAreNotWrittenDown(t *testing.T) {
	log := new(loggedText)
	syslog, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syslog.Close() }()
	s := startLogged(t, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})), settings.Sources{
		Environ: []string{"SEALOCK_ADMIN_PASSWORD=" + testPassword}, Flags: map[string]string{"data_dir": t.TempDir(), "lockout.address_failures": "0", "audit.syslog": "udp://" + syslog.LocalAddr().String()},
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
	for _, key := range secrets { // where the trail is read and checked, and at the door
		q := url.QueryEscape(key)
		for _, target := range []string{
			"/api/v2.0/audit-logs?q=username%3D" + q, "/api/v2.0/auditlog-exts?q=resource%3D~" + q, "/api/v2.0/decisions?q=op_time%3D[" + q + "~]",
			"/api/v2.0/projects/" + q + "/logs", "/api/v2.0/audit-logs/export?since=" + q, "/api/v2.0/audit-logs?sort=" + q,
		} {
			s.call(t, "alice", personal, http.MethodGet, target, "")
			s.call(t, "admin", testPassword, http.MethodGet, target, "")
		}
		s.call(t, "admin", testPassword, http.MethodPost, "/api/v2.0/audit-logs/verification", fmt.Sprintf(`{"marks":[{"chain":1,"seq":1,"hash":%q}]}`, key))
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
			s.call(t, "bearer", access, method, "/v2/team/app/manifests/v1", `{"`+key+`":1}`)
		}
	}
	exported := s.call(t, "admin", testPassword, http.MethodGet, "/api/v2.0/audit-logs/export", "").Body.String()
	if strings.Count(exported, "\n") < 50 {
		t.Errorf("the export has %d lines, want one of each attempt", strings.Count(exported, "\n"))
	}
	copies := syslogCopies(t, syslog, exported)
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
		for where, text := range map[string]string{"the audit trail": trail.String(), "the log": log.String(), "the export": exported, "the syslog server's copy": copies} {
			if i := strings.Index(text, tail); i >= 0 {
				t.Errorf("%s holds the %s: %s", where, what, text[max(0, i-300):min(len(text), i+100)])
			}
		}
	}
}
