package userdb_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/sqlstore"
	"github.com/sealock/sealock/store/sqlstore/sqlstoretest"
	"github.com/sealock/sealock/store/userdb"
)

func open(t testing.TB) *sqlstore.Store {
	t.Helper()
	return sqlstoretest.Open(t)
}

// phc makes a hash with given parameters, as another program would.
func phc(password string, m, t uint32, p uint8, salt string, length uint32) string {
	key := argon2.IDKey([]byte(password), []byte(salt), t, m, p, length)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", m, t, p, b64.EncodeToString([]byte(salt)), b64.EncodeToString(key))
}

func TestHash(t *testing.T) {
	ctx := t.Context()
	h := userdb.NewHasher(0)
	hash, err := h.Hash(ctx, secret.New("correct horse"))
	if err != nil {
		t.Fatalf("Hash = %v", err)
	}
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("Hash = %q, want argon2id with m=19456,t=2,p=1", hash)
	}
	if again, _ := h.Hash(ctx, secret.New("correct horse")); again == hash {
		t.Error("Hash of one password twice is the same, want another salt")
	}
	for password, want := range map[string]userdb.Verdict{
		"correct horse":  {Match: true},
		"correct horse ": {},
		"Correct horse":  {},
		"":               {},
	} {
		if got, err := h.Verify(ctx, hash, secret.New(password)); got != want || err != nil {
			t.Errorf("Verify(%q) = %+v, %v, want %+v", password, got, err, want)
		}
	}
}

// TestVerifyForeign reads hashes that other programs made, among them one of the reference implementation's own tests.
func TestVerifyForeign(t *testing.T) {
	h := userdb.NewHasher(1)
	for _, row := range []struct {
		name, hash, password string
		want                 userdb.Verdict
	}{
		{"the reference implementation", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "password", userdb.Verdict{Match: true, Outdated: true}},
		{"smaller memory", phc("password", 4096, 3, 1, "0123456789abcdef", 32), "password", userdb.Verdict{Match: true, Outdated: true}},
		{"more threads", phc("password", 8192, 1, 4, "0123456789abcdef", 32), "password", userdb.Verdict{Match: true, Outdated: true}},
		{"short salt and key", phc("password", 1024, 1, 1, "saltsalt", 16), "password", userdb.Verdict{Match: true, Outdated: true}},
		{"wrong password", phc("password", 1024, 1, 1, "saltsalt", 16), "passwort", userdb.Verdict{Outdated: true}},
		{"a password longer than any", phc("password", 1024, 1, 1, "saltsalt", 16), strings.Repeat("x", 129), userdb.Verdict{Outdated: true}},
	} {
		if got, err := h.Verify(t.Context(), row.hash, secret.New(row.password)); got != row.want || err != nil {
			t.Errorf("Verify with %s = %+v, %v, want %+v", row.name, got, err, row.want)
		}
	}
}

func TestVerifyBadHashes(t *testing.T) {
	h := userdb.NewHasher(1)
	good := phc("password", 1024, 1, 1, "saltsalt", 16)
	for _, bad := range []string{
		"", "$", "password", "$2y$10$abcdefghijklmnopqrstuv", strings.Replace(good, "argon2id", "argon2i", 1),
		strings.Replace(good, "v=19", "v=16", 1), strings.Replace(good, "m=1024", "m=4294967295", 1),
		strings.Replace(good, "m=1024", "m=262145", 1), strings.Replace(good, "m=1024", "m=7", 1),
		strings.Replace(good, "m=1024", "m=0", 1), strings.Replace(good, "m=1024", "m=+1024", 1),
		strings.Replace(good, "m=1024", "m=99999999999", 1), strings.Replace(good, "t=1", "t=0", 1),
		strings.Replace(good, "t=1", "t=17", 1), strings.Replace(good, "p=1", "p=0", 1), strings.Replace(good, "p=1", "p=17", 1),
		strings.Replace(good, "p=1", "p=1,x=2", 1), strings.Replace(good, "p=1", "p=1 ", 1), good + "$", good + "=", good[:len(good)-10],
		phc("password", 1024, 1, 1, "short", 16), phc("password", 1024, 1, 1, "saltsalt", 15), phc("password", 1024, 1, 1, "saltsalt", 65),
		phc("password", 1024, 1, 1, strings.Repeat("s", 65), 16),
	} {
		got, err := h.Verify(t.Context(), bad, secret.New("password"))
		if err == nil || got.Match {
			t.Errorf("Verify with hash %q = %+v, %v, want an error", bad, got, err)
		}
		if err != nil && len(bad) > 20 && strings.Contains(err.Error(), bad[len(bad)-10:]) {
			t.Errorf("Verify with a bad hash says %q, want an error that does not quote it", err)
		}
	}
}

