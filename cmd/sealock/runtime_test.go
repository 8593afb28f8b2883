package main

import (
	"crypto/x509"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/pki"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/settings"
	"github.com/sealock/sealock/store/ldap"
	"github.com/sealock/sealock/store/oidc"
)

// What an administrator changes counts at the door and in the API with the next request.
func TestSettingsAtRunTime(t *testing.T) {
	s := startSystem(t, nil)
	withAlice(t, s)
	token, _ := s.granted(t, "alice", "wonderland-1", wanted)
	push := func(what string, want int) {
		t.Helper()
		if w := s.call(t, "bearer", token, "POST", "/v2/team/app/blobs/uploads/", ""); w.Code != want {
			t.Errorf("an upload %s = %d %s, want %d", what, w.Code, w.Body, want)
		}
	}
	create := func(what, name string, want int) {
		t.Helper()
		if w := s.call(t, "alice", "wonderland-1", "POST", "/api/v2.0/projects", `{"project_name":"`+name+`"}`); w.Code != want {
			t.Errorf("a project %s = %d %s, want %d", what, w.Code, w.Body, want)
		}
	}
	push("before", http.StatusAccepted)
	create("before", "one", 201)
	s.api(t, "PUT", "/configurations", `{"read_only":true,"project_creation_restriction":"adminonly","session_timeout":3}`, 200)
	push("while read-only", http.StatusForbidden)
	create("where administrators alone may", "two", 403)
	if s.runtime.SessionIdle() != 3*time.Minute {
		t.Errorf("SessionIdle() = %s, want 3m", s.runtime.SessionIdle())
	}
	s.api(t, "PUT", "/configurations", `{"read_only":false,"project_creation_restriction":"everyone"}`, 200)
	push("after", http.StatusAccepted)
	create("after", "two", 201)

	var volumes struct {
		Storage []struct{ Total, Free uint64 }
	}
	if err := json.Unmarshal(s.api(t, "GET", "/systeminfo/volumes", "", 200).Body.Bytes(), &volumes); err != nil || len(volumes.Storage) != 1 {
		t.Fatalf("volumes = %v, %v, want one", volumes, err)
	}
	if v := volumes.Storage[0]; v.Total == 0 || v.Free > v.Total {
		t.Errorf("volumes = %v, want the room of the data folder", v)
	}
	s.api(t, "GET", "/systeminfo/getcert", "", 404)
	if w := s.api(t, "GET", "/systeminfo", "", 200); !strings.Contains(w.Body.String(), `"registry_storage_provider_name":"filesystem"`) {
		t.Errorf("systeminfo = %s, want the storage of the embedded registry", w.Body)
	}
	for want, cfg := range map[string]settings.Config{
		"s3":         {Registry: settings.Registry{Storage: settings.Storage{"s3": {}, "delete": {}}}},
		"":           {Registry: settings.Registry{URL: "http://one"}},
		"filesystem": {Registry: settings.Registry{URL: "http://one"}, Registries: []settings.Upstream{{URL: settings.Embedded}}},
	} {
		if s.cfg = cfg; s.info().Storage != want {
			t.Errorf("info() with %+v tells of the storage %q, want %q", cfg.Registry, s.info().Storage, want)
		}
	}
}

// A server with a certificate authority of its own gives that away.
func TestGetCert(t *testing.T) {
	s := startSystem(t, map[string]string{"tls.self_signed": "true"})
	if w := s.api(t, "GET", "/systeminfo/getcert", "", 200); w.Body.String() != string(s.tlsRoot.PEM()) {
		t.Errorf("getcert = %s, want the certificate of the authority", w.Body)
	}
}

// A server shows a certificate that its own authority has signed, for each host that it has, and another one before it ends.
func TestSelfSignedIsRenewed(t *testing.T) {
	start := time.Now()
	root, err := pki.NewRoot("test", start, rootLife)
	if err != nil {
		t.Fatal(err)
	}
	trust := x509.NewCertPool()
	trust.AddCert(root.Certificate)
	now := start
	own := &selfSigned{root: root, name: "test", urls: []string{"https://one.example", "https://two.example:8443", "https://127.0.0.1:8443", "https://[::1]"}, now: func() time.Time { return now }}
	shown := map[string]int{}
	for ; now.Before(start.Add(2 * selfSignedLife)); now = now.Add(12 * time.Hour) {
		c, err := own.certificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		shown[c.Leaf.SerialNumber.String()]++
		for _, host := range []string{"one.example", "two.example", "127.0.0.1", "::1"} {
			if _, err := c.Leaf.Verify(x509.VerifyOptions{Roots: trust, DNSName: host, CurrentTime: now.Add(24 * time.Hour)}); err != nil {
				t.Fatalf("the certificate that is shown after %s: %v, want it good for %s and another day", now.Sub(start), err, host)
			}
		}
	}
	if len(shown) < 2 || len(shown) > 4 {
		t.Errorf("%d certificates were shown in the time that two are good for, want each to be kept and renewed in time", len(shown))
	}
}

// The settings of sources are shown by names that Harbor has, of the right types, and without secrets.
func TestShownSettings(t *testing.T) {
	directory, provider := ldap.Default(), oidc.Default()
	directory.URLs, directory.BindDN, directory.BindPassword, directory.UserBase = []string{"ldaps://one", "ldaps://two"}, "cn=reader", secret.New("canary-1"), "ou=people"
	provider.Issuer, provider.ClientID, provider.Secret, provider.Extra = "https://id", "sealock", secret.New("canary-2"), map[string]string{"prompt": "login"}
	cfg := settings.Default()
	cfg.Sources = []settings.Source{{Name: "corp", Type: "ldap", Config: directory}, {Name: "id", Type: "oidc", Config: provider}}
	s := startSystem(t, nil)
	r, err := settings.NewRuntime(t.Context(), s.store, cfg, shownSettings(cfg), s.log)
	if err != nil {
		t.Fatal(err)
	}
	all := r.All()
	for name, value := range shownSettings(cfg) {
		if got := all[name]; got.Editable || !reflect.DeepEqual(got.Value, value) {
			t.Errorf("%s = %v, want %v: a name or a type that Harbor does not have", name, got, value)
		}
	}
	text, err := json.Marshal(all)
	if err != nil || strings.Contains(string(text), "canary") {
		t.Errorf("settings = %s, %v, want no secret among them", text, err)
	}
	for name, want := range map[string]any{"ldap_url": "ldaps://one", "ldap_base_dn": "ou=people", "oidc_name": "id", "oidc_endpoint": "https://id", "auth_mode": "ldap_auth", "oidc_extra_redirect_parms": `{"prompt":"login"}`} {
		if all[name].Value != want {
			t.Errorf("%s = %v, want %v", name, all[name].Value, want)
		}
	}
}
