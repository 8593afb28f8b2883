package e2e_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/sealock/sealock/e2e/internal/sealock"
)

// administer asks the API as the administrator, as a script written for Harbor does.
func administer(t *testing.T, server *sealock.Server, method, path, body string, want int) map[string]any {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, server.URL+"/api/v2.0"+path, bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("admin", sealock.AdminPassword)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != want {
		t.Fatalf("%s %s = %d %s, %v, want %d", method, path, resp.StatusCode, text, err, want)
	}
	var answer map[string]any
	_ = json.Unmarshal(text, &answer) // an empty body and a list have no fields
	return answer
}

// TestAdministration makes the registry read-only under clients that are logged in, and lets it go on; a restart keeps it.
func TestAdministration(t *testing.T) {
	t.Parallel()
	server := serve(t, "")
	server.AddProject(t, "team")
	desk := newDesk(t, server)
	must(t, desk.login("admin", sealock.AdminPassword))
	must(t, desk.push("team/app"))

	administer(t, server, "PUT", "/configurations", `{"read_only":true}`, 200)
	mustFail(t, desk.push("team/other"), "read-only")
	must(t, desk.pull("team/app"))
	server.Restart(t)
	mustFail(t, desk.push("team/other"), "read-only")
	administer(t, server, "PUT", "/configurations", `{"read_only":false}`, 200)
	must(t, desk.push("team/other"))

	administer(t, server, "POST", "/system/gc/schedule", `{"schedule":{"type":"Daily","cron":"0 0 0 * * *"},"parameters":{"workers":1}}`, 201)
	administer(t, server, "PUT", "/projects/team", `{"metadata":{"public":"true","severity":"high"}}`, 200)
	server.Restart(t)
	if got := administer(t, server, "GET", "/system/gc/schedule", "", 200); got["job_parameters"] != `{"workers":1}` {
		t.Errorf("the schedule after a restart = %v, want what was sent", got)
	}
	if got := administer(t, server, "GET", "/projects/team/metadatas/", "", 200); got["severity"] != "high" || got["public"] != "true" {
		t.Errorf("the metadata after a restart = %v, want what was sent", got)
	}
	must(t, newDesk(t, server).pull("team/app")) // it is public
}
