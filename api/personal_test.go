package api_test

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestPersonalAccessTokens(t *testing.T) {
	const path = "/api/v2.0/personal-access-tokens"
	w := newWorld(t)
	daves := []string{"Authorization", basic(dave, password)}
	count := func(name, query string) string {
		return w.want(w.as(name, "GET", path+query, ""), 200, "GET tokens%s as %s", query, name).header.Get("X-Total-Count")
	}
	made := w.want(w.send("POST", path, `{"name":"ci","scope":[{"project":"team","repositories":["app-*"],"actions":["push"]}],"expires_at":"2099-01-02T03:04:05Z"}`, daves...), 201, "making a token")
	var got struct{ ID, Secret string }
	if err := json.Unmarshal([]byte(made.body), &got); err != nil || !strings.HasPrefix(got.Secret, "sealock_pat_"+got.ID+"_") {
		t.Fatalf("the answer is %s, %v, want a secret", made.body, err)
	}
	if place := made.header.Get("Location"); place != path+"/"+got.ID || made.header.Get("Cache-Control") != "no-store" {
		t.Errorf("Location, Cache-Control = %q, %q, want where it is, and no-store", place, made.header.Get("Cache-Control"))
	}
	listed := w.want(w.as(dave, "GET", path+"?sort=name", ""), 200, "GET tokens by name").body
	want := `{"creation_time":`
	if strings.Contains(listed, got.Secret) || !strings.HasPrefix(listed, "["+want) ||
		!strings.Contains(listed, `"scope":[{"actions":["pull","push"],"project":"team","repositories":["app-*"],"resource":"repository"}]`) {
		t.Errorf("tokens = %s, want the scope and no secret", listed)
	}
	for _, c := range []struct{ name, query, want string }{
		{dave, "", "2"}, {dave, "?username=DAVE", "2"}, {bob, "", "0"}, {admin, "?username=dave", "2"}, {admin, "?all=true", "2"},
	} {
		if n := count(c.name, c.query); n != c.want {
			t.Errorf("tokens%s as %s = %s, want %s", c.query, c.name, n, c.want)
		}
	}
	w.want(w.as(bob, "GET", path+"?username=dave", ""), 403, "GET dave's tokens as bob")
	w.want(w.as(admin, "GET", path+"?all=true&username=dave", ""), 400, "GET all of dave's tokens")
	w.want(w.as(dave, "GET", path+"?sort=secret_hash", ""), 400, "GET tokens by hash")
	for body, status := range map[string]int{
		`{"name":"CI"}`:                                                 409,
		`{"name":""}`:                                                   400,
		`{"name":"x","scope":[]}`:                                       400,
		`{"name":"x","scope":[{"actions":[]}]}`:                         400,
		`{"name":"x","expires_at":"2001-01-01"}`:                        400,
		`{"name":"x","expires_at":"2001-01-01T00:00:00Z"}`:              400,
		`{"name":"x","never":true,"expires_at":"2099-01-01T00:00:00Z"}`: 400,
	} {
		w.want(w.send("POST", path, body, daves...), status, "making a token of %s", body)
	}
	theirs, none := w.as(bob, "DELETE", path+"/"+got.ID, ""), w.as(bob, "DELETE", path+"/nope", "")
	if theirs.status != 404 || theirs.body != strings.ReplaceAll(none.body, "nope", got.ID) {
		t.Errorf("revoking dave's token as bob = %d %s, one that there is not = %s: want the same", theirs.status, theirs.body, none.body)
	}
	w.want(w.as(dave, "DELETE", path+"/"+got.Secret, ""), 200, "revoking one's own token by the whole of it")
	if n := count(dave, ""); n != "1" {
		t.Errorf("tokens of dave after that = %s, want 1", n)
	}
	if trail := w.as(admin, "GET", "/api/v2.0/audit-logs?page_size=100", "").body; strings.Contains(trail, got.Secret) || strings.Contains(w.log.String(), got.Secret) {
		t.Errorf("the trail or the log holds the secret: %s", trail)
	}
}

// TestAccessTokensMakeNothingThatOutlivesThem holds that a stolen access token does not become a personal access token.
func TestAccessTokensMakeNothingThatOutlivesThem(t *testing.T) {
	w := newWorld(t)
	for _, body := range []string{`{"name":"x"}`, `{"name":"x","never":true}`, `{"name":"x","expires_at":"2099-01-01T00:00:00Z"}`} {
		got := w.want(w.as(dave, "POST", "/api/v2.0/personal-access-tokens", body), 403, "making %s with an access token", body)
		if !strings.Contains(got.body, "outlive") {
			t.Errorf("the refusal is %s, want that it says why", got.body)
		}
	}
}
