package main

import (
	"net/url"
	"strings"
	"testing"

	"github.com/sealock/sealock/project"
)

func someDigest() string { return "sha256:" + strings.Repeat("0123456789abcdef", 4) }

func TestParseRef(t *testing.T) {
	t.Parallel()
	digest := someDigest()
	for in, want := range map[string]imageRef{
		"team/app":               {project: "team", repository: "app"},
		"team/app:v1":            {project: "team", repository: "app", tag: "v1"},
		"team/app@" + digest:     {project: "team", repository: "app", digest: digest},
		"team/a/b/app:1.0":       {project: "team", repository: "a/b/app", tag: "1.0"},
		"team/a/b/app@" + digest: {project: "team", repository: "a/b/app", digest: digest},
		"te.am/a__b-c:V_1." + strings.Repeat("x", 124): {project: "te.am", repository: "a__b-c", tag: "V_1." + strings.Repeat("x", 124)},
	} {
		if got, err := parseRef(in); err != nil || got != want {
			t.Errorf("parseRef(%q) = %+v, %v, want %+v", in, got, err, want)
		}
	}
	for in, want := range map[string]string{
		"":                                  "names no repository",
		"app":                               "names no repository",
		"app:v1":                            "names no repository",
		"localhost:8080/team/app:v1":        "the address of a server",
		"team/":                             "can't be the name of a repository",
		"/app:v1":                           "can't be the name of a repository",
		"team//app":                         "can't be the name of a repository",
		"team/../app":                       "can't be the name of a repository",
		"Team/App:v1":                       "can't be the name of a repository",
		"team/a%2Fb":                        "can't be the name of a repository",
		"team/app:":                         "can't be a tag",
		"team/app:.v1":                      "can't be a tag",
		"team/app:a?b":                      "can't be a tag",
		"team/app:" + someDigest():          "can't be the name of a repository",
		"team/app@":                         "is no digest",
		"team/app@v1":                       "is no digest",
		"team/app@sha256:0123":              "is no digest",
		"team/app@" + digest + "@" + digest: "is no digest",
		"team/app:v1@" + digest:             "has a tag and a digest",
		"team/app:v1\n":                     "can't be a tag",
	} {
		if got, err := parseRef(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("parseRef(%q) = %+v, %v, want an error that says %q", in, got, err, want)
		}
	}
}

func TestParseRepositoryAndArtifact(t *testing.T) {
	t.Parallel()
	if _, err := parseRepository("team/app:v1"); err == nil || !strings.Contains(err.Error(), "leave out :v1") {
		t.Errorf("parseRepository(%q) = %v, want an error that says what to leave out", "team/app:v1", err)
	}
	if _, err := parseRepository("team/app@" + someDigest()); err == nil || !strings.Contains(err.Error(), "leave out @sha256:") {
		t.Errorf("parseRepository of a digest = %v, want an error that says what to leave out", err)
	}
	if _, err := parseArtifact("team/app"); err == nil || !strings.Contains(err.Error(), "such as team/app:v1") {
		t.Errorf("parseArtifact(%q) = %v, want an error that says what to add", "team/app", err)
	}
}

// FuzzParseRef holds what is understood to three rules: it is written as it was read, the server reads it in the same way, and in a
// path of the API it stays one part.
func FuzzParseRef(f *testing.F) {
	for _, s := range []string{"team/app", "team/app:v1", "team/a/b:1", "team/app@" + someDigest(), "h:1/a/b:2", "a/b:c@sha256:0", ":", "@", "a/b%2Fc", "a/é:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ref, err := parseRef(s)
		if err != nil {
			return
		}
		if got := ref.String(); got != s {
			t.Errorf("parseRef(%q) is written %q, want what was read", s, got)
		}
		if there, err := project.ParseArtifact(s); ref.reference() != "" &&
			(err != nil || there.Project.Name != ref.project || there.Name != ref.repository || there.Reference != ref.reference()) {
			t.Errorf("project.ParseArtifact(%q) = %+v, %v, want %+v", s, there, err, ref)
		}
		once := ref.path()
		twice := url.PathEscape(once)
		if back, err := url.PathUnescape(once); err != nil || back != ref.repository || strings.Contains(twice, "/") || strings.Contains(once, "/") {
			t.Errorf("parseRef(%q).path() = %q, want %q encoded", s, once, ref.repository)
		}
	})
}
