package auth_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
)

func login(chain auth.Chain, name, password string) (auth.Subject, error) {
	return chain.Authenticate(context.Background(), auth.Credential{Name: name, Secret: secret.New(password)})
}

func TestChainNamesASource(t *testing.T) {
	local := &users{passwords: map[string]string{"alice": "local", "bob@corp": "impostor", "dora@example.com": "mail"}}
	corp := &users{passwords: map[string]string{"alice": "corp", "bob": "corp"}}
	chain := auth.Chain{{Name: "local", Authenticator: local}, {Name: "corp", Authenticator: corp}}
	for _, row := range []struct{ name, password, source string }{
		{"alice", "local", "local"},
		{"alice", "corp", ""}, // the first that knows the name decides
		{"alice@corp", "corp", "corp"},
		{"alice@CORP", "corp", "corp"},
		{"alice@corp", "local", ""},
		{"alice@local", "local", "local"},
		{"bob", "corp", "corp"},
		{"bob@corp", "corp", "corp"},
		{"bob@corp", "impostor", ""}, // a name with @corp in it is corp's alone
		{"bob@local", "corp", ""},
		{"bob@corp@local", "impostor", "local"},
		{"dora@example.com", "mail", "local"}, // no source has this name: a part of the user's
		{"dora@example.com@local", "mail", "local"},
		{"alice@", "local", ""},
		{"@corp", "corp", ""},
		{"@", "", ""},
	} {
		sub, err := login(chain, row.name, row.password)
		if row.source == "" {
			if !errors.Is(err, auth.ErrBadCredential) {
				t.Errorf("Authenticate(%q, %q) = %+v, %v, want ErrBadCredential", row.name, row.password, sub, err)
			}
			continue
		}
		if err != nil || sub.Source != row.source {
			t.Errorf("Authenticate(%q, %q) = %+v, %v, want source %s", row.name, row.password, sub, err, row.source)
		}
	}
}

func TestChainNeverFallsThroughASourceThatIsDown(t *testing.T) {
	strong := &users{down: true}
	weak := &users{passwords: map[string]string{"alice": "weak"}}
	chain := auth.Chain{{Name: "strong", Authenticator: strong}, {Name: "weak", Authenticator: weak}}
	for _, name := range []string{"alice", "alice@strong"} {
		_, err := login(chain, name, "weak")
		if !errs.Is(err, errs.Unavailable) || !strings.Contains(err.Error(), "user source strong") {
			t.Errorf("Authenticate(%q) = %v, want Unavailable with the source's name for the log", name, err)
		}
		if strings.Contains(errs.As(err).Public(), "strong") {
			t.Errorf("Authenticate(%q) tells the client %q, want no name of a source", name, errs.As(err).Public())
		}
	}
	if weak.asked > 0 {
		t.Error("the weaker source was asked")
	}
	if _, err := login(chain, "alice@weak", "weak"); err != nil {
		t.Errorf("Authenticate by name of the source that is up = %v, want no error", err)
	}
}

// recorder notes what it was asked.
type recorder struct {
	users
	got []auth.Credential
}

func (r *recorder) Authenticate(ctx context.Context, c auth.Credential) (auth.Subject, error) {
	r.got = append(r.got, c)
	return r.users.Authenticate(ctx, c)
}

// TestChainRefusalsCostTheSame holds that a wrong password asks as many sources as an unknown name, and that no source
// sees what was meant for another one.
func TestChainRefusalsCostTheSame(t *testing.T) {
	first, second := &users{passwords: map[string]string{"alice": "right"}}, &recorder{}
	chain := auth.Chain{{Name: "first", Authenticator: first}, {Name: "second", Authenticator: second}}
	_, _ = login(chain, "alice", "almost-right")
	if first.asked != 1 || second.asked != 1 {
		t.Errorf("a wrong password asked %d and %d times, want once each", first.asked, second.asked)
	}
	for _, c := range second.got {
		if c.Name == "alice" || c.Secret.Reveal() == "almost-right" {
			t.Errorf("the second source saw %q's secret, want a name and a secret of nobody", c.Name)
		}
	}
	if _, err := login(chain, "alice", "right"); err != nil || second.asked != 1 {
		t.Errorf("a right password = %v, asked the second source %d times, want none", err, second.asked-1)
	}
}
