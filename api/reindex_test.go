package api_test

import (
	"strings"
	"testing"
)

// TestReindexOverTheAPI has no registry: how a walk goes is shown in project, and with real ones in e2e.
func TestReindexOverTheAPI(t *testing.T) {
	w := newWorld(t)
	const path = "/api/v2.0/reindex"
	got := w.want(w.as(admin, "GET", path, ""), 200, "GET reindex")
	if !strings.Contains(got.body, `"state":"running"`) || !strings.Contains(got.body, `"notes":[]`) || strings.Contains(got.body, "end_time") {
		t.Errorf("GET reindex = %s, want a running one", got.body)
	}
	w.want(w.as(alice, "GET", path, ""), 403, "GET reindex as alice")
	w.want(w.as(admin, "DELETE", path, ""), 200, "DELETE reindex")
	if got := w.want(w.as(admin, "GET", path, ""), 200, "GET reindex"); !strings.Contains(got.body, `"state":"stopping"`) {
		t.Errorf("GET reindex after DELETE = %s, want that it is stopping", got.body)
	}
	if got := w.want(w.as(admin, "POST", path+"?fresh=true", ""), 501, "POST reindex without a registry"); !strings.Contains(got.body, "registry.url") {
		t.Errorf("POST reindex without a registry = %s, want a hint", got.body)
	}
	w.want(w.as(admin, "POST", path+"?fresh=perhaps", ""), 400, "POST reindex with a bad parameter")
}
