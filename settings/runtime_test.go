package settings_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/settings"
	"github.com/sealock/sealock/store/sqlstore"
	"github.com/sealock/sealock/store/sqlstore/sqlstoretest"
)

func openRuntime(t *testing.T, cfg settings.Config) (*settings.Runtime, *sqlstore.Store) {
	t.Helper()
	st := sqlstoretest.Open(t)
	return runtimeOn(t, st, cfg), st
}

func runtimeOn(t *testing.T, st *sqlstore.Store, cfg settings.Config) *settings.Runtime {
	t.Helper()
	r, err := settings.NewRuntime(t.Context(), st, cfg, map[string]any{"ldap_url": "ldaps://directory", "ldap_scope": "two", "read_only": true}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// change plans and makes a change.
func change(ctx context.Context, r *settings.Runtime, body string) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(body), &fields); err != nil {
		return err
	}
	p, err := r.Plan(fields)
	if err != nil {
		return err
	}
	return r.Change(ctx, p)
}

func TestRuntimeChanges(t *testing.T) {
	r, st := openRuntime(t, settings.Default())
	other := runtimeOn(t, st, settings.Default()) // another replica
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); other.Run(ctx, 10*time.Millisecond) }()
	defer func() { stop(); <-done }()

	if r.ReadOnly() || r.AdminsCreateProjects() || r.DefaultStorage() != 0 || r.RobotDays() != 30 || r.SessionIdle() != 12*time.Hour || !r.QuotasCount() || !r.Notifies() {
		t.Errorf("the defaults are not those of the file: %v", r.All())
	}
	err := change(ctx, r, `{"read_only":true,"project_creation_restriction":"adminonly","storage_per_project":"1000","robot_token_duration":-1,"session_timeout":5,
		"banner_message":"<b>down at 8</b>","quota_per_project_enable":false,"notification_enable":false}`)
	if err != nil {
		t.Fatalf("changing = %v, want no error", err)
	}
	want := func(who string, r *settings.Runtime) bool {
		return r.ReadOnly() && r.AdminsCreateProjects() && r.DefaultStorage() == 1000 && r.RobotDays() == -1 && r.SessionIdle() == 5*time.Minute &&
			r.Banner() == "<b>down at 8</b>" && !r.QuotasCount() && !r.Notifies()
	}
	if !want("here", r) {
		t.Errorf("after the change = %v, want it to count at once", r.All())
	}
	for range 500 {
		if want("there", other) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if !want("there", other) {
		t.Errorf("at another replica = %v, want it to count there", other.All())
	}
	if again := runtimeOn(t, st, settings.Default()); !want("after a start", again) {
		t.Errorf("after a start = %v, want it kept", again.All())
	}
}

func TestRuntimeRefuses(t *testing.T) {
	r, _ := openRuntime(t, settings.Default())
	for _, row := range []struct{ body, says string }{
		{`{"raed_only":true}`, `"raed_only": did you mean "read_only"?`},
		{`{"read_only":"perhaps"}`, "read_only can't have that value: it is a truth value"},
		{`{"read_only":1}`, "read_only"},
		{`{"read_only":[]}`, "read_only"},
		{`{"session_timeout":1.5}`, "whole number"},
		{`{"session_timeout":1e300}`, "whole number"},
		{`{"session_timeout":0}`, "1 to"},
		{`{"storage_per_project":0}`, "-1 for any number"},
		{`{"robot_token_duration":0}`, "-1 for ever"},
		{`{"project_creation_restriction":"nobody"}`, "adminonly"},
		{`{"banner_message":"` + strings.Repeat("x", 3001) + `"}`, "shorten"},
		{`{"robot_name_prefix":"r$"}`, "robot.prefix in the settings file"},
		{`{"auth_mode":"ldap_auth"}`, "sources"},
		{`{"self_registration":true}`, "administrator"},
		{`{"ldap_search_password":""}`, "sources"},
		{`{"oidc_client_secret":"canary"}`, "sources"},
		{`{"read_only":true,"uaa_endpoint":"x"}`, "does not have it"},
	} {
		err := change(t.Context(), r, row.body)
		if !errs.Is(err, errs.Invalid) || !strings.Contains(errs.As(err).Public(), row.says) || strings.Contains(errs.As(err).Public(), "canary") {
			t.Errorf("changing %s = %v, want Invalid with %q", row.body, err, row.says)
		}
	}
	if r.ReadOnly() {
		t.Errorf("read_only counts after a refused change, want nothing of it to")
	}
	// What clients send back as they read it is no change.
	p, err := r.Plan(map[string]json.RawMessage{"robot_name_prefix": []byte(`"robot~"`), "auth_mode": []byte(`"db_auth"`), "read_only": []byte("true"), "banner_message": []byte("null")})
	if err != nil || !slices.Equal(p.Names, []string{"read_only"}) {
		t.Errorf("Plan = %q, %v, want read_only alone", p.Names, err)
	}
}

// What the file says differently than the default is the file's; secrets are never shown.
func TestRuntimeAndFile(t *testing.T) {
	cfg := settings.Default()
	cfg.Robot.Duration, cfg.Portal.SessionIdle = 7, time.Hour
	cfg.Sources = []settings.Source{{Type: "database"}, {Type: "ldap"}}
	r, _ := openRuntime(t, cfg)
	all := r.All()
	for name, want := range map[string]settings.Item{
		"robot_token_duration": {Value: int64(7)}, "session_timeout": {Value: int64(60)}, "auth_mode": {Value: "ldap_auth"}, "ldap_url": {Value: "ldaps://directory"},
		"ldap_scope": {Value: int64(2)}, "read_only": {Value: false, Editable: true}, "self_registration": {Value: false},
	} {
		if all[name] != want {
			t.Errorf("%s = %v, want %v", name, all[name], want)
		}
	}
	for _, name := range []string{"ldap_search_password", "oidc_client_secret"} {
		if _, shown := all[name]; shown {
			t.Errorf("%s is shown, want it not to be", name)
		}
	}
	if err := change(t.Context(), r, `{"robot_token_duration":8}`); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "robot.duration") {
		t.Errorf("changing what the file decides = %v, want Invalid that names it", err)
	}
}

// FuzzPlan: whatever is sent, a plan is refused with a remedy or can be made.
func FuzzPlan(f *testing.F) {
	st := sqlstoretest.Open(f)
	r, err := settings.NewRuntime(context.Background(), st, settings.Default(), nil, slog.New(slog.DiscardHandler))
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{`{"read_only":true}`, `{"session_timeout":"5"}`, `{"x":1}`, `{"scan_all_policy":{}}`, `{"banner_message":"\u0000"}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var fields map[string]json.RawMessage
		if json.Unmarshal([]byte(body), &fields) != nil {
			return
		}
		if _, err := r.Plan(fields); err != nil && (!errs.Is(err, errs.Invalid) || errs.As(err).Hint == "") {
			t.Errorf("Plan(%s) = %v, want Invalid with a remedy", body, err)
		}
	})
}
