package ldap

import (
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
)

// TestMatchingRule holds what Active Directory is asked: no other directory answers it.
func TestMatchingRule(t *testing.T) {
	got := memberFilter("(objectClass=group)", "member"+inChain, []string{`CN=Alice (dev),DC=x`})
	want := `(&(objectClass=group)(|(member:1.2.840.113556.1.4.1941:=CN=Alice \28dev\29,DC=x)))`
	if got != want {
		t.Errorf("memberFilter() = %s, want %s", got, want)
	}
	if _, err := ldap.CompileFilter(got); err != nil {
		t.Errorf("CompileFilter(%s) = %v", got, err)
	}
}

// FuzzUserFilter holds that a name stays one value in the filter.
func FuzzUserFilter(f *testing.F) {
	f.Add("alice")
	f.Add("*)(uid=*")
	f.Add("\x00\\2a(")
	f.Fuzz(func(t *testing.T, name string) {
		filter := userFilter("(objectClass=person)", []string{"uid"}, name)
		packet, err := ldap.CompileFilter(filter)
		if err != nil {
			t.Fatalf("CompileFilter(%q) = %v", filter, err)
		}
		if len(packet.Children) != 2 || len(packet.Children[1].Children) != 1 || packet.Children[1].Children[0].Tag != ldap.FilterEqualityMatch && name != "" {
			t.Errorf("userFilter(%q) = %q, want one comparison for equality", name, filter)
		}
		if inside := strings.TrimSuffix(strings.TrimPrefix(filter, "(&(objectClass=person)(|(uid="), ")))"); strings.ContainsAny(inside, "()*\x00") {
			t.Errorf("userFilter(%q) = %q, want every special character escaped", name, filter)
		}
	})
}

// FuzzPartFilter holds that a text that is looked for stays one value in the filter.
func FuzzPartFilter(f *testing.F) {
	for _, text := range []string{"ali", "*)(uid=*", "\x00\\2a(", "*", ")(|(cn=*", "é\xff"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		filter := partFilter("(objectClass=person)", []string{"uid", "cn"}, text)
		packet, err := ldap.CompileFilter(filter)
		if err != nil {
			t.Fatalf("CompileFilter(%q) = %v", filter, err)
		}
		if text == "" {
			return
		}
		if len(packet.Children) != 2 || len(packet.Children[1].Children) != 2 {
			t.Fatalf("partFilter(%q) = %q, want one alternative for each attribute", text, filter)
		}
		for _, alternative := range packet.Children[1].Children {
			if parts := alternative.Children[1].Children; alternative.Tag != ldap.FilterSubstrings || len(parts) != 1 || parts[0].Data.String() != text {
				t.Errorf("partFilter(%q) = %q, want the text as it is between two stars", text, filter)
			}
		}
	})
}

// FuzzGroupKey holds that the form in which groups are compared is one: reading it again changes nothing.
func FuzzGroupKey(f *testing.F) {
	for _, dn := range []string{"CN=Dev, OU=Groups,DC=x", `cn=a\,b+uid=c,dc=x`, "cn=#0403616263", "", ",", "=", `cn=\20x\20,dc=y`} {
		f.Add(dn)
	}
	f.Fuzz(func(t *testing.T, dn string) {
		key, err := GroupKey(dn)
		if err != nil {
			return
		}
		again, err := GroupKey(key)
		if err == nil && again != key {
			t.Errorf("GroupKey(%q) = %q, and GroupKey of that = %q, want the same", dn, key, again)
		}
	})
}
