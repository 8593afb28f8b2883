package auth_test

import (
	"context"
	"errors"
	"testing"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
)

// answers is a source that gives the same answer to every right password.
type answers struct{ sub auth.Subject }

func (a answers) Authenticate(_ context.Context, cred auth.Credential) (auth.Subject, error) {
	if cred.Secret.Reveal() != "right" {
		return auth.Subject{}, auth.ErrBadCredential
	}
	return a.sub, nil
}

func TestSingleFactor(t *testing.T) {
	for _, row := range []struct {
		name, password string
		sub            auth.Subject
		want           error
	}{
		{"no second factor", "right", auth.Subject{}, nil},
		{"no second factor and a wrong password", "wrong", auth.Subject{}, auth.ErrBadCredential},
		{"a second factor", "right", auth.Subject{SecondFactor: true}, auth.ErrSecondFactor},
		{"a second factor and a wrong password", "wrong", auth.Subject{SecondFactor: true}, auth.ErrBadCredential},
		{"a second factor and a personal access token", "right", auth.Subject{SecondFactor: true, How: "pat", Via: "pat:1"}, nil},
	} {
		row.sub.Name, row.sub.ID = "alice", 1
		f := auth.SingleFactor{Next: answers{row.sub}}
		sub, err := f.Authenticate(t.Context(), auth.Credential{Name: "alice", Secret: secret.New(row.password)})
		if !errors.Is(err, row.want) || (err == nil) != (sub.Name == "alice") {
			t.Errorf("Authenticate with %s = %+v, %v, want the error %v", row.name, sub, err, row.want)
		}
	}
	if e := errs.As(auth.ErrSecondFactor); e.Kind != errs.Unauthenticated || e.Hint == "" {
		t.Errorf("ErrSecondFactor = %+v, want a refusal that says what to do", e)
	}
}
