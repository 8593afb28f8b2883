package auth_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/secret"
)

func TestOpaqueSecrets(t *testing.T) {
	t.Parallel()
	for _, form := range []auth.OpaqueForm{auth.PersonalAccessTokens(), auth.RobotSecrets()} {
		made, other := form.New(), form.New()
		text := made.Text.Reveal()
		got, ok := form.Parse(made.Text)
		if !ok || got.ID != made.ID || !got.Matches(made.Hash) {
			t.Errorf("Parse(%s…) = %q, %v, want the id %q and a match", form.Prefix, got.ID, ok, made.ID)
		}
		if got.Matches(other.Hash) || got.Matches(nil) || made.ID == other.ID {
			t.Errorf("two secrets of %s match each other, or one matches nothing", form.Prefix)
		}
		if found := regexp.MustCompile(form.Pattern()).FindString(`{"auth": "` + text + `"}`); found != text {
			t.Errorf("the pattern for scanners finds %q in a text that holds a secret, want all of it", found)
		}
		for i := range text {
			broken := []byte(text)
			broken[i] ^= 1
			if o, ok := form.Parse(secret.New(string(broken))); ok {
				t.Errorf("Parse() takes a secret whose character %d was changed, with the id %q", i, o.ID)
			}
		}
		for _, bad := range []string{"", form.Prefix, text[1:], text + "0", strings.ToUpper(text), " " + text} {
			if _, ok := form.Parse(secret.New(bad)); ok {
				t.Errorf("Parse() takes a secret of %d characters that is none", len(bad))
			}
		}
	}
}

func FuzzOpaque(f *testing.F) {
	f.Add(auth.PersonalAccessTokens().New().Text.Reveal())
	f.Add("sealock_pat_aaaaaaaaaaaaaaaa_")
	f.Fuzz(func(t *testing.T, s string) {
		form := auth.PersonalAccessTokens()
		o, ok := form.Parse(secret.New(s))
		if ok && (!form.Recognizes(secret.New(s)) || !strings.HasPrefix(s, form.Prefix+o.ID+"_")) {
			t.Errorf("Parse(%q) = %q, which does not stand there", s, o.ID)
		}
	})
}
