package e2e_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sealock/sealock/e2e/internal/slapd"
	"github.com/sealock/sealock/e2e/internal/wire"
)

// hostileNames are names that mean something in a directory's filters and DNs, or are too much. Each is tried with zoe's
// password: a name that widens the search finds her.
func hostileNames() []string {
	return []string{
		"*", "z*", "zo*e", "*)(uid=*", ")(uid=*", "zoe)(&)", "*)(objectClass=*", "zoe)(|(uid=*", "zoe))(|(uid=zoe", `\00`, `zoe\00`, `zoe\2a`, `\7a\6f\65`, "zoe\x00",
		"zoe\x00)(uid=*", slapd.PersonDN("zoe"), "zoe," + slapd.People, "zoe+cn=zoe", "uid=zoe", "zoe#", `"zoe"`, "*@ldap", "zoe)(&)@ldap", "zoe\n", strings.Repeat("*", 10_000),
		strings.Repeat("(", 10_000), "zoe" + strings.Repeat(" ", 10_000) + "x", "\xff\xfe",
	}
}

// TestHostileNames puts such names before a real directory, on every way in: each is refused in so many words, leaves one
// record, and lets nobody in.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	_, server := corp(t, "lockout: {address_failures: 0}\n")
	admin := wire.New(server.Addr, "admin", adminPassword)
	records := func() string {
		t.Helper()
		resp, err := admin.Send(wire.Request{Method: http.MethodGet, URL: "/api/v2.0/audit-logs?page_size=1", Basic: true})
		if err != nil || resp.Status != http.StatusOK {
			t.Fatalf("the audit trail: got %s, %v", resp, err)
		}
		return resp.Header.Get("X-Total-Count")
	}
	for i, name := range hostileNames() {
		what := fmt.Sprintf("name %d %.40q", i, name)
		for way, ask := range map[string]func(base string) *http.Request{
			"the token end-point": func(base string) *http.Request { return get(t, base+"/service/token?service=sealock", name) },
			"the API":             func(base string) *http.Request { return get(t, base+"/api/v2.0/users/current", name) },
			"a password grant": func(base string) *http.Request {
				form := url.Values{"grant_type": {"password"}, "service": {"sealock"}, "client_id": {"e2e"}, "username": {name}, "password": {"zoe-password"}}
				req := request(t, http.MethodPost, base+"/service/token", form.Encode())
				req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				return req
			},
		} {
			var before, after int
			_, _ = fmt.Sscan(records(), &before) // a total that is none shows below
			resp, err := http.DefaultClient.Do(ask(server.URL))
			if err != nil {
				t.Fatalf("%s at %s: %v", what, way, err)
			}
			_ = resp.Body.Close() // its head is all that counts
			if s := resp.StatusCode; s != http.StatusUnauthorized && s != http.StatusBadRequest && s != http.StatusTooManyRequests {
				t.Errorf("%s at %s = %d, want 401, 400 or 429", what, way, s)
			}
			_, _ = fmt.Sscan(records(), &after)
			if after != before+1 {
				t.Errorf("%s at %s leaves %d records, want one", what, way, after-before)
			}
		}
	}
	for _, text := range []string{"*", "*)(uid=*", `\00`, ")(objectClass=*"} {
		for _, path := range []string{"/api/v2.0/ldap/users/search?username=", "/api/v2.0/ldap/groups/search?groupname="} {
			resp, err := admin.Send(wire.Request{Method: http.MethodGet, URL: path + url.QueryEscape(text), Basic: true})
			if err != nil || strings.Contains(string(resp.Body), "zoe") || strings.Contains(string(resp.Body), "dev") || resp.Status >= 500 {
				t.Errorf("searching for %q = %s, %v, want nobody", text, resp, err)
			}
		}
	}
	if users := server.CLI(t, "user", "list", "--output", "json"); strings.Contains(users, "@ldap") {
		t.Errorf("users afterwards: %s, want none of the directory", users)
	}
	must(t, newDesk(t, server).login("zoe", "zoe-password"))
}

func request(t *testing.T, method, target, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// get asks as somebody with zoe's password.
func get(t *testing.T, target, name string) *http.Request {
	t.Helper()
	req := request(t, http.MethodGet, target, "")
	req.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(name+":zoe-password")))
	return req
}
