package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/settings"
	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/sqlstore"
	"github.com/sealock/sealock/store/userdb"
)

// fakeSource is a source of users with passwords in clear.
type fakeSource struct {
	passwords map[string]string
	admins    map[string]bool
	down      bool
}

func (t *fakeSource) Authenticate(ctx context.Context, c auth.Credential) (auth.Subject, error) {
	sub, err := t.Resolve(ctx, c.Name)
	if err == nil && t.passwords[c.Name] != c.Secret.Reveal() {
		return auth.Subject{}, auth.ErrBadCredential
	}
	return sub, err
}

func (t *fakeSource) Resolve(_ context.Context, name string) (auth.Subject, error) {
	if t.down {
		return auth.Subject{}, errors.New("connection refused")
	}
	if _, ok := t.passwords[name]; !ok {
		return auth.Subject{}, auth.ErrUnknownSubject
	}
	return auth.Subject{Name: name, SysAdmin: t.admins[name]}, nil
}

func (t *fakeSource) Close() error { return nil }

// sourcesWorld is a database with a user alice and a source corp with another one.
func sourcesWorld(t *testing.T) (*sqlstore.Store, *fakeSource, auth.Chain, resolvers) {
	t.Helper()
	st, err := sqlstore.Open(t.Context(), filepath.Join(t.TempDir(), "sealock.db"), sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	hasher := userdb.NewHasher(1)
	hash, err := hasher.Hash(t.Context(), secret.New("local-password"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.CreateUser(t.Context(), store.User{Name: "alice", PasswordHash: hash, SysAdmin: true}); err != nil {
		t.Fatal(err)
	}
	corp := &fakeSource{passwords: map[string]string{"alice": "corp-password", "bob": "corp-password", "b ob": "corp-password", "boss": "corp-password"}, admins: map[string]bool{"boss": true}}
	a := newAccounts("corp", corp, st, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = a.Close() })
	database := databaseUsers{users: userdb.New("database", st, hasher), store: st}
	chain := auth.Chain{{Name: "database", Authenticator: database}, {Name: "corp", Authenticator: a}}
	return st, corp, chain, resolvers{database: database, accounts: map[string]*accounts{"corp": a}}
}

func enter(t *testing.T, chain auth.Chain, name, password string) (auth.Subject, error) {
	t.Helper()
	return chain.Authenticate(t.Context(), auth.Credential{Name: name, Secret: secret.New(password)})
}

func TestUsersOfOtherSourcesHaveNamesOfTheirOwn(t *testing.T) {
	st, _, chain, users := sourcesWorld(t)
	local, err := enter(t, chain, "alice", "local-password")
	if err != nil || local.Name != "alice" || !local.SysAdmin {
		t.Fatalf("alice of the database = %+v, %v", local, err)
	}
	if _, err := enter(t, chain, "alice", "corp-password"); !errors.Is(err, auth.ErrBadCredential) {
		t.Errorf("corp's password for the database's alice = %v, want ErrBadCredential", err)
	}
	other, err := enter(t, chain, "alice@corp", "corp-password")
	if err != nil || other.Name != "alice@corp" || other.ID == local.ID || other.ID == 0 || other.SysAdmin || other.Source != "corp" {
		t.Errorf("alice of corp = %+v, %v, want another user without rights", other, err)
	}
	bob, err := enter(t, chain, "bob", "corp-password")
	if err != nil || bob.Name != "bob@corp" {
		t.Errorf("bob = %+v, %v, want bob@corp", bob, err)
	}
	again, err := enter(t, chain, "bob@corp", "corp-password")
	if err != nil || again.ID != bob.ID || !again.Since.Equal(bob.Since) {
		t.Errorf("bob's second login = %+v, %v, want the same user", again, err)
	}
	if _, err := enter(t, chain, "b ob", "corp-password"); !errors.Is(err, auth.ErrBadCredential) {
		t.Errorf("a name that can't be kept = %v, want ErrBadCredential", err)
	}
	for name, want := range map[string]int64{"alice": local.ID, "alice@corp": other.ID, "ALICE@corp": other.ID, "bob@corp": bob.ID} {
		if got, err := users.Resolve(t.Context(), name); err != nil || got.ID != want {
			t.Errorf("Resolve(%q) = %+v, %v, want id %d", name, got, err, want)
		}
	}
	for _, name := range []string{"", "bob", "boss@corp", "alice@elsewhere", "alice@", "alice@database", "@corp"} {
		if got, err := users.Resolve(t.Context(), name); !errors.Is(err, auth.ErrUnknownSubject) {
			t.Errorf("Resolve(%q) = %+v, %v, want ErrUnknownSubject", name, got, err)
		}
	}
	_ = st
}

// TestARecordIsNoWayIn holds that a password in the record of another source's user opens nothing: whoever may set
// passwords would be anybody.
func TestARecordIsNoWayIn(t *testing.T) {
	st, corp, chain, users := sourcesWorld(t)
	boss, err := enter(t, chain, "boss", "corp-password")
	if err != nil || !boss.SysAdmin {
		t.Fatalf("boss = %+v, %v, want a system administrator", boss, err)
	}
	hash, err := userdb.NewHasher(1).Hash(t.Context(), secret.New("planted-password"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.UpdateUser(t.Context(), boss.ID, func(u *store.User) error { u.PasswordHash = hash; return nil }); err != nil {
		t.Fatal(err)
	}
	without := chain[:1]
	for _, name := range []string{"boss@corp", "boss", "boss@corp@database"} {
		for _, c := range []auth.Chain{chain, without} {
			if sub, err := enter(t, c, name, "planted-password"); !errors.Is(err, auth.ErrBadCredential) {
				t.Errorf("Authenticate(%q) with a planted password = %+v, %v, want ErrBadCredential", name, sub, err)
			}
		}
	}
	if _, err := (resolvers{database: users.database}).Resolve(t.Context(), "boss@corp"); !errors.Is(err, auth.ErrUnknownSubject) {
		t.Errorf("Resolve of a source that is no more = %v, want ErrUnknownSubject", err)
	}
	_ = corp
}

func TestDeletedUsersStartAnew(t *testing.T) {
	st, corp, chain, users := sourcesWorld(t)
	bob, err := enter(t, chain, "bob", "corp-password")
	if err != nil {
		t.Fatal(err)
	}
	if err := st.DeleteUser(t.Context(), bob.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := users.Resolve(t.Context(), "bob@corp"); !errors.Is(err, auth.ErrUnknownSubject) {
		t.Errorf("Resolve of a deleted user = %v, want ErrUnknownSubject", err)
	}
	again, err := enter(t, chain, "bob", "corp-password")
	if err != nil || again.ID == bob.ID {
		t.Errorf("login after the deletion = %+v, %v, want another id than %d", again, err, bob.ID)
	}
	users.accounts["corp"].known.InvalidateAll()
	corp.down = true
	if _, err := users.Resolve(t.Context(), "bob@corp"); !errs.Is(err, errs.Unavailable) {
		t.Errorf("Resolve while the source is down = %v, want Unavailable", err)
	}
	corp.down = false
	delete(corp.passwords, "bob")
	if _, err := users.Resolve(t.Context(), "bob@corp"); !errors.Is(err, auth.ErrUnknownSubject) {
		t.Errorf("Resolve of a user that the source dropped = %v, want ErrUnknownSubject", err)
	}
}

var updateDocs = flag.Bool("update-docs", false, "write the tables of docs/sources.md anew")

// TestSourcesAreDocumented holds the tables of docs/sources.md to the structs.
func TestSourcesAreDocumented(t *testing.T) {
	const page = "../../docs/sources.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	for name, k := range sourceKinds() {
		table := sourceTable(k.defaults)
		if table == "" {
			continue
		}
		before, rest, ok := strings.Cut(want, "<!-- "+name+" -->\n")
		_, after, ended := strings.Cut(rest, "<!-- end -->")
		if !ok || !ended {
			t.Fatalf("docs/sources.md has no place for the settings of %s", name)
		}
		want = before + "<!-- " + name + " -->\n" + table + "<!-- end -->" + after
	}
	if *updateDocs {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(text) {
		t.Error("docs/sources.md is not what the structs say: go test ./cmd/sealock -run TestSourcesAreDocumented -update-docs")
	}
}

func sourceTable(defaults any) string {
	v := reflect.ValueOf(defaults)
	if v.NumField() == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("| key | default | meaning |\n|---|---|---|\n")
	for i := range v.NumField() {
		value := fmt.Sprint(v.Field(i).Interface())
		if v.Field(i).IsZero() {
			value = ""
		} else {
			value = "`" + value + "`"
		}
		tag := v.Type().Field(i).Tag
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", tag.Get("koanf"), value, tag.Get("doc"))
	}
	return b.String()
}

// TestExamplesOfSources reads the settings in docs/sources.md as 'sealock check' does.
func TestExamplesOfSources(t *testing.T) {
	page, err := os.ReadFile("../../docs/sources.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := strings.Split(string(page), "```yaml\n")[1:]
	if len(examples) == 0 {
		t.Fatal("docs/sources.md has no example")
	}
	for _, example := range examples {
		text, _, _ := strings.Cut(example, "```")
		if !strings.HasPrefix(text, "sources:") {
			text = "sources:\n" + text
		}
		file := filepath.Join(t.TempDir(), "sealock.yaml")
		text = strings.ReplaceAll(text, "bind_password_file:", "bind_password:")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := settings.Load(settings.Sources{File: file, SourceTypes: sourceTypes()}); err != nil {
			t.Errorf("Load() of\n%s= %v", text, err)
		}
	}
}