func TestCheckPassword(t *testing.T) {
	for _, row := range []struct {
		password string
		want     string // a part of the error; "" for none
	}{
		{"", "shorter than 8 characters"},
		{"1234567", "shorter than 8 characters"},
		{"12345678", ""},
		{"pässwör", "shorter than 8 characters"},
		{"日本語日本語日本", ""},
		{strings.Repeat("a", 128), ""},
		{strings.Repeat("é", 128), ""},
		{strings.Repeat("a", 129), "longer than 128 characters"},
		{"with\x00nul-in-it", "NUL"},
		{"not\xffutf-8-at-all", "UTF-8"},
		{"        ", ""},
	} {
		err := userdb.CheckPassword(secret.New(row.password))
		if row.want == "" && err != nil || row.want != "" && (!errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), row.want)) {
			t.Errorf("CheckPassword(%q) = %v, want %q", row.password, err, row.want)
		}
	}
	if _, err := userdb.NewHasher(1).Hash(t.Context(), secret.New("short")); !errs.Is(err, errs.Invalid) {
		t.Errorf("Hash of a short password = %v, want Invalid", err)
	}
}

func TestCheckName(t *testing.T) {
	for _, good := range []string{
		"a", "alice", "Alice", "alice.liddell", "alice_liddell", "alice-liddell", "alice+ci", "42", "élodie", "Алиса", "αλίκη",
		"爱丽丝", "アリス", "ali(ce)", "a!b", strings.Repeat("a", 255), strings.Repeat("é", 255), "爱Alice", "..",
	} {
		if err := userdb.CheckName(good); err != nil {
			t.Errorf("CheckName(%q) = %v, want no error", good, err)
		}
	}
	bad := []string{
		"", strings.Repeat("a", 256), "-alice", "a b", " a", "a ", "a\tb", "a\nb", "a\x00b", "a\x7fb", "a\xffb", "a\u00a0b", "a\u200bb", "a\u202eb",
		"a\ufeffb", "a\u3164b", "a\u115fb", "a\u00adb", "a\ufe0fb", "ａlice", "ﬁona", "A\u030alice", "аdmin", "αlice", "admіn",
	}
	for _, c := range `,"~#%$:/\@*?'` + "`|<>&;" {
		bad = append(bad, "a"+string(c)+"b", string(c))
	}
	for _, name := range bad {
		err := userdb.CheckName(name)
		if !errs.Is(err, errs.Invalid) {
			t.Errorf("CheckName(%q) = %v, want Invalid", name, err)
			continue
		}
		if errs.As(err).Hint == "" {
			t.Errorf("CheckName(%q) = %v, want a remedy", name, err)
		}
	}
}

