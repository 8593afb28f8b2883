package api_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/sealock/sealock/auth"
)

func basic(name, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
}

// A credential that is not good is 401 on every route, also where none is needed, and before anything else is said.
func TestWrongCredentialsAreNeverAnonymous(t *testing.T) {
	w := newWorld(t)
	good := w.token(alice, auth.APIService)
	cases := map[string][]string{
		"wrong password":                  {basic(alice, "wrong")},
		"unknown user":                    {basic("zoe", password)},
		"empty password":                  {basic(alice, "")},
		"no user":                         {basic("", "")},
		"not base64":                      {"Basic !!!"},
		"no colon":                        {"Basic " + base64.StdEncoding.EncodeToString([]byte("alice"))},
		"empty header":                    {""},
		"unknown scheme":                  {"Negotiate abc"},
		"no token":                        {"Bearer "},
		"no JWT":                          {"Bearer abc"},
		"token for a registry":            {"Bearer " + w.token(alice, "localhost:8080")},
		"token of somebody who is gone":   {"Bearer " + w.token("zoe", auth.APIService)},
		"token with another signature":    {"Bearer " + good[:len(good)-4] + "AAAA"},
		"two headers, the second is good": {basic(alice, "wrong"), "Bearer " + good},
	}
	for name, values := range cases {
		t.Run(name, func(t *testing.T) {
			var header []string
			for _, v := range values {
				header = append(header, "Authorization", v)
			}
			for _, op := range operations(t, loadDocument(t)) {
				if strings.HasPrefix(values[0], "Basic") && op.who != "anyone" {
					continue // a password takes its time to be wrong; where somebody must be signed in it is 401 anyway
				}
				if got := w.send(op.method, w.path(op), "", header...); got.status != http.StatusUnauthorized {
					t.Errorf("%s with %s = %d %s, want 401", op, name, got.status, got.body)
				}
			}
			if got := w.send("GET", "/api/v2.0/users/x", "", header...); got.status != http.StatusUnauthorized {
				t.Errorf("GET with a bad id and %s = %d, want 401: who asks comes first", name, got.status)
			}
		})
	}
}

func TestCredentials(t *testing.T) {
	w := newWorld(t)
	for name, header := range map[string]string{
		"Basic": basic(alice, password), "basic": strings.Replace(basic(alice, password), "Basic", "basic", 1),
		"Bearer": "Bearer " + w.token(alice, auth.APIService), "bearer": "bearer " + w.token(alice, auth.APIService),
	} {
		got := w.want(w.send("GET", "/api/v2.0/users/current", "", "Authorization", header), 200, "GET current with %s", name)
		if !strings.Contains(got.body, `"username":"alice"`) {
			t.Errorf("GET current with %s = %s, want alice", name, got.body)
		}
	}
	w.want(w.send("GET", "/api/v2.0/projects", "", "Authorization", "Bearer "+w.token("", auth.APIService)), 200, "an anonymous token")
	w.want(w.send("GET", "/api/v2.0/users/current", "", "Authorization", "Bearer "+w.token("", auth.APIService)), 401, "an anonymous token")
}

// What an administrator was when the token was made does not count: what it is now does.
func TestTokensHaveNoMemory(t *testing.T) {
	w := newWorld(t)
	token := w.token(mia, auth.APIService)
	w.want(w.as(admin, "PUT", w.userPath(mia, "/sysadmin"), `{"sysadmin_flag":true}`), 200, "promoting mia")
	w.want(w.send("GET", "/api/v2.0/users", "", "Authorization", "Bearer "+token), 200, "GET users as an administrator")
	w.want(w.as(admin, "PUT", w.userPath(mia, "/sysadmin"), `{"sysadmin_flag":false}`), 200, "demoting mia")
	w.want(w.send("GET", "/api/v2.0/users", "", "Authorization", "Bearer "+token), 403, "GET users after that")
	w.want(w.as(admin, "DELETE", w.userPath(mia, ""), ""), 200, "deleting mia")
	w.want(w.send("GET", "/api/v2.0/users/current", "", "Authorization", "Bearer "+token), 401, "GET current after that")
}

// The addresses in the audit trail are the peers' own: X-Forwarded-For of strangers is not believed.
func TestForwardedForOfStrangers(t *testing.T) {
	w := newWorld(t)
	w.want(w.as(alice, "POST", "/api/v2.0/projects", `{"project_name":"mine"}`, "X-Forwarded-For", "203.0.113.9", "X-Real-Ip", "203.0.113.9"), 201, "creating a project")
	got := w.want(w.as(admin, "GET", "/api/v2.0/audit-logs", ""), 200, "GET audit-logs")
	if strings.Contains(got.body, "203.0.113.9") || !strings.Contains(got.body, `"remote":"127.0.0.1"`) {
		t.Errorf("audit trail = %s, want 127.0.0.1 and nothing that a client wrote", got.body)
	}
}

// Who tries out passwords leaves a trace, and who knows the password none.
func TestRefusedLoginsAreRecorded(t *testing.T) {
	w := newWorld(t)
	w.want(w.send("GET", "/api/v2.0/projects", "", "Authorization", basic(alice, "wrong")), 401, "a wrong password")
	w.want(w.send("GET", "/api/v2.0/projects", "", "Authorization", basic(alice, password)), 200, "the password")
	got := w.as(admin, "GET", "/api/v2.0/audit-logs?q=username%3Dalice", "")
	if got.header.Get("X-Total-Count") != "1" || !strings.Contains(got.body, `"operation":"login"`) || !strings.Contains(got.body, `"outcome":"refused"`) {
		t.Errorf("audit trail of alice = %s, want the one refused login", got.body)
	}
}
