package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealock/sealock/settings"
)

// TestEmbeddedIsOneOfSeveral has a separate registry for everything but one project. Each is reported by its name.
func TestEmbeddedIsOneOfSeveral(t *testing.T) {
	var asked []string
	stock := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/_catalog" {
			_, _ = w.Write([]byte(`{"repositories":[]}`))
			return
		}
		if r.Method == http.MethodPost {
			asked = append(asked, r.URL.Path)
			w.WriteHeader(http.StatusAccepted)
		}
	}))
	defer stock.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "sealock.yaml")
	text := "data_dir: " + dir + "/data\nregistry: {url: '" + stock.URL + "'}\nregistries: [{name: own, url: embedded, projects: [library]}]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startLoaded(t, settings.Sources{File: file, Environ: []string{"SEALOCK_ADMIN_PASSWORD=" + testPassword}})
	s.api(t, "POST", "/projects", `{"project_name":"team"}`, http.StatusCreated)
	token, _ := s.granted(t, "admin", testPassword, "repository:library/app:pull,push repository:team/app:pull,push")
	for _, repository := range []string{"library/app", "team/app"} {
		if w := s.call(t, "bearer", token, "POST", "/v2/"+repository+"/blobs/uploads/", ""); w.Code != http.StatusAccepted {
			t.Errorf("starting an upload of %s = %d %s", repository, w.Code, w.Body)
		}
	}
	if got := strings.Join(asked, " "); got != "/v2/team/app/blobs/uploads/" {
		t.Errorf("the separate registry was asked for %q, want team/app alone", got)
	}
	if got := s.states(t); got != "core=healthy database=healthy registry=healthy registry:own=healthy" {
		t.Errorf("health = %s, want each registry", got)
	}
	stock.Close()
	if got := s.states(t); got != "core=healthy database=healthy registry=unhealthy registry:own=healthy" {
		t.Errorf("health = %s, want the separate registry down alone", got)
	}
}

// states returns what /api/v2.0/health says of each component.
func (s *system) states(t *testing.T) string {
	t.Helper()
	var health struct {
		Components []struct{ Name, Status string }
	}
	w := s.call(t, "", "", http.MethodGet, "/api/v2.0/health", "")
	if err := json.Unmarshal(w.Body.Bytes(), &health); err != nil {
		t.Fatal(err)
	}
	list := make([]string, len(health.Components))
	for i, c := range health.Components {
		list[i] = c.Name + "=" + c.Status
	}
	return strings.Join(list, " ")
}
