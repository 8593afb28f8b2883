package auth_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
)

func basic(pair string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair)) }

func TestParseBasic(t *testing.T) {
	for _, tt := range []struct{ in, name, secret string }{
		{basic("alice:secret"), "alice", "secret"},
		{"basic YWxpY2U6c2VjcmV0", "alice", "secret"},
		{strings.TrimRight(basic("alice:secret1"), "="), "alice", "secret1"},
		{basic("alice:a:b"), "alice", "a:b"},
		{basic("alice:"), "alice", ""},
		{basic(":refresh"), "", "refresh"},
		{basic("jürgen:päßword"), "jürgen", "päßword"},
	} {
		got, err := auth.ParseBasic(tt.in)
		if err != nil || got.Name != tt.name || got.Secret.Reveal() != tt.secret {
			t.Errorf("ParseBasic(%q) = %q, %q, %v, want %q, %q", tt.in, got.Name, got.Secret.Reveal(), err, tt.name, tt.secret)
		}
	}
}

func TestParseBasicRefuses(t *testing.T) {
	for _, in := range []string{
		"", "Basic", "Basic ", "Basic !!!", "Bearer abc", "Basic YWxpY2U=", basic("a\x00b:c"), basic("a:b\nc"), basic("a\xff:c"),
		basic("alice:" + strings.Repeat("x", 20_000)), "Basic YWxpY2U6 c2VjcmV0", "Digest username=x",
	} {
		if got, err := auth.ParseBasic(in); !errs.Is(err, errs.Unauthenticated) {
			t.Errorf("ParseBasic(%.40q) = %v, %v, want an error of kind unauthenticated", in, got, err)
		}
	}
}

func FuzzParseBasic(f *testing.F) {
	f.Add(basic("alice:secret"))
	f.Add("Basic YTpi")
	f.Fuzz(func(t *testing.T, in string) {
		got, err := auth.ParseBasic(in)
		if err != nil {
			if !errs.Is(err, errs.Unauthenticated) {
				t.Fatalf("ParseBasic(%q) fails with %v, want kind unauthenticated", in, err)
			}
			return
		}
		again, err := auth.ParseBasic(basic(got.Name + ":" + got.Secret.Reveal()))
		if err != nil || again != got {
			t.Fatalf("ParseBasic(%q) does not survive encoding: %v", in, err)
		}
	})
}
