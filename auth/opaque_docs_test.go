package auth_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/testkit"
)

// block returns the text of the only fenced block of a kind in a page.
func block(t *testing.T, page, kind string) string {
	t.Helper()
	parts := strings.Split(page, "```"+kind+"\n")
	if len(parts) != 2 {
		t.Fatalf("the page has %d blocks of %s, want one", len(parts)-1, kind)
	}
	text, _, _ := strings.Cut(parts[1], "```")
	return text
}

// TestPageForScanners holds what docs/personal-access-tokens.md tells secret scanners against the code.
func TestPageForScanners(t *testing.T) {
	page, err := os.ReadFile("../docs/personal-access-tokens.md")
	if err != nil {
		t.Fatal(err)
	}
	form := auth.PersonalAccessTokens()
	pattern := strings.TrimSpace(block(t, string(page), "regex"))
	if pattern != form.Pattern() {
		t.Errorf("the page says %s, want %s", pattern, form.Pattern())
	}
	made := form.New().Text.Reveal()
	if got := regexp.MustCompile(pattern).FindString("password: " + made + "\n"); got != made {
		t.Errorf("the page's expression finds %q, want the whole token", got)
	}
	testkit.Need(t, "python3")
	code := block(t, string(page), "python") + "\nimport sys\nfor token in sys.argv[1:]: print(genuine(token))\n"
	last := "0"
	if strings.HasSuffix(made, last) {
		last = "1"
	}
	tokens := []string{made, form.New().Text.Reveal(), made[:len(made)-1] + last, strings.Replace(made, "_pat_", "_rob_", 1)}
	out, err := exec.CommandContext(t.Context(), "python3", append([]string{"-c", code}, tokens...)...).CombinedOutput()
	if want := "True\nTrue\nFalse\nFalse\n"; err != nil || string(out) != want {
		t.Errorf("the page's code says %q of two tokens and two that are none, %v, want %q", out, err, want)
	}
}

// A whole secret that is given for an id leaves nothing but its id.
func TestPublicID(t *testing.T) {
	t.Parallel()
	made := auth.PersonalAccessTokens().New()
	whole := made.Text.Reveal()
	for in, want := range map[string]string{
		made.ID: made.ID, whole: made.ID, whole[:40]: made.ID, whole + "x": made.ID, "sealock_pat_": "", "sealock_pat_abc": "abc", "other": "other", "": "",
	} {
		if got := auth.PersonalAccessTokens().PublicID(in); got != want {
			t.Errorf("PublicID(%q) = %q, want %q", in, got, want)
		}
	}
}
