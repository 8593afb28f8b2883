package storetest

import (
	"strings"
	"testing"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// hostileNames stores names that mean something to a database, and finds each alone.
func hostileNames(t *testing.T, s store.Store) {
	ctx := t.Context()
	names := []string{
		`o'brien`, `"quoted"`, `100%`, `under_score`, `underXscore`, `back\slash`, `bang!`, `'; DROP TABLE users; --`, `?`, `$1`,
		`日本語`, `ß`, `İstanbul`, "emoji🚢", "new\nline", "tab\t", `a`, "a ", "{}", "?0", ":name",
	}
	for _, name := range names {
		user(t, s, name)
		project(t, s, name)
	}
	for _, name := range names {
		u, err := s.UserByName(ctx, name)
		if err != nil || u.Name != name {
			t.Errorf("UserByName(%q) = %q, %v, want the user", name, u.Name, err)
		}
		p, err := s.ProjectByName(ctx, name)
		if err != nil || p.Name != name {
			t.Errorf("ProjectByName(%q) = %q, %v, want the project", name, p.Name, err)
		}
		if got := all(t, "ListUsers", s.ListUsers(ctx, store.Filter{Exact: name})); len(got) != 1 || got[0].Name != name {
			t.Errorf("ListUsers(Exact: %q) = %v, want the one user", name, got)
		}
		contains := func(n string) bool { return strings.Contains(store.NameKey(n), store.NameKey(name)) }
		want := 0
		for _, n := range names {
			if contains(n) {
				want++
			}
		}
		for _, u := range all(t, "ListUsers", s.ListUsers(ctx, store.Filter{Name: name})) {
			if want--; !contains(u.Name) {
				t.Errorf("ListUsers(Name: %q) has %q, want only names that contain it", name, u.Name)
			}
		}
		equal(t, "users missing from ListUsers(Name: "+name+")", want, 0)
	}
	equal(t, "CountUsers", must[int](t, "CountUsers")(s.CountUsers(ctx, store.Filter{})), len(names))
}

// unstorable presents texts that some databases cut or change. They are refused, and never found as something else.
func unstorable(t *testing.T, s store.Store) {
	ctx := t.Context()
	alice, p := user(t, s, "alice"), project(t, s, "team")
	ok(t, "CreateRefreshToken", s.CreateRefreshToken(ctx, token("id", alice)))
	for _, bad := range []string{"ali\x00ce", "alice\x00", "\x00", "alice\xff", "\xc0\xaf"} {
		_, err := s.CreateUser(ctx, store.User{Name: bad})
		kind(t, "CreateUser", err, errs.Invalid)
		_, err = s.CreateUser(ctx, store.User{Name: "fine", Email: bad})
		kind(t, "CreateUser with a bad address", err, errs.Invalid)
		_, err = s.CreateProject(ctx, store.Project{Name: bad})
		kind(t, "CreateProject", err, errs.Invalid)
		_, err = s.UpdateUser(ctx, alice.ID, func(u *store.User) error { u.Comment = bad; return nil })
		kind(t, "UpdateUser", err, errs.Invalid)
		_, err = s.UserByName(ctx, bad)
		kind(t, "UserByName", err, errs.NotFound)
		_, err = s.ProjectByName(ctx, bad)
		kind(t, "ProjectByName", err, errs.NotFound)
		_, err = s.RefreshToken(ctx, "id"+bad)
		kind(t, "RefreshToken", err, errs.NotFound)
		kind(t, "TouchRefreshToken", s.TouchRefreshToken(ctx, "id"+bad, when(0)), errs.NotFound)
		kind(t, "DeleteRefreshToken", s.DeleteRefreshToken(ctx, "id"+bad), errs.NotFound)
		_, err = s.PersonalAccessToken(ctx, "id"+bad)
		kind(t, "PersonalAccessToken", err, errs.NotFound)
		kind(t, "TouchPersonalAccessToken", s.TouchPersonalAccessToken(ctx, "id"+bad, when(0), ""), errs.NotFound)
		kind(t, "DeletePersonalAccessToken", s.DeletePersonalAccessToken(ctx, "id"+bad), errs.NotFound)
		kind(t, "RevokeToken", s.RevokeToken(ctx, store.RevokedToken{JTI: bad, ExpiresAt: when(0)}), errs.Invalid)
		equal(t, "DeleteRefreshTokensOf", must[int](t, "DeleteRefreshTokensOf")(s.DeleteRefreshTokensOf(ctx, bad)), 0)
		for _, f := range []store.Filter{{Name: bad}, {Exact: bad}, {Subject: bad}} {
			equal(t, "ListUsers", len(all(t, "ListUsers", s.ListUsers(ctx, f))), 0)
			equal(t, "ListProjects", len(all(t, "ListProjects", s.ListProjects(ctx, f))), 0)
			equal(t, "ListMembers", len(all(t, "ListMembers", s.ListMembers(ctx, p.ID, f))), 0)
			equal(t, "CountRefreshTokens", must[int](t, "CountRefreshTokens")(s.CountRefreshTokens(ctx, f)), 0)
			equal(t, "CountAudit", must[int](t, "CountAudit")(s.CountAudit(ctx, f)), 0)
		}
	}
}
