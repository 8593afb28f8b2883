package proxy_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/proxy"
)

// done lists what is on record, as "operation resource outcome".
func done(records []audit.Record) []string {
	var all []string
	for _, r := range records {
		all = append(all, r.Operation+" "+r.Resource+" "+string(r.Outcome))
	}
	return all
}

func TestWhatPassesIsOnRecord(t *testing.T) {
	pulls := &trail{}
	note := func(c *proxy.Config) {
		c.Pulls = func(r audit.Record) { _ = pulls.Record(t.Context(), r) }
	}
	d := open(t, newMint(t), newEmbedded(t), note)
	token := d.token(t, "alice", "repository:team/app:pull,push,delete", 0)
	digest := d.pushImage(t, token, "team/app", "v1")
	base := "/v2/team/app/manifests/"
	header := map[string]string{"Accept": manifestType}
	d.do(t, call{method: "HEAD", path: base + "v1", token: token, header: header}).want(t, "HEAD", http.StatusOK)
	d.do(t, call{method: "GET", path: base + "v1", token: token, header: header}).want(t, "GET", http.StatusOK)
	d.do(t, call{method: "GET", path: base + "v2", token: token, header: header}).want(t, "GET of none", http.StatusNotFound)
	d.do(t, call{method: "GET", path: base + digest, token: token, header: header}).want(t, "GET by digest", http.StatusOK)
	if got, want := done(pulls.all()), []string{"artifact.pull artifact:team/app:v1 allowed", "artifact.pull artifact:team/app@" + digest + " allowed"}; !slices.Equal(got, want) {
		t.Errorf("pulls on record = %q, want %q", got, want)
	}
	d.do(t, call{method: "DELETE", path: base + digest, token: token}).want(t, "DELETE", http.StatusAccepted)
	d.do(t, call{method: "DELETE", path: base + digest, token: token}).want(t, "DELETE again", http.StatusNotFound)
	want := []string{
		"artifact.push artifact:team/app:v1 allowed", "artifact.delete artifact:team/app@" + digest + " allowed",
		"artifact.delete artifact:team/app@" + digest + " allowed", "artifact.delete artifact:team/app@" + digest + " refused",
	}
	if got := done(d.trail.all()); !slices.Equal(got, want) {
		t.Errorf("changes on record = %q, want %q", got, want)
	}
	for _, r := range append(pulls.all(), d.trail.all()...) {
		if r.Actor != "alice" || r.JTI == "" || r.Remote != "127.0.0.1" || r.RequestID == "" || audit.ProjectOf(r.Operation, r.Resource) != "team" {
			t.Errorf("record = %+v, want who, from where, with which token, in the project", r)
		}
	}
}

// TestWhatCannotBeRecordedDoesNotHappen closes the trail: pulls go on, changes do not.
func TestWhatCannotBeRecordedDoesNotHappen(t *testing.T) {
	d := open(t, newMint(t), newEmbedded(t))
	token := d.token(t, "alice", "repository:team/app:pull,push,delete", 0)
	digest := d.pushImage(t, token, "team/app", "v1")
	d.trail.mu.Lock()
	d.trail.fail = http.ErrServerClosed
	d.trail.mu.Unlock()
	path := "/v2/team/app/manifests/" + digest
	d.do(t, call{method: "DELETE", path: path, token: token}).want(t, "DELETE without a trail", http.StatusServiceUnavailable)
	d.do(t, call{method: "GET", path: path, token: token, header: map[string]string{"Accept": manifestType}}).want(t, "GET of what was not deleted", http.StatusOK)
}
