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
