package main

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/robotdb"
	"github.com/sealock/sealock/store/workload"
)

// A user source that has somebody of a workload's name is never asked about it, be there such a rule or not.
func TestNamesOfWorkloadsAreNobodyElses(t *testing.T) {
	source := &fakeSource{passwords: map[string]string{"ci~main": "password", "ci~gone": "password"}}
	workloads, err := workload.New([]workload.Rule{{Name: "main", Issuer: "https://issuer.example.com", Audience: "a", Any: true}}, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = workloads.Close() }()
	robots := robotdb.New(robotdb.NewNames(""), nil, nil, time.Now, slog.New(slog.DiscardHandler))
	s := &system{robots: robots, workloads: workloads}
	login := auth.Login{Recognizers: s.recognizers(), Passwords: source}
	held := holders{users: source, robots: robots, workloads: workloads}
	for _, name := range []string{"ci~main", "ci~gone"} {
		if sub, err := login.Authenticate(t.Context(), auth.Credential{Name: name, Secret: secret.New("password")}); err == nil {
			t.Errorf("Authenticate(%q, password) = %v, want a refusal", name, sub)
		}
		if sub, err := held.Holder(t.Context(), name, ""); !errors.Is(err, auth.ErrUnknownSubject) {
			t.Errorf("Holder(%q) = %v, %v, want ErrUnknownSubject", name, sub, err)
		}
	}
	if sub, err := held.Holder(t.Context(), "ci~main", "rule:0"); !errors.Is(err, auth.ErrUnknownSubject) {
		t.Errorf("Holder(ci~main) of another rule = %v, %v, want ErrUnknownSubject", sub, err)
	}
}

// TestRobotEndsByItself lets a robot's time run out: its secret, its refresh token and its access token end together.
func TestRobotEndsByItself(t *testing.T) {
	s := startSystem(t, nil)
	s.api(t, "POST", "/projects", `{"project_name":"team"}`, 201)
	w := s.api(t, "POST", "/robots", `{"name":"ci","level":"project","duration":1,"permissions":[
		{"kind":"project","namespace":"team","access":[{"resource":"repository","action":"pull"},{"resource":"repository","action":"push"}]}]}`, 201)
	var made struct {
		ID           int64
		Name, Secret string
	}
	if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil {
		t.Fatal(err)
	}
	refresh, access := offline(t, s, made.Name, made.Secret, wanted)
	if got := door(t, s, access); got != http.StatusNotFound {
		t.Fatalf("the door says %d to a robot, want 404: it may look, and nothing is there", got)
	}
	if got := refreshed(t, s, refresh, wanted); got != http.StatusOK {
		t.Fatalf("a robot's refresh token gets %d, want 200", got)
	}
	if _, err := s.store.UpdateRobot(t.Context(), made.ID, func(r *store.Robot) error {
		r.ExpiresAt = time.Now().Add(-time.Second)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if _, got := s.granted(t, made.Name, made.Secret, wanted); got != "Unauthorized" {
		t.Errorf("the secret of a robot that ended grants %q, want Unauthorized", got)
	}
	if got := door(t, s, access); got != http.StatusUnauthorized {
		t.Errorf("the door says %d to what a robot got that ended, want 401", got)
	}
	if got := refreshed(t, s, refresh, wanted); got != http.StatusUnauthorized && got != http.StatusBadRequest {
		t.Errorf("the refresh token of a robot that ended gets %d, want a refusal", got)
	}
}