func TestAuthenticate(t *testing.T) {
	ctx := t.Context()
	s := open(t)
	h := userdb.NewHasher(2)
	src := userdb.New("local", s, h)
	hash, err := h.Hash(ctx, secret.New("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	alice, err := s.CreateUser(ctx, store.User{Name: "Alice", PasswordHash: hash, SysAdmin: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range []store.User{{Name: "elsewhere"}, {Name: "broken", PasswordHash: "$argon2id$rubbish"}} {
		if _, err := s.CreateUser(ctx, u); err != nil {
			t.Fatal(err)
		}
	}
	want := auth.Subject{Name: "Alice", ID: alice.ID, SysAdmin: true, Source: "local"}
	for _, row := range []struct {
		name, password string
		want           error
	}{
		{"Alice", "correct horse", nil},
		{"aLICE", "correct horse", nil},
		{"Alice", "wrong horse", auth.ErrBadCredential},
		{"Alice", "", auth.ErrBadCredential},
		{"Alice", strings.Repeat("x", 1<<20), auth.ErrBadCredential},
		{"bob", "correct horse", auth.ErrUnknownSubject},
		{"", "", auth.ErrUnknownSubject},
		{"Ali\x00ce", "correct horse", auth.ErrUnknownSubject},
		{"Alice\xff", "correct horse", auth.ErrUnknownSubject},
		{"elsewhere", "", auth.ErrUnknownSubject}, // has no password here
	} {
		got, err := src.Authenticate(ctx, auth.Credential{Name: row.name, Secret: secret.New(row.password)})
		if !errors.Is(err, row.want) || (err != nil) != (row.want != nil) {
			t.Errorf("Authenticate(%q) = %v, want %v", row.name, err, row.want)
		}
		if row.want == nil && (got.Name != want.Name || got.ID != want.ID || !got.SysAdmin || got.Source != "local") {
			t.Errorf("Authenticate(%q) = %+v, want %+v", row.name, got, want)
		}
		if row.want != nil && (!got.Anonymous() || got.ID != 0 || got.SysAdmin) {
			t.Errorf("Authenticate(%q) = %+v with an error, want nobody", row.name, got)
		}
	}
	if auth.ErrUnknownSubject.Public() != auth.ErrBadCredential.Public() {
		t.Error("an unknown user and a wrong password read differently")
	}
	_, err = src.Authenticate(ctx, auth.Credential{Name: "broken", Secret: secret.New("x")})
	if err == nil || errors.Is(err, auth.ErrUnknownSubject) || errors.Is(err, auth.ErrBadCredential) {
		t.Errorf("Authenticate with a broken hash = %v, want another error", err)
	}
}

func TestResolve(t *testing.T) {
	ctx := t.Context()
	s := open(t)
	src := userdb.New("local", s, userdb.NewHasher(1))
	alice, err := s.CreateUser(ctx, store.User{Name: "Alice", PasswordHash: "x"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := src.Resolve(ctx, "alice")
	if err != nil || got.Name != "Alice" || got.ID != alice.ID || got.SysAdmin {
		t.Errorf("Resolve = %+v, %v, want alice", got, err)
	}
	if _, err := s.UpdateUser(ctx, alice.ID, func(u *store.User) error { u.SysAdmin = true; return nil }); err != nil {
		t.Fatal(err)
	}
	if got, _ := src.Resolve(ctx, "alice"); !got.SysAdmin {
		t.Error("Resolve after a promotion: no system administrator, want one")
	}
	for _, name := range []string{"", "bob", "ali\x00ce"} {
		if _, err := src.Resolve(ctx, name); !errors.Is(err, auth.ErrUnknownSubject) {
			t.Errorf("Resolve(%q) = %v, want ErrUnknownSubject", name, err)
		}
	}
}

// TestStoreDown holds that a source that can't answer never says that a user is unknown: another source would be asked.
func TestStoreDown(t *testing.T) {
	s := open(t)
	_ = s.Close()
	src := userdb.New("local", s, userdb.NewHasher(1))
	_, err := src.Authenticate(t.Context(), auth.Credential{Name: "alice"})
	if err == nil || errs.KindOf(err) == errs.Unauthenticated {
		t.Errorf("Authenticate with a closed store = %v, want an error of another kind", err)
	}
	if _, err := src.Resolve(t.Context(), "alice"); err == nil || errs.KindOf(err) == errs.Unauthenticated {
		t.Errorf("Resolve with a closed store = %v, want an error of another kind", err)
	}
}

func TestOldHashIsRenewed(t *testing.T) {
	ctx := t.Context()
	s := open(t)
	src := userdb.New("local", s, userdb.NewHasher(1))
	old := phc("correct horse", 1024, 1, 1, "saltsalt", 32)
	u, err := s.CreateUser(ctx, store.User{Name: "alice", PasswordHash: old})
	if err != nil {
		t.Fatal(err)
	}
	login := func(password string) error {
		_, err := src.Authenticate(ctx, auth.Credential{Name: "alice", Secret: secret.New(password)})
		return err
	}
	if err := login("wrong horse"); !errors.Is(err, auth.ErrBadCredential) {
		t.Errorf("Authenticate with a wrong password = %v", err)
	}
	if u, _ = s.User(ctx, u.ID); u.PasswordHash != old {
		t.Error("a wrong password renews the hash")
	}
	for range 2 {
		if err := login("correct horse"); err != nil {
			t.Errorf("Authenticate = %v, want no error", err)
		}
	}
	if u, _ = s.User(ctx, u.ID); !strings.HasPrefix(u.PasswordHash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hash after a login = %q, want today's parameters", u.PasswordHash)
	}
}

// TestAtMostSoManyHashes occupies the only slot and lets somebody else wait in vain.
func TestAtMostSoManyHashes(t *testing.T) {
	h := userdb.NewHasher(1)
	slow := phc("password", 256<<10, 8, 1, "saltsalt", 32)
	busy, begun := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(busy)
		close(begun)
		_, _ = h.Verify(context.Background(), slow, secret.New("password"))
	}()
	<-begun
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	for ctx.Err() == nil { // until the other one has the slot, this one may
		if err := h.Waste(ctx, secret.New("x")); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Waste = %v", err)
		}
	}
	if _, err := h.Hash(ctx, secret.New("correct horse")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Hash while the only slot is taken = %v, want the context's error", err)
	}
	<-busy
	if err := h.Waste(t.Context(), secret.New("x")); err != nil {
		t.Errorf("Waste when the slot is free = %v, want no error", err)
	}
}

func FuzzVerify(f *testing.F) {
	f.Add(phc("password", 64, 1, 1, "saltsalt", 16))
	f.Add("$argon2id$v=19$m=99999999999,t=2,p=1$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA")
	f.Add("$argon2id$v=19$m=,t=,p=$$")
	h := userdb.NewHasher(1)
	f.Fuzz(func(t *testing.T, hash string) {
		if strings.Contains(hash, "m=") && len(hash) > 30 { // keep what is valid cheap: only the parser is of interest
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, _ = h.Verify(ctx, hash, secret.New("password"))
			return
		}
		if v, err := h.Verify(t.Context(), hash, secret.New("other")); err == nil && v.Match {
			t.Errorf("Verify(%q) matches", hash)
		}
	})
}

func FuzzCheckName(f *testing.F) {
	f.Add("alice")
	f.Add("аdmin\u200b")
	f.Fuzz(func(t *testing.T, name string) {
		if userdb.CheckName(name) != nil {
			return
		}
		if strings.ContainsAny(name, ":/@\x00 \n") || name == "" {
			t.Errorf("CheckName(%q) = no error, want one", name)
		}
		if key := store.NameKey(name); key == "" || store.NameKey(key) != key {
			t.Errorf("NameKey(%q) = %q, want a key that is its own key", name, key)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	h := userdb.NewHasher(0)
	hash, err := h.Hash(b.Context(), secret.New("correct horse"))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := h.Verify(b.Context(), hash, secret.New("correct horse")); err != nil {
			b.Fatal(err)
		}
	}
}
