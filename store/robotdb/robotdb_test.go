package robotdb_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/clock"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/robotdb"
	"github.com/sealock/sealock/store/sqlstore"
	"github.com/sealock/sealock/store/sqlstore/sqlstoretest"
	"github.com/sealock/sealock/store/userdb"
)

// world is a source over a real store, at a time that stands still.
type world struct {
	*robotdb.Source
	t      *testing.T
	store  *sqlstore.Store
	clock  *clock.Manual
	hasher *userdb.Hasher
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s := sqlstoretest.Open(t)
	w := &world{t: t, store: s, clock: clock.NewManual(time.Unix(1_900_000_000, 0)), hasher: userdb.NewHasher(2)}
	w.Source = robotdb.New(robotdb.NewNames("bot^"), s, w.hasher, w.clock.Now, slog.New(slog.DiscardHandler))
	return w
}

func pulling(project string) auth.Permissions {
	return auth.Permissions{{Project: project, Resource: "repository", Actions: []string{"pull"}}}
}

// robot makes a robot of everything, with a secret that was made here.
func (w *world) robot(name string) (store.Robot, secret.Text) {
	w.t.Helper()
	kept, text := robotdb.NewSecret()
	r, err := w.store.CreateRobot(w.t.Context(), store.Robot{Name: name, Days: -1, Secret: kept, Permissions: pulling("*")})
	if err != nil {
		w.t.Fatal(err)
	}
	return r, text
}

func (w *world) change(r store.Robot, fn func(*store.Robot)) {
	w.t.Helper()
	if _, err := w.store.UpdateRobot(w.t.Context(), r.ID, func(r *store.Robot) error { fn(r); return nil }); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) login(name string, key secret.Text) (auth.Subject, error) {
	return w.Authenticate(w.t.Context(), auth.Credential{Name: name, Secret: key, Remote: "192.0.2.7"})
}

func (w *world) refused(what, name string, key secret.Text) {
	w.t.Helper()
	if _, err := w.login(name, key); !errors.Is(err, auth.ErrBadCredential) {
		w.t.Errorf("Authenticate(%s, %s) = %v, want ErrBadCredential", name, what, err)
	}
}

func TestAuthenticate(t *testing.T) {
	w := newWorld(t)
	r, key := w.robot("team+ci")
	want := auth.Subject{
		Name: "bot^team+ci", Kind: auth.KindRobot, How: "robot", Via: "robot:1:" + r.Secret.ID, Grants: pulling("*"), Since: r.CreatedAt,
	}
	for _, name := range []string{"bot^team+ci", "robot~team+ci", "robot$team+ci", "Robot$Team+CI"} {
		got, err := w.login(name, key)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("Authenticate(%s) = %v (-want +got):\n%s", name, err, diff)
		}
	}
	w.refused("another secret", "robot~team+ci", secret.New("Password1"))
	w.refused("nothing", "robot~team+ci", secret.New(""))
	w.refused("a mistyped secret", "robot~team+ci", secret.New(key.Reveal()+"x"))
	w.refused("another robot's secret", "robot~other", key)
	w.refused("no robot's name", "alice", key)
	w.refused("no prefix", "team+ci", key)
	_, foreign := robotdb.NewSecret()
	w.refused("a secret that is nobody's", "robot~team+ci", foreign)
	w.refused("what is kept", "robot~team+ci", secret.New(r.Secret.Hash))
	w.refused("the id of a secret", "robot~team+ci", secret.New(r.Secret.ID))
}

