package policy

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestSettle wants files to be loaded only when two looks in a row see the same.
func TestSettle(t *testing.T) {
	dir := t.TempDir()
	if _, err := WriteDefault(dir); err != nil {
		t.Fatal(err)
	}
	e, err := Open(dir, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	before := e.Status().Fingerprint
	write := func(rules string) {
		if err := os.WriteFile(filepath.Join(dir, PolicyFile), []byte(rules), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again := time.NewTimer(time.Hour)
	defer again.Stop()
	write("p, guest, repository, **, pull, allow\n")
	seen := e.settle(t.Context(), fingerprint{}, again)
	if got := e.Status().Fingerprint; got != before {
		t.Errorf("Fingerprint after one look = %s, want %s", got, before)
	}
	write("p, guest, repository, **, pull, allow\np, guest, tag, **, list, allow\n")
	seen = e.settle(t.Context(), seen, again)
	if got := e.Status().Fingerprint; got != before {
		t.Errorf("Fingerprint after two looks that differ = %s, want %s", got, before)
	}
	e.settle(t.Context(), seen, again)
	if got := e.Status().Rules; got != 2 {
		t.Errorf("Rules after two equal looks = %d, want 2", got)
	}
}
