package web_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/store"
)

// tokens are alice's personal access tokens, by name.
func (w *world) tokens() map[string]store.PersonalAccessToken {
	w.t.Helper()
	found := map[string]store.PersonalAccessToken{}
	for t, err := range w.store.ListPersonalAccessTokens(w.t.Context(), store.Filter{MemberID: w.alice.ID}) {
		if err != nil {
			w.t.Fatal(err)
		}
		found[t.Name] = t
	}
	return found
}

func TestPersonalTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false, nil)
	b := w.in()
	for name, row := range map[string]struct {
		project, access string
		want            *auth.Permissions
	}{
		"everything": {"", "all", nil},
		"pull":       {"", "pull", &auth.Permissions{{Project: "*", Resource: "repository", Actions: []string{"pull"}}}},
		"push":       {"team", "push", &auth.Permissions{{Project: "team", Resource: "repository", Actions: []string{"pull", "push"}}}},
		"pattern":    {"team/app-*", "pull", &auth.Permissions{{Project: "team", Repositories: []string{"app-*"}, Resource: "repository", Actions: []string{"pull"}}}},
	} {
		a := b.post("/account/tokens", "name", name, "project", row.project, "access", row.access, "days", "30")
		secret := regexp.MustCompile(auth.PersonalAccessTokens().Pattern()).FindString(a.body)
		if a.status != http.StatusOK || secret == "" || strings.Count(a.body, secret) != 1 || !strings.Contains(a.body, "docker login -u alice ") {
			t.Errorf("making the token %s = %d %s, want its secret once, and what to type", name, a.status, a.body)
		}
		if again := b.get("/account"); strings.Contains(again.body, secret) || !strings.Contains(again.body, name) {
			t.Errorf("the account page after making %s shows the secret, or not the token", name)
		}
		if diff := cmp.Diff(row.want, w.tokens()[name].Scope); diff != "" {
			t.Errorf("the scope of %s differs (-want +got):\n%s", name, diff)
		}
	}
	for _, bad := range [][]string{
		{"name", "everything", "access", "all", "days", "30"},
		{"name", "", "access", "all", "days", "30"},
		{"name", "x", "access", "root", "days", "30"},
		{"name", "x", "access", "all", "days", "9999"},
		{"name", "x", "access", "all", "days", ""},
		{"name", "x", "access", "all", "project", "team", "days", "30"},
		{"name", "x", "access", "pull", "project", "../team", "days", "30"},
	} {
		a := b.post("/account/tokens", bad...)
		if a.status < 400 || a.status >= 500 || !strings.Contains(a.body, `role="alert"`) || len(w.tokens()) != 4 {
			t.Errorf("making a token of %q = %d, %d tokens, want a refusal on the page", bad, a.status, len(w.tokens()))
		}
	}
	id := w.tokens()["push"].ID
	if a := w.in().send(http.MethodPost, "/account/tokens/revoke", map[string][]string{"id": {id}}); a.status != http.StatusForbidden {
		t.Errorf("revoking without the form's token = %d, want 403", a.status)
	}
	if a := b.post("/account/tokens/revoke", "id", id); a.location != "/account" || len(w.tokens()) != 3 {
		t.Errorf("revoking = %d, %d tokens left, want 3", a.status, len(w.tokens()))
	}
}
