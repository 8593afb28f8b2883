package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPagesAreTyped wants every command of the walk-throughs in these pages typed in a script, which is run.
func TestPagesAreTyped(t *testing.T) {
	for name, scriptName := range map[string]string{"policy.md": "policy.txtar", "images.md": "images.txtar"} {
		page, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
		if err != nil {
			t.Fatal(err)
		}
		script, err := os.ReadFile(filepath.Join("testdata", "script", scriptName))
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
				t.Errorf("docs/%s says %q, which %s does not type", name, "sealock "+command, scriptName)
			}
		}
		if typed == 0 {
			t.Errorf("docs/%s has no commands", name)
		}
	}
}
