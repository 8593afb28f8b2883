package e2e_test

import (
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/sealock/sealock/e2e/internal/client"
)

// TestQuotaAndImmutableTags pushes with a real client where a project is full, and to a tag that stays what it is: the
// person sees why.
func TestQuotaAndImmutableTags(t *testing.T) {
	t.Parallel()
	server := serve(t, "")
	server.AddProject(t, "team")
	d := newDesk(t, server)
	must(t, d.login("admin", adminPassword))
	must(t, d.push("team/app"))
	limit := func(bytes string) {
		t.Helper()
		if resp := calls(t, server, "PUT", "/projects/team", `{"storage_limit":`+bytes+`}`); resp.Status != http.StatusOK {
			t.Fatalf("PUT project = %d %s, want 200", resp.Status, resp.Body)
		}
	}
	limit("1")
	mustFail(t, d.push("team/other"), `project "team" is full`, `project \"team\" is full`)
	limit("1000000")
	noise := make([]byte, 8<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(noise) // which no client makes smaller
	large := func() client.Output {
		return d.crane.Push(d.Session, d.ref("team/large"), hex.EncodeToString(noise))
	}
	cut := large() // in bodies of unknown length
	mustFail(t, cut, `project "team" has no room for`, `project \"team\" has no room for`)
	mustFail(t, cut, "/blobs/uploads/") // while the layer is sent, and not with the manifest
	limit("-1")
	must(t, large())
	must(t, d.push("team/other"))

	made := calls(t, server, "POST", "/projects/team/immutabletagrules", `{"tag_selectors":[{"kind":"doublestar","decoration":"matches","pattern":"**"}],
		"scope_selectors":{"repository":[{"kind":"doublestar","decoration":"repoMatches","pattern":"app"}]}}`)
	rule, ours := strings.CutPrefix(made.Header.Get("Location"), "/api/v2.0")
	if made.Status != http.StatusCreated || !ours {
		t.Fatalf("POST rule = %d %s, want 201 and a Location", made.Status, made.Body)
	}
	mustFail(t, d.push("team/app"), `tag "1.0.0" of repository "team/app" is immutable`, `tag \"1.0.0\" of repository \"team/app\" is immutable`)
	must(t, d.push("team/other"))
	if resp := calls(t, server, "DELETE", rule, ""); resp.Status != http.StatusOK {
		t.Fatalf("DELETE rule = %d %s, want 200", resp.Status, resp.Body)
	}
	must(t, d.push("team/app"))
}
