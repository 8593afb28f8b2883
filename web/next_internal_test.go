package web

import (
	"net/url"
	"strings"
	"testing"
)

func TestLocalPath(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": home, "/account": "/account", "/device?user_code=BCDF-GHJK": "/device?user_code=BCDF-GHJK", "/a/b/": "/a/b/", "/": "/",
		"/a?next=//evil.example": "/a?next=//evil.example", // a value, which nobody follows unread
		"//evil.example":         home, "///evil.example": home, `/\evil.example`: home, `\\evil.example`: home, "/%2f%2fevil.example": home, "/%2Fevil.example": home,
		"/%5cevil.example": home, "/%255cevil.example": home, "/%252fevil.example": home, "https://evil.example/": home, "https:evil.example": home, "javascript:alert(1)": home,
		"data:text/html,x": home, "/\t/evil.example": home, "/\n/evil.example": home, "\t//evil.example": home, " //evil.example": home, "/a/../..//evil.example": home,
		"/.//evil.example": home, "evil.example": home, "@evil.example": home, "/a#//evil": home, "/a\x00": home, "/%00": home, "/a\r\nSet-Cookie: x=y": home, "/ä": home,
		"/" + strings.Repeat("a", 3000): home, "?x=1": home,
	} {
		if got := localPath(in); got != want {
			t.Errorf("localPath(%q) = %q, want %q", in, got, want)
		}
	}
}

// FuzzLocalPath holds that what comes out leads to this server however a browser or a proxy reads it.
func FuzzLocalPath(f *testing.F) {
	for _, s := range []string{"/account", "//evil", `/\evil`, "/%2f%2fevil", "https://evil", "/a?b=c", "/%255c", "\t//x", "/%25", "//", "%2f%2f", "/%2f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		out := localPath(in)
		if out != in && out != home {
			t.Fatalf("localPath(%q) = %q, want it or home", in, out)
		}
		if again := localPath(out); again != out {
			t.Errorf("localPath(%q) = %q, want itself", out, again)
		}
		read := strings.NewReplacer(`\`, "/", "\t", "", "\n", "", "\r", "").Replace(out) // as browsers do
		for round := range 2 {
			u, err := url.Parse("https://registry.example/sign-in")
			if err != nil {
				t.Fatal(err)
			}
			to, err := u.Parse(read)
			if err != nil && round > 0 {
				return // nothing is left to decode
			}
			if err != nil || to.Host != "registry.example" || to.Scheme != "https" || strings.HasPrefix(read, "//") {
				t.Fatalf("localPath(%q) = %q, which leads to %v, %v", in, out, to, err)
			}
			p, _, _ := strings.Cut(read, "?")
			if read, err = url.PathUnescape(p); err != nil {
				return
			}
			if strings.ContainsAny(read, "\\\x00\r\n") || strings.HasPrefix(read, "//") {
				t.Fatalf("localPath(%q) = %q, which is %q when it is decoded", in, out, read)
			}
		}
	})
}
