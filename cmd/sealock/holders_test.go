package main

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/secret"
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
