package main

import (
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/seal"
	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/oidc"
	"github.com/sealock/sealock/store/sqlstore"
	"github.com/sealock/sealock/store/sqlstore/sqlstoretest"
)

// arrivals is a source whose provider has let people in already.
func arrivals(t *testing.T, onboard bool) (provider, *sqlstore.Store) {
	t.Helper()
	st := sqlstoretest.Open(t)
	box, err := seal.New(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	cfg := oidc.Default()
	cfg.Issuer, cfg.ClientID, cfg.AutoOnboard = "https://id.example.com", "c", onboard
	log := slog.New(slog.DiscardHandler)
	source, err := oidc.Open(cfg, oidc.Deps{Name: "sso", Records: st, Box: box, Log: log, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	a := newAccounts("sso", source, st, log)
	t.Cleanup(func() { _ = a.Close() })
	return provider{source: source, accounts: a, records: st, forget: func(int64) {}}, st
}

func person(subject, name string, admin bool, groups ...string) oidc.Person {
	return oidc.Person{Subject: "https://id.example.com " + subject, Name: name, SysAdmin: admin, Groups: groups}
}

// TestArrivals holds that a user is who has the subject at the provider, whatever they are called there.
func TestArrivals(t *testing.T) {
	p, st := arrivals(t, true)
	ada, err := p.arrive(t.Context(), person("1", "ada", true, "dev"))
	if err != nil || ada.Name != "ada@sso" || !ada.SysAdmin || ada.ID == 0 || !slices.Equal(ada.Groups, []string{"dev"}) {
		t.Fatalf("the first sign-in = %+v, %v, want ada@sso, an administrator in dev", ada, err)
	}
	if u, err := st.UserByName(t.Context(), "ada@sso"); err != nil || u.SysAdmin {
		t.Errorf("the record = %+v, %v, want none of the provider's word in it", u, err)
	}
	again, err := p.arrive(t.Context(), person("1", "ada", false))
	if err != nil || again.ID != ada.ID || again.SysAdmin || len(again.Groups) != 0 {
		t.Errorf("a sign-in without the group = %+v, %v, want the same user and no administrator", again, err)
	}
	renamed, err := p.arrive(t.Context(), person("1", "ada.lovelace", false))
	if err != nil || renamed.Name != "ada@sso" || renamed.ID != ada.ID {
		t.Errorf("ada under another name = %+v, %v, want ada@sso", renamed, err)
	}
	if thief, err := p.arrive(t.Context(), person("2", "ada", true)); !errs.Is(err, errs.Denied) {
		t.Errorf("somebody else who is called ada now = %+v, %v, want Denied", thief, err)
	}
	if sub, err := p.accounts.resolve(t.Context(), "ada"); err != nil || sub.SysAdmin {
		t.Errorf("ada after that = %+v, %v, want no administrator", sub, err)
	}
	if err := st.DeleteUser(t.Context(), ada.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := p.accounts.resolve(t.Context(), "ada"); !errors.Is(err, auth.ErrUnknownSubject) {
		t.Errorf("a deleted user = %v, want ErrUnknownSubject", err)
	}
	fresh, err := p.arrive(t.Context(), person("2", "ada", false))
	if err != nil || fresh.ID == ada.ID {
		t.Errorf("the new ada = %+v, %v, want another user than %d", fresh, err, ada.ID)
	}
	for _, name := range []string{"", "a b", "\x00", "аda", "ad\u202ea", "*"} {
		if sub, err := p.arrive(t.Context(), person("odd"+url.QueryEscape(name), name, true)); !errs.Is(err, errs.Denied) {
			t.Errorf("somebody called %q = %+v, %v, want Denied", name, sub, err)
		}
	}
}

// TestOnboarding holds that nobody becomes a user where that is switched off.
func TestOnboarding(t *testing.T) {
	p, st := arrivals(t, false)
	if sub, err := p.arrive(t.Context(), person("1", "ada", false)); !errs.Is(err, errs.Denied) {
		t.Errorf("a stranger = %+v, %v, want Denied", sub, err)
	}
	if _, err := st.CreateUser(t.Context(), store.User{Name: "ada@sso"}); err != nil {
		t.Fatal(err)
	}
	if sub, err := p.arrive(t.Context(), person("1", "ada", false)); err != nil || sub.Name != "ada@sso" {
		t.Errorf("a user who was made before = %+v, %v, want ada@sso", sub, err)
	}
}
