package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/sealock/sealock/e2e/internal/sealock"
	"github.com/sealock/sealock/e2e/internal/wire"
)

// calls asks a server's API as the administrator.
func calls(t *testing.T, server *sealock.Server, method, path, body string) wire.Response {
	t.Helper()
	resp, err := wire.New(server.Addr, "admin", sealock.AdminPassword).Send(wire.Request{
		Method: method, URL: "/api/v2.0" + path, Basic: true, Body: []byte(body), Header: http.Header{"Content-Type": {"application/json"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// TestRegistriesOfOthers: one server knows another as a registry, signs in there as the robot that docker signs in as,
// and notices when that is no longer good.
func TestRegistriesOfOthers(t *testing.T) {
	t.Parallel()
	here, there := serve(t, ""), serve(t, "")
	there.CLI(t, "project", "create", "team")
	secret := robotSecret(t, there, "create", "team/mirror", "--allow", "pull,push")
	docker := newDesk(t, there)
	must(t, docker.login("robot~team+mirror", secret))
	must(t, docker.push("team/app"))

	registry := func(password string) string {
		return fmt.Sprintf(`{"name":"there","type":"harbor","url":%q,"credential":{"access_key":"robot~team+mirror","access_secret":%q}}`, there.URL, password)
	}
	made := calls(t, here, "POST", "/registries", registry(secret))
	at := strings.TrimPrefix(made.Header.Get("Location"), "/api/v2.0")
	if made.Status != http.StatusCreated || at == "" {
		t.Fatalf("POST registry = %d %s, want 201 and a Location", made.Status, made.Body)
	}
	wantStatus := func(want string) {
		t.Helper()
		var r struct{ Status string }
		resp := calls(t, here, "GET", at, "")
		if err := json.Unmarshal(resp.Body, &r); err != nil || r.Status != want || strings.Contains(string(resp.Body), secret) {
			t.Errorf("GET registry = %s, want the status %s and no secret", resp.Body, want)
		}
	}
	wantStatus("healthy")
	ping := fmt.Sprintf(`{"id":%s}`, at[strings.LastIndex(at, "/")+1:])
	if resp := calls(t, here, "POST", "/registries/ping", ping); resp.Status != http.StatusOK {
		t.Errorf("ping = %d %s, want 200", resp.Status, resp.Body)
	}
	there.CLI(t, "robot", "disable", "team/mirror")
	if resp := calls(t, here, "POST", "/registries/ping", ping); resp.Status != http.StatusBadRequest || !strings.Contains(string(resp.Body), "refuses the credential") {
		t.Errorf("ping as a robot that is disabled = %d %s, want 400 that says so", resp.Status, resp.Body)
	}
	wantStatus("unhealthy")

	policy := fmt.Sprintf(`{"name":"nightly","src_registry":%s,"dest_namespace":"team","trigger":{"type":"scheduled","trigger_settings":{"cron":"0 0 3 * * *"}},"enabled":true}`, ping)
	if resp := calls(t, here, "POST", "/replication/policies", policy); resp.Status != http.StatusCreated {
		t.Errorf("POST policy = %d %s, want 201", resp.Status, resp.Body)
	}
	if resp := calls(t, here, "POST", "/replication/executions", `{"policy_id":1}`); resp.Status != http.StatusNotImplemented {
		t.Errorf("POST execution = %d %s, want 501", resp.Status, resp.Body)
	}
	if resp := calls(t, here, "DELETE", at, ""); resp.Status != http.StatusPreconditionFailed {
		t.Errorf("DELETE registry in use = %d %s, want 412", resp.Status, resp.Body)
	}
	must(t, docker.login("admin", sealock.AdminPassword))
	must(t, docker.pull("team/app"))
}
