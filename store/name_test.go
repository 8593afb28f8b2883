package store_test

import (
	"testing"

	"github.com/sealock/sealock/store"
)

func TestNameKey(t *testing.T) {
	for _, row := range []struct {
		name string
		want string
	}{
		{"", ""},
		{"alice", "alice"},
		{"ALICE-1_.", "alice-1_."},
		{"Ärger", "ärger"},
		{"A\u0308rger", "ärger"},
		{"STRASSE", "strasse"},
		{"Straße", "strasse"},
		{"ΣΊΣΥΦΟΣ", "σίσυφοσ"},
		{"Σίσυφος", "σίσυφοσ"},
		{"ａｌｉｃｅ", "alice"},
		{"\u13af", "\uab7f"}, // Cherokee, whose small letters came later than its capital ones
		{"\uab7f", "\uab7f"},
		{"\u212aelvin", "kelvin"}, // the sign of the unit, not the letter
	} {
		if got := store.NameKey(row.name); got != row.want {
			t.Errorf("NameKey(%q) = %q, want %q", row.name, got, row.want)
		}
	}
}

func FuzzNameKey(f *testing.F) {
	f.Add("Alice")
	f.Add("ΐ\u0308İ")
	f.Fuzz(func(t *testing.T, name string) {
		key := store.NameKey(name)
		if again := store.NameKey(key); again != key {
			t.Errorf("NameKey(%q) = %q, whose key is %q, want it to be its own", name, key, again)
		}
	})
}
