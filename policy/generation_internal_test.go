package policy

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// TestCacheKeepsNoRequest wants the cache to hold a copy of a name: a client may send one short name within 64 KiB.
func TestCacheKeepsNoRequest(t *testing.T) {
	g, findings, err := compile(defaultSource(), 16)
	if err != nil || len(findings) != 0 {
		t.Fatalf("compile(default) = %v, %v, want no finding", findings, err)
	}
	request := strings.Repeat("x", 100) + "repository:team/app:pull"
	name := request[111:119]
	if _, err := g.decide(key{resource: "repository", name: name, action: "pull"}); err != nil {
		t.Fatal(err)
	}
	for k := range g.cache.All() {
		if k.name != "team/app" || unsafe.StringData(k.name) == unsafe.StringData(name) {
			t.Errorf("cached name %q is the request's own memory = %v, want a copy of team/app", k.name, k.name == name)
		}
	}
}

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
	seen := e.settle(fingerprint{}, again)
	if got := e.Status().Fingerprint; got != before {
		t.Errorf("Fingerprint after one look = %s, want %s", got, before)
	}
	write("p, guest, repository, **, pull, allow\np, guest, tag, **, list, allow\n")
	seen = e.settle(seen, again)
	if got := e.Status().Fingerprint; got != before {
		t.Errorf("Fingerprint after two looks that differ = %s, want %s", got, before)
	}
	e.settle(seen, again)
	if got := e.Status().Rules; got != 2 {
		t.Errorf("Rules after two equal looks = %d, want 2", got)
	}
}
