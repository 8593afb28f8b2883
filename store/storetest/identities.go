package storetest

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

func identities(t *testing.T, s store.Store) {
	ctx := t.Context()
	alice, bob := user(t, s, "alice@sso"), user(t, s, "bob@sso")
	want := store.Identity{
		UserID: alice.ID, Source: "sso", Subject: "https://id.example.com 4711", Groups: []string{"dev", "Ünïcode"}, SysAdmin: true,
		Renewal: []byte{0, 1, 0xff}, LoginAt: when(0), CheckedAt: when(1),
	}
	ok(t, "PutIdentity", s.PutIdentity(ctx, want))
	for what, get := range map[string]func() (store.Identity, error){
		"Identity":   func() (store.Identity, error) { return s.Identity(ctx, "sso", want.Subject) },
		"IdentityOf": func() (store.Identity, error) { return s.IdentityOf(ctx, alice.ID) },
	} {
		if diff := cmp.Diff(want, must[store.Identity](t, what)(get())); diff != "" {
			t.Errorf("%s differs from what was stored (-want +got):\n%s", what, diff)
		}
	}
	want.Groups, want.SysAdmin, want.Renewal, want.LoginAt = nil, false, nil, when(5)
	ok(t, "PutIdentity again", s.PutIdentity(ctx, want))
	if diff := cmp.Diff(want, must[store.Identity](t, "IdentityOf")(s.IdentityOf(ctx, alice.ID))); diff != "" {
		t.Errorf("a login that takes rights away leaves (-want +got):\n%s", diff)
	}
	other := want
	other.Subject = "https://id.example.com 4712"
	kind(t, "PutIdentity of another subject for the same user", s.PutIdentity(ctx, other), errs.Conflict)
	other = want
	other.UserID = bob.ID
	kind(t, "PutIdentity of the same subject for another user", s.PutIdentity(ctx, other), errs.Conflict)
	other.Source = "sso2"
	ok(t, "PutIdentity of the same subject at another source", s.PutIdentity(ctx, other))
	other.UserID = 4711
	other.Subject = "x"
	kind(t, "PutIdentity of nobody", s.PutIdentity(ctx, other), errs.NotFound)
	kind(t, "PutIdentity of nothing", s.PutIdentity(ctx, store.Identity{}), errs.Invalid)
	_, err := s.Identity(ctx, "sso", "https://id.example.com 471")
	kind(t, "Identity of an unknown subject", err, errs.NotFound)

	got := must[store.Identity](t, "UpdateIdentity")(s.UpdateIdentity(ctx, alice.ID, func(i *store.Identity) error {
		i.Ended, i.CheckedAt, i.Subject, i.UserID = true, when(9), "stolen", bob.ID
		return nil
	}))
	want.Ended, want.CheckedAt = true, when(9)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("UpdateIdentity makes (-want +got):\n%s", diff)
	}
	stop := errors.New("stop")
	if _, err := s.UpdateIdentity(ctx, alice.ID, func(i *store.Identity) error { i.Ended = false; return stop }); !errors.Is(err, stop) {
		t.Errorf("UpdateIdentity = %v, want what its function returned", err)
	}
	equal(t, "Ended", must[store.Identity](t, "IdentityOf")(s.IdentityOf(ctx, alice.ID)).Ended, true)
	ok(t, "DeleteUser", s.DeleteUser(ctx, alice.ID))
	_, err = s.IdentityOf(ctx, alice.ID)
	kind(t, "IdentityOf a deleted user", err, errs.NotFound)
}
