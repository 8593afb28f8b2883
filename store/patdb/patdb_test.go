package patdb_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/clock"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/patdb"
	"github.com/sealock/sealock/store/sqlstore"
	"github.com/sealock/sealock/store/sqlstore/sqlstoretest"
)

// counting is a store that notes what is asked of it.
type counting struct {
	*sqlstore.Store
	reads, touches int
	down           error
}

func (c *counting) PersonalAccessToken(ctx context.Context, id string) (store.PersonalAccessToken, error) {
	c.reads++
	if c.down != nil {
		return store.PersonalAccessToken{}, c.down
	}
	return c.Store.PersonalAccessToken(ctx, id)
}

func (c *counting) TouchPersonalAccessToken(ctx context.Context, id string, at time.Time, from string) error {
	c.touches++
	return c.Store.TouchPersonalAccessToken(ctx, id, at, from)
}

// people are the users of sources as their resolver knows them. They have no passwords here: nothing could run a slow hash.
type people map[string]auth.Subject

func (p people) Resolve(_ context.Context, name string) (auth.Subject, error) {
	sub, ok := p[store.NameKey(name)]
	if !ok {
		return auth.Subject{}, auth.ErrUnknownSubject
	}
	return sub, nil
}

// world is a source with the users Alice of the database, a system administrator, and bob@corp.
type world struct {
	*patdb.Source
	t      *testing.T
	store  *counting
	people people
	clock  *clock.Manual
}

