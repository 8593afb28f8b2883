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
	"slices"
	"strings"
	"testing"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/settings"
	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/sqlstore"
	"github.com/sealock/sealock/store/sqlstore/sqlstoretest"
	"github.com/sealock/sealock/store/userdb"
)

// fakeSource is a source of users with passwords in clear.
type fakeSource struct {
	passwords map[string]string
	admins    map[string]bool
	groups    []string
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
	return auth.Subject{Name: name, SysAdmin: t.admins[name], Groups: t.groups}, nil
}

func (t *fakeSource) Close() error { return nil }

// sourcesWorld is a database with a user alice and a source corp with another one.
func sourcesWorld(t *testing.T) (*sqlstore.Store, *fakeSource, auth.Chain, resolvers) {
	t.Helper()
	st := sqlstoretest.Open(t)
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
		text = strings.ReplaceAll(text, "client_secret_file:", "client_secret:")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := settings.Load(settings.Sources{File: file, SourceTypes: sourceTypes()}); err != nil {
			t.Errorf("Load() of\n%s= %v", text, err)
		}
	}
}

// TestGroupsOfSubjects holds that a subject has the groups kept here and those of its own source that are known, from
// a login and from a token, whatever other sources call theirs.
func TestGroupsOfSubjects(t *testing.T) {
	st, corp, chain, users := sourcesWorld(t)
	ctx := t.Context()
	corp.groups = []string{"dev", "unheard-of"}
	make1 := func(g store.Group) store.Group {
		t.Helper()
		made, err := st.CreateGroup(ctx, g)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	dev := make1(store.Group{Name: "dev", Type: store.GroupHTTP, Source: "corp", Key: "dev"})
	make1(store.Group{Name: "dev", Type: store.GroupOIDC, Source: "sso", Key: "dev"})
	local := make1(store.Group{Name: "dev"}) // no group of corp's may take its place
	for name, password := range map[string]string{"alice": "local-password", "bob": "corp-password"} {
		sub, err := enter(t, chain, name, password)
		if err != nil {
			t.Fatal(err)
		}
		want := []int64(nil)
		if sub.Source == "corp" {
			want = []int64{dev.ID}
		}
		if !slices.Equal(sub.GroupIDs, want) {
			t.Errorf("groups of %s after a login = %v, want %v", sub.Name, sub.GroupIDs, want)
		}
		if err := st.AddGroupMember(ctx, local.ID, sub.ID); err != nil {
			t.Fatal(err)
		}
		now, err := users.Resolve(ctx, sub.Name)
		if want = append(want, local.ID); err != nil || !slices.Equal(now.GroupIDs, want) {
			t.Errorf("groups of %s with a token = %v, %v, want %v", sub.Name, now.GroupIDs, err, want)
		}
	}
}

// TestInGroup tells whom a change of a group concerns.
func TestInGroup(t *testing.T) {
	change := store.Change{Kind: store.GroupChanged, GroupID: 7, Source: "corp", GroupKey: "dev"}
	for name, row := range map[string]struct {
		sub  auth.Subject
		want bool
	}{
		"who is in it":                   {auth.Subject{GroupIDs: []int64{3, 7}}, true},
		"whose source has just named it": {auth.Subject{Source: "corp", Groups: []string{"dev"}}, true},
		"another source":                 {auth.Subject{Source: "sso", Groups: []string{"dev"}}, false},
		"another group":                  {auth.Subject{Source: "corp", Groups: []string{"ops"}, GroupIDs: []int64{8}}, false},
		"nobody":                         {auth.Subject{}, false},
	} {
		if got := inGroup(change)(row.sub); got != row.want {
			t.Errorf("inGroup of %s = %v, want %v", name, got, row.want)
		}
	}
	if inGroup(store.Change{GroupID: 7, GroupKey: "dev"})(auth.Subject{Groups: []string{"dev"}}) {
		t.Error("a group that is kept here concerns somebody whose source has one of its name")
	}
}

// TestImport makes records before the first login, which then is the same user's.
func TestImport(t *testing.T) {
	st, corp, chain, users := sourcesWorld(t)
	a := users.accounts["corp"]
	if err := a.Import(t.Context(), "bob"); err != nil {
		t.Fatal(err)
	}
	u, err := st.UserByName(t.Context(), "bob@corp")
	if err != nil || u.PasswordHash != "" || u.SysAdmin {
		t.Fatalf("imported user = %+v, %v, want a record without a password", u, err)
	}
	if err := a.Import(t.Context(), "bob"); err != nil {
		t.Errorf("Import again = %v, want no error", err)
	}
	if sub, err := enter(t, chain, "bob", "corp-password"); err != nil || sub.ID != u.ID {
		t.Errorf("bob's first login = %+v, %v, want the imported user", sub, err)
	}
	for name, want := range map[string]errs.Kind{"nobody": errs.NotFound, "": errs.NotFound, "x\x00": errs.NotFound, "b ob": errs.Invalid} {
		if err := a.Import(t.Context(), name); !errs.Is(err, want) {
			t.Errorf("Import(%q) = %v, want kind %v", name, err, want)
		}
	}
	corp.down = true
	if err := a.Import(t.Context(), "alice"); err == nil || errs.Is(err, errs.NotFound) {
		t.Errorf("Import from a source that is down = %v, want an error that is no NotFound", err)
	}
}
