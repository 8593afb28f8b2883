package auth_test

import (
	"context"
	"errors"
	"testing"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/secret"
)

// everybody lets anybody in, and counts how often it is asked.
type everybody struct{ asked int }

func (e *everybody) Authenticate(_ context.Context, cred auth.Credential) (auth.Subject, error) {
	e.asked++
	return auth.Subject{Name: cred.Name}, nil
}

// Secrets of this server's that are no passwords reach no directory, and are nobody's guess at a password.
func TestMisplacedSecrets(t *testing.T) {
	for text, own := range map[string]bool{
		"sealock_rt_abc_def": true, "sealock_dev_abc_def": true, "sealock_other": false, "my sealock_rt_abc_def": false, "wonderland": false,
	} {
		passwords := new(everybody)
		login, cred := auth.Login{Passwords: passwords}, auth.Credential{Name: "alice", Secret: secret.New(text)}
		_, err := login.Authenticate(t.Context(), cred)
		if errors.Is(err, auth.ErrBadCredential) != own || (passwords.asked == 0) != own {
			t.Errorf("Authenticate(%q) = %v after %d questions, want a refusal without one: %v", text, err, passwords.asked, own)
		}
		if got := login.Unguessable(cred); got != own {
			t.Errorf("Unguessable(%q) = %v, want %v", text, got, own)
		}
	}
}
