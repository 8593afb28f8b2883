package main

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/store"
)

// TestPasswordAlone sees that the password alone opens nothing from the moment on at which there is a second factor, be
// it remembered or not, and does so again when it is reset.
func TestPasswordAlone(t *testing.T) {
	s := startSystem(t, nil)
	s.api(t, "POST", "/users", `{"username":"alice","password":"alices-first-secret"}`, http.StatusCreated)
	token := "/service/token?service=sealock&scope=repository:library/app:pull&offline_token=true"
	form := url.Values{"grant_type": {"password"}, "username": {"alice"}, "password": {"alices-first-secret"}, "service": {"sealock-api"}}.Encode()
	ways := map[string]func() (int, string){
		"docker login":       func() (int, string) { return s.ask(t, "GET", token, "") },
		"the password grant": func() (int, string) { return s.ask(t, "POST", "/service/token", form) },
		"the API":            func() (int, string) { return s.ask(t, "GET", "/api/v2.0/users/current", "") },
		"introspection": func() (int, string) {
			code, body := s.ask(t, "POST", "/service/token/introspect", "token=x")
			return code, body
		},
	}
	open := func(when string) {
		t.Helper()
		for way, ask := range ways {
			if code, body := ask(); code != http.StatusOK {
				t.Errorf("%s by password %s = %d %s, want 200", way, when, code, body)
			}
		}
	}
	open("before")
	u, err := s.store.UserByName(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.store.UpdateSecondFactor(t.Context(), u.ID, func(f *store.SecondFactor) error {
		f.TOTP = store.TOTP{Secret: "sealed", Since: time.Now()}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for way, ask := range ways {
		code, body := ask()
		if code != http.StatusUnauthorized || !strings.Contains(body, "second factor") || !strings.Contains(body, "use a personal access token as the password") {
			t.Errorf("%s by password with a second factor = %d %s, want 401 that says what to use", way, code, body)
		}
	}
	if code, body := s.ask(t, "GET", strings.ReplaceAll(token, "&offline", "&wrong=1&offline"), "wrong"); code != http.StatusUnauthorized || strings.Contains(body, "second factor") {
		t.Errorf("docker login with a wrong password = %d %s, want nothing about the second factor", code, body)
	}
	s.api(t, "DELETE", "/users/"+strconv.FormatInt(u.ID, 10)+"/second_factor", "", http.StatusOK)
	open("after a reset")
}

// ask sends a request as alice; body "wrong" is none, with a wrong password.
func (s *system) ask(t *testing.T, method, target, body string) (int, string) {
	t.Helper()
	name, password := "alice", "alices-first-secret"
	switch {
	case body == "wrong":
		password, body = "wrong", ""
	case strings.HasPrefix(body, "grant_type"):
		name = ""
	}
	w := s.call(t, name, password, method, target, body)
	return w.Code, w.Body.String()
}
