package testkit_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/sealock/sealock/internal/testkit"
)

// TestNeed runs this test binary with a tool that is nowhere. A missing tool skips, or fails where it is required.
func TestNeed(t *testing.T) {
	const tool = "sealock-no-such-tool"
	if os.Getenv("TESTKIT_INNER") != "" {
		testkit.Need(t, tool)
		return
	}
	for require, want := range map[string]string{
		"": "--- SKIP", "mariadbd": "--- SKIP", "all": "--- FAIL", tool: "--- FAIL", "mariadbd," + tool: "--- FAIL", "curl " + tool: "--- FAIL",
	} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNeed$", "-test.v")
		cmd.Env = append(os.Environ(), "TESTKIT_INNER=yes", "SEALOCK_REQUIRE="+require)
		out, _ := cmd.CombinedOutput() // it fails where that is wanted
		if text := string(out); !strings.Contains(text, want) || !strings.Contains(text, tool+" is not installed: run hack/tools.sh") {
			t.Errorf("Need of a missing tool with SEALOCK_REQUIRE=%q says %q, want %s and what to install", require, text, want)
		}
	}
	if path := testkit.Need(t, "sh"); !strings.HasSuffix(path, "/sh") {
		t.Errorf("Need(sh) = %q, want its path", path)
	}
}