func TestRecognizes(t *testing.T) {
	w := newWorld(t)
	_, key := robotdb.NewSecret()
	for _, tt := range []struct {
		name string
		key  secret.Text
		want bool
	}{
		{"robot$x", secret.New("x"), true},
		{"robot~", secret.New("x"), true},
		{"ROBOT~x", secret.New("x"), true},
		{"bot^x", secret.New("x"), true},
		{"alice", key, true}, // no directory is to see it
		{"alice", secret.New("x"), false},
		{"robot", secret.New("x"), false},
		{"", secret.New(""), false},
	} {
		if got := w.Recognizes(auth.Credential{Name: tt.name, Secret: tt.key}); got != tt.want {
			t.Errorf("Recognizes(%s) = %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestDisabledAndExpired(t *testing.T) {
	w := newWorld(t)
	r, key := w.robot("ci")
	sub, err := w.login("robot~ci", key)
	if err != nil {
		t.Fatal(err)
	}
	holds := func(what string, want bool) {
		t.Helper()
		if _, err := w.login("robot~ci", key); (err == nil) != want || !want && !errors.Is(err, auth.ErrBadCredential) {
			t.Errorf("Authenticate of a robot that is %s = %v, want it to be accepted: %v", what, err, want)
		}
		if _, err := w.Holder(t.Context(), sub.Name, sub.Via); (err == nil) != want || !want && !errors.Is(err, auth.ErrUnknownSubject) {
			t.Errorf("Holder of a robot that is %s = %v, want it to be accepted: %v", what, err, want)
		}
	}
	holds("new", true)
	w.change(r, func(r *store.Robot) { r.Disabled = true })
	holds("disabled", false)
	w.change(r, func(r *store.Robot) { r.Disabled, r.ExpiresAt = false, w.clock.Now().Add(time.Hour) })
	holds("to end", true)
	if sub, _ := w.login("robot~ci", key); !sub.Until.Equal(w.clock.Now().Add(time.Hour)) {
		t.Errorf("Until = %s, want the end of the robot", sub.Until)
	}
	w.clock.Advance(time.Hour)
	holds("ended", false)
}

func TestRotation(t *testing.T) {
	w := newWorld(t)
	r, first := w.robot("ci")
	old, err := w.login("robot~ci", first)
	if err != nil {
		t.Fatal(err)
	}
	chosen := secret.New("Chosen-by-1")
	kept, err := robotdb.ChosenSecret(t.Context(), w.hasher, chosen)
	if err != nil {
		t.Fatal(err)
	}
	ends := w.clock.Now().Add(time.Hour)
	w.change(r, func(r *store.Robot) { r.Old, r.Secret = r.Secret, kept; r.Old.Ends = ends })
	for what, key := range map[string]secret.Text{"old": first, "new": chosen} {
		sub, err := w.login("robot~ci", key)
		if err != nil || (what == "old") != sub.Until.Equal(ends) {
			t.Errorf("Authenticate with the %s secret = %+v, %v, want both to live and the old one to end", what, sub, err)
		}
		if _, err := w.Holder(t.Context(), sub.Name, sub.Via); err != nil {
			t.Errorf("Holder by the %s secret = %v, want no error", what, err)
		}
	}
	w.clock.Advance(time.Hour)
	w.refused("the old secret, after its end", "robot~ci", first)
	if _, err := w.Holder(t.Context(), old.Name, old.Via); !errors.Is(err, auth.ErrUnknownSubject) {
		t.Errorf("Holder of a token made with the old secret = %v, want ErrUnknownSubject", err)
	}
	now, err := w.login("robot~ci", chosen)
	if err != nil {
		t.Errorf("Authenticate with the new secret = %v, want no error", err)
	}
	w.refused("a wrong chosen secret", "robot~ci", secret.New("Chosen-by-2"))

	// Who comes after it under its name is another one.
	if err := w.store.DeleteRobot(t.Context(), r.ID); err != nil {
		t.Fatal(err)
	}
	w.robot("ci")
	for _, via := range []string{now.Via, "", "pat:1", "robot:"} {
		if _, err := w.Holder(t.Context(), "robot~ci", via); !errors.Is(err, auth.ErrUnknownSubject) {
			t.Errorf("Holder(%q) after the robot was made anew = %v, want ErrUnknownSubject", via, err)
		}
	}
}

func TestLastUse(t *testing.T) {
	w := newWorld(t)
	r, key := w.robot("ci")
	w.refused("a wrong secret", "robot~ci", secret.New("x"))
	used := func(want time.Time, from string) {
		t.Helper()
		got, err := w.store.Robot(t.Context(), r.ID)
		if err != nil || !got.LastUsedAt.Equal(want) || got.LastUsedFrom != from {
			t.Errorf("last use = %s from %q, %v, want %s from %q", got.LastUsedAt, got.LastUsedFrom, err, want, from)
		}
	}
	used(time.Time{}, "")
	first := w.clock.Now()
	for range 3 {
		if _, err := w.login("robot~ci", key); err != nil {
			t.Fatal(err)
		}
		used(first, "192.0.2.7")
		w.clock.Advance(20 * time.Second)
	}
	if _, err := w.login("robot~ci", key); err != nil {
		t.Fatal(err)
	}
	used(w.clock.Now(), "192.0.2.7")
}

// down is a store that does not answer.
type down struct{}

func (down) RobotByName(context.Context, string) (store.Robot, error) {
	return store.Robot{}, errs.New(errs.Unavailable, "down")
}

func (down) TouchRobot(context.Context, int64, time.Time, string) error {
	return errs.New(errs.Unavailable, "down")
}

func TestStoreDown(t *testing.T) {
	w := newWorld(t)
	s := robotdb.New(robotdb.NewNames(""), down{}, w.hasher, w.clock.Now, slog.New(slog.DiscardHandler))
	if _, err := s.Authenticate(t.Context(), auth.Credential{Name: "robot~ci", Secret: secret.New("x")}); !errs.Is(err, errs.Unavailable) {
		t.Errorf("Authenticate without a store = %v, want Unavailable", err)
	}
	if _, err := s.Holder(t.Context(), "robot~ci", "robot:1:x"); !errs.Is(err, errs.Unavailable) {
		t.Errorf("Holder without a store = %v, want Unavailable", err)
	}
}

func TestCheckPrefix(t *testing.T) {
	for _, good := range []string{"robot~", "robot$", "svc/", "~", "bot^~"} {
		if err := robotdb.CheckPrefix(good); err != nil {
			t.Errorf("CheckPrefix(%q) = %v, want no error", good, err)
		}
	}
	for _, bad := range []string{"", "robot", "robot-", "bot.", "ro bot~", "robot:", "robot@", "robot~\n", "röbot~", "-~", "a+~", strings.Repeat("~", 33)} {
		if err := robotdb.CheckPrefix(bad); !errs.Is(err, errs.Invalid) {
			t.Errorf("CheckPrefix(%q) = %v, want an error of kind Invalid", bad, err)
		}
	}
}

func TestChosenSecrets(t *testing.T) {
	_, made := robotdb.NewSecret()
	for _, bad := range []string{"", "Short1", "nouppercase1", "NOLOWERCASE1", "NoDigitsHere", "Aa1" + strings.Repeat("x", 126), "Aa1\x00aaaaaa", "Aa1\xffaaaaaa", made.Reveal()} {
		if _, err := robotdb.ChosenSecret(t.Context(), userdb.NewHasher(1), secret.New(bad)); !errs.Is(err, errs.Invalid) || bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("ChosenSecret(%q) = %v, want an error of kind Invalid that does not tell it", bad, err)
		}
	}
}

// No name that a user can have is ever taken for a robot's, and what is cut off comes back.
func FuzzNames(f *testing.F) {
	for _, seed := range []string{"robot~team+ci", "robot$ci", "alice", "", "bot^", "İobot~x", "ROBOT$X"} {
		f.Add(seed, "robot~")
	}
	f.Fuzz(func(t *testing.T, name, prefix string) {
		if robotdb.CheckPrefix(prefix) != nil {
			return
		}
		n := robotdb.NewNames(prefix)
		if short, ok := n.Cut(n.Full(name)); !ok || short != name && !strings.HasSuffix(name, short) {
			t.Errorf("Cut(Full(%q)) = %q, %v, want the name", name, short, ok)
		}
		if _, ok := n.Cut(name); ok && userdb.CheckName(name) == nil {
			t.Errorf("Cut(%q) = true, want no user to be taken for a robot", name)
		}
	})
}