func newWorld(t *testing.T) *world {
	t.Helper()
	st := sqlstoretest.Open(t)
	w := &world{t: t, store: &counting{Store: st}, people: people{}, clock: clock.NewManual(time.Unix(1_900_000_000, 0))}
	for name, source := range map[string]string{"Alice": "database", "bob@corp": "corp"} {
		u, err := st.CreateUser(t.Context(), store.User{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		w.people[store.NameKey(name)] = auth.Subject{Name: name, ID: u.ID, Source: source, SysAdmin: name == "Alice", Groups: []string{"g"}}
	}
	w.Source = patdb.New(w.store, w.people, w.clock.Now)
	return w
}

// token makes a token of a user.
func (w *world) token(user string, scope *auth.Permissions, life time.Duration) auth.Opaque {
	w.t.Helper()
	key := auth.PersonalAccessTokens().New()
	t := store.PersonalAccessToken{
		ID: key.ID, UserID: w.people[user].ID, Name: key.ID, SecretHash: key.Hash, Scope: scope, CreatedAt: w.clock.Now(),
	}
	if life != 0 {
		t.ExpiresAt = w.clock.Now().Add(life)
	}
	if _, err := w.store.CreatePersonalAccessToken(w.t.Context(), t, 100); err != nil {
		w.t.Fatal(err)
	}
	return key
}

func (w *world) login(name string, text secret.Text) (auth.Subject, error) {
	return w.Authenticate(w.t.Context(), auth.Credential{Name: name, Secret: text, Remote: "192.0.2.7"})
}

func pull() *auth.Permissions {
	return &auth.Permissions{{Project: "team", Resource: "repository", Actions: []string{"pull"}}}
}

func TestATokenIsItsUser(t *testing.T) {
	w := newWorld(t)
	whole, scoped := w.token("alice", nil, 0), w.token("alice", pull(), time.Hour)
	sub, err := w.login("alice", whole.Text)
	if err != nil || sub.Name != "Alice" || !sub.SysAdmin || sub.Bounds != nil || !sub.Until.IsZero() || len(sub.Groups) != 1 {
		t.Errorf("a token without a scope = %+v, %v, want all that Alice is", sub, err)
	}
	if sub.How != "pat" || sub.Via != "pat:"+whole.ID {
		t.Errorf("How, Via = %q, %q, want pat and the id", sub.How, sub.Via)
	}
	sub, err = w.login("alice", scoped.Text)
	if err != nil || sub.SysAdmin || sub.Bounds == nil || !sub.Until.Equal(w.clock.Now().Add(time.Hour)) {
		t.Errorf("a token for pull for an hour = %+v, %v, want a bounded Alice who ends then and is no system administrator", sub, err)
	}
	for action, want := range map[string]bool{"pull": true, "push": false} {
		if got := sub.Permitted(auth.Question{Project: "team", Repository: "team/app", Resource: "repository", Action: action}); got != want {
			t.Errorf("Permitted(%s) = %v, want %v", action, got, want)
		}
	}
}

// Who the token belongs to is in the token: the name only has to be one of the user's.
func TestNamesOfAToken(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.token("alice", nil, 0), w.token("bob@corp", nil, 0)
	for _, row := range []struct {
		key  auth.Opaque
		name string
		good bool
	}{
		{alice, "alice", true},
		{alice, "ALICE", true},
		{alice, "alice@database", true},
		{alice, "alice@corp", false},
		{alice, "bob", false},
		{alice, "bob@corp", false},
		{alice, "", false},
		{alice, "@database", false},
		{bob, "bob", true},
		{bob, "Bob@Corp", true},
		{bob, "bob@database", false},
		{bob, "alice", false},
		{bob, "@corp", false},
	} {
		sub, err := w.login(row.name, row.key.Text)
		if (err == nil) != row.good || err != nil && !errors.Is(err, auth.ErrBadCredential) {
			t.Errorf("a login as %q = %q, %v, want it good: %v", row.name, sub.Name, err, row.good)
		}
	}
}

// TestOneRefusal holds that all that is wrong with a token looks the same, and that only what is well formed reaches the
// store, by its id.
func TestOneRefusal(t *testing.T) {
	w := newWorld(t)
	good, ended, bobs := w.token("alice", nil, 0), w.token("alice", nil, time.Hour), w.token("bob@corp", nil, 0)
	w.clock.Advance(time.Hour)
	other := auth.PersonalAccessTokens().New()
	// The id of one with the secret of another, and a right checksum.
	forged := forge(t, good, other)
	delete(w.people, "bob@corp") // gone from the directory
	for name, row := range map[string]struct {
		name  string
		text  secret.Text
		reads int
	}{
		"unknown":    {"alice", other.Text, 1},
		"forged":     {"alice", forged, 1},
		"ended":      {"alice", ended.Text, 1},
		"owner gone": {"bob@corp", bobs.Text, 1},
		"mistyped":   {"alice", secret.New(good.Text.Reveal() + "x"), 0},
		"cut":        {"alice", secret.New(good.Text.Reveal()[:40]), 0},
		"empty":      {"alice", secret.New("sealock_pat_"), 0},
	} {
		w.store.reads = 0
		sub, err := w.login(row.name, row.text)
		if !errors.Is(err, auth.ErrBadCredential) || !sub.Anonymous() {
			t.Errorf("%s: a login = %+v, %v, want ErrBadCredential", name, sub, err)
			continue
		}
		if err.Error() != auth.ErrBadCredential.Error() || strings.Contains(err.Error(), row.text.Reveal()) {
			t.Errorf("%s: the refusal is %q, want the same for all", name, err)
		}
		if w.store.reads != row.reads {
			t.Errorf("%s: the store is asked %d times, want %d", name, w.store.reads, row.reads)
		}
	}
	if w.store.touches != 0 {
		t.Errorf("refusals are noted as %d uses, want none", w.store.touches)
	}
	w.store.down = errs.New(errs.Unavailable, "down")
	if _, err := w.login("alice", good.Text); !errs.Is(err, errs.Unavailable) {
		t.Errorf("a login while the store is down = %v, want Unavailable", err)
	}
}

// forge returns a well-formed token with the id of one and the secret of another.
func forge(t *testing.T, id, key auth.Opaque) secret.Text {
	t.Helper()
	f := auth.PersonalAccessTokens()
	body := f.Prefix + id.ID + "_" + key.Text.Reveal()[len(f.Prefix)+len(key.ID)+1:][:43]
	text := secret.New(body + checksum(body))
	if _, ok := f.Parse(text); !ok {
		t.Fatal("the forged token is not well formed")
	}
	return text
}

// passwords counts the credentials that reach the sources with their slow hashes.
type passwords struct{ asked int }

func (p *passwords) Authenticate(context.Context, auth.Credential) (auth.Subject, error) {
	p.asked++
	return auth.Subject{}, auth.ErrBadCredential
}

// TestNoSlowHash holds that no token, good or bad, costs a password's hash, or is shown to a source of users.
func TestNoSlowHash(t *testing.T) {
	w := newWorld(t)
	good, slow := w.token("alice", nil, 0), &passwords{}
	login := auth.Login{Recognizers: []auth.Recognizer{w}, Passwords: slow}
	for name, text := range map[string]secret.Text{
		"good": good.Text, "unknown": auth.PersonalAccessTokens().New().Text, "forged": forge(t, good, auth.PersonalAccessTokens().New()),
		"mistyped": secret.New(good.Text.Reveal() + "x"),
	} {
		if _, err := login.Authenticate(t.Context(), auth.Credential{Name: "alice", Secret: text}); (err == nil) != (name == "good") {
			t.Errorf("%s: a login = %v", name, err)
		}
	}
	if slow.asked != 0 {
		t.Errorf("the sources of passwords are asked %d times, want never", slow.asked)
	}
	if _, _ = login.Authenticate(t.Context(), auth.Credential{Name: "alice", Secret: secret.New("password")}); slow.asked != 1 {
		t.Errorf("a password asks them %d times, want once", slow.asked)
	}
}

func TestLastUse(t *testing.T) {
	w := newWorld(t)
	key := w.token("alice", nil, 0)
	use := func(after time.Duration) (time.Time, string) {
		t.Helper()
		w.clock.Advance(after)
		if _, err := w.login("alice", key.Text); err != nil {
			t.Fatal(err)
		}
		got, err := w.store.PersonalAccessToken(t.Context(), key.ID)
		if err != nil {
			t.Fatal(err)
		}
		return got.LastUsedAt, got.LastUsedFrom
	}
	first := w.clock.Now()
	for _, row := range []struct {
		after   time.Duration
		want    time.Time
		touches int
	}{{0, first, 1}, {59 * time.Second, first, 1}, {time.Second, first.Add(time.Minute), 2}} {
		at, from := use(row.after)
		if !at.Equal(row.want) || from != "192.0.2.7" || w.store.touches != row.touches {
			t.Errorf("after %s the last use is %s from %q, noted %d times, want %s from 192.0.2.7, %d times", row.after, at, from, w.store.touches, row.want, row.touches)
		}
	}
}

func TestNarrow(t *testing.T) {
	w := newWorld(t)
	key := w.token("alice", pull(), time.Hour)
	alice, bob := w.people["alice"], w.people["bob@corp"]
	via := "pat:" + key.ID
	sub, err := w.Narrow(t.Context(), alice, via)
	login, loginErr := w.login("alice", key.Text)
	if err != nil || loginErr != nil || sub.SysAdmin || sub.Bounds == nil || !sub.Until.Equal(login.Until) || sub.Via != login.Via {
		t.Fatalf("Narrow() = %+v, %v, want the same as the login, %+v, %v", sub, err, login, loginErr)
	}
	refused := func(what string, sub auth.Subject, via string) {
		t.Helper()
		if got, err := w.Narrow(t.Context(), sub, via); !errors.Is(err, auth.ErrUnknownSubject) || !got.Anonymous() {
			t.Errorf("Narrow() of %s = %+v, %v, want ErrUnknownSubject", what, got, err)
		}
	}
	refused("another user", bob, via)
	refused("nobody", auth.Subject{}, via)
	refused("another kind of credential", alice, "robot:"+key.ID)
	refused("an unknown token", alice, "pat:nothing")
	w.store.down = errs.New(errs.Unavailable, "down")
	if _, err := w.Narrow(t.Context(), alice, via); !errs.Is(err, errs.Unavailable) {
		t.Errorf("Narrow() while the store is down = %v, want Unavailable", err)
	}
	w.store.down = nil
	w.clock.Advance(time.Hour)
	refused("a token that has ended", alice, via)
	w.clock.Advance(-time.Minute)
	if err := w.store.DeletePersonalAccessToken(t.Context(), key.ID); err != nil {
		t.Fatal(err)
	}
	refused("a revoked token", alice, via)
}

// TestCompareIsOnHashes holds that what the store keeps is no secret that could be presented.
func TestCompareIsOnHashes(t *testing.T) {
	w := newWorld(t)
	key := w.token("alice", nil, 0)
	kept, err := w.store.PersonalAccessToken(t.Context(), key.ID)
	if err != nil {
		t.Fatal(err)
	}
	if len(kept.SecretHash) != 32 || strings.Contains(key.Text.Reveal(), string(kept.SecretHash)) {
		t.Errorf("the store keeps %d bytes, want a SHA-256 of the secret", len(kept.SecretHash))
	}
}
