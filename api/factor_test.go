package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/store"
)

func TestSecondFactor(t *testing.T) {
	w := newWorld(t)
	got := w.want(w.as(mia, "GET", "/api/v2.0/users/current/second_factor", ""), 200, "GET without one")
	if want := `{"enabled":false,"passkeys":[],"recovery_codes":0}`; strings.TrimSpace(got.body) != want {
		t.Errorf("GET of no second factor = %s, want %s", got.body, want)
	}
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	_, err := w.store.UpdateSecondFactor(t.Context(), w.users[mia].ID, func(f *store.SecondFactor) error {
		*f = store.SecondFactor{
			TOTP: store.TOTP{Secret: "sealed", Since: at}, RecoveryCodes: []string{"hash", "hash2"},
			Passkeys: []store.Passkey{{Credential: []byte{1}, Name: "phone", Record: "{}", CreatedAt: at, LastUsedAt: at}},
		}
		return nil
	})
	must(t, 0, err)
	bearer := "Bearer " + w.token(mia, auth.APIService)
	got = w.want(w.send("GET", "/api/v2.0/users/current/second_factor", "", "Authorization", bearer), 200, "GET")
	want := `{"app_since":"2030-01-02T03:04:05Z","enabled":true,"passkeys":[{"creation_time":"2030-01-02T03:04:05Z","id":1,"name":"phone"}],"recovery_codes":2}`
	if strings.TrimSpace(got.body) != want {
		t.Errorf("GET of a second factor = %s, want %s", got.body, want)
	}
	w.want(w.send("DELETE", w.userPath(mia, "/second_factor"), "", "Authorization", bearer), 403, "DELETE by oneself")
	w.want(w.as(admin, "DELETE", w.userPath(mia, "/second_factor"), ""), 200, "DELETE by an administrator")
	w.want(w.as(admin, "DELETE", w.userPath(admin, "/second_factor"), ""), 403, "DELETE of an administrator's own")
	got = w.want(w.send("GET", "/api/v2.0/users/current/second_factor", "", "Authorization", bearer), 200, "GET after the reset")
	if !strings.Contains(got.body, `"enabled":false`) {
		t.Errorf("GET after the reset = %s, want none", got.body)
	}
}
