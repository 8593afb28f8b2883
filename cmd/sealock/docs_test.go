package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPolicyPageIsTyped wants every command of the walk-through in docs/policy.md typed in testdata/script/policy.txtar,
// which is run.
func TestPolicyPageIsTyped(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "policy.md"))
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile(filepath.Join("testdata", "script", "policy.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	typed := 0
	for line := range strings.Lines(string(page)) {
		command, ok := strings.CutPrefix(strings.TrimSpace(line), "$ sealock ")
		if !ok {
			continue
		}
		command, _, _ = strings.Cut(command, " >")
		typed++
		if !strings.Contains(string(script), "exec sealock "+command+"\n") {
			t.Errorf("docs/policy.md says %q, which the script does not type", "sealock "+command)
		}
	}
	if typed == 0 {
		t.Error("docs/policy.md has no commands")
	}
}
