package htpasswd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/store/htpasswd"
)

// hash makes a cheap hash with the given prefix.
func hash(t testing.TB, prefix, password string, cost int) string {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if err != nil {
		t.Fatal(err)
	}
	return prefix + string(h[4:])
}

// logged is what a source says.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func write(t testing.TB, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, cfg htpasswd.Config, text string) (*htpasswd.Source, *logged, string) {
	t.Helper()
	cfg.File = filepath.Join(t.TempDir(), "users")
	write(t, cfg.File, text)
	said := &logged{}
	s, err := htpasswd.Open(t.Context(), cfg, slog.New(slog.NewTextHandler(said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, said, cfg.File
}

func login(s *htpasswd.Source, name, password string) (auth.Subject, error) {
	return s.Authenticate(context.Background(), auth.Credential{Name: name, Secret: secret.New(password)})
}

func TestAuthenticate(t *testing.T) {
	text := "# users\n\nAlice:" + hash(t, "$2y$", "correct horse", 4) + "\r\nbob:" + hash(t, "$2b$", "staple", 5) + "  \ncarol:" + hash(t, "$2a$", strings.Repeat("x", 72), 4)
	s, _, _ := open(t, htpasswd.Config{Admins: []string{"ALICE"}}, text)
	for _, row := range []struct {
		name, password string
		want           error
	}{
		{"Alice", "correct horse", nil},
		{"aLICE", "correct horse", nil},
		{"bob", "staple", nil},
		{"carol", strings.Repeat("x", 72), nil},
		{"carol", strings.Repeat("x", 80), nil}, // as htpasswd cuts them
		{"carol", strings.Repeat("x", 71), auth.ErrBadCredential},
		{"Alice", "correct", auth.ErrBadCredential},
		{"Alice", "", auth.ErrBadCredential},
		{"dora", "staple", auth.ErrUnknownSubject},
		{"", "", auth.ErrUnknownSubject},
		{"# users", "", auth.ErrUnknownSubject},
	} {
		sub, err := login(s, row.name, row.password)
		if !errors.Is(err, row.want) || (err == nil) != (row.want == nil) {
			t.Errorf("Authenticate(%q, %q) = %v, want %v", row.name, row.password, err, row.want)
		}
		if err == nil && (!strings.EqualFold(sub.Name, row.name) || sub.SysAdmin != (sub.Name == "Alice")) {
			t.Errorf("Authenticate(%q) = %+v, want the name as it stands in the file, Alice alone an administrator", row.name, sub)
		}
	}
	if _, err := s.Resolve(t.Context(), "dora"); !errors.Is(err, auth.ErrUnknownSubject) {
		t.Errorf("Resolve(dora) = %v, want ErrUnknownSubject", err)
	}
	if sub, err := s.Resolve(t.Context(), "alice"); err != nil || sub.Name != "Alice" || !sub.SysAdmin {
		t.Errorf("Resolve(alice) = %+v, %v, want Alice", sub, err)
	}
}

// TestRealFile reads lines that Apache's htpasswd 2.4 wrote, with -B and with -B -C 6.
func TestRealFile(t *testing.T) {
	s, _, _ := open(t, htpasswd.Config{}, `alice:$2y$05$paUJnXgo6JRKaZQ4iHaPceG8cbLKZ6ooazdRl.RLqQumbRotOjUYG
bob:$2y$06$BaUAWUqAdoA3A4OOVZpG9O/j8in6WBqqs3UJEvmdT0Li/CkNFr.L.
`)
	for _, name := range []string{"alice", "bob"} {
		if _, err := login(s, name, "correct horse"); err != nil {
			t.Errorf("Authenticate(%s) = %v, want no error", name, err)
		}
	}
}

func TestFaultsNameTheLine(t *testing.T) {
	good := hash(t, "$2y$", "x", 4)
	for _, row := range []struct{ text, want string }{
		{"alice:" + good + "\nbob:$apr1$lZL6V/ci$eIMz/iKDkbtys/uU7LEK00\n", `:2: the hash of "bob" is MD5`},
		{"alice:{SHA}fEqNCco3Yq9h5ZUglD3CZJT4lBs=", `:1: the hash of "alice" is SHA-1`},
		{"alice:$6$salt$abc", `:1: the hash of "alice" is SHA-2 crypt`},
		{"alice:$2x$" + good[4:], `:1: the hash of "alice" is of a broken bcrypt`},
		{"alice:rqXexS6ZhobKA", `:1: the hash of "alice" is crypt or plain text`},
		{"alice:", `:1: the hash of "alice" is empty`},
		{"alice", ":1: the line has no colon"},
		{":" + good, ":1: the user has no name"},
		{"al\xffice:" + good, ":1: the name is not UTF-8"},
		{"alice:" + good + "x", `:1: the hash of "alice" is not whole`},
		{"alice:" + good[:59], `:1: the hash of "alice" is not whole`},
		{"alice:" + good[:59] + "!", `:1: the hash of "alice" is not whole`},
		{"alice:$2y$31" + good[6:], `:1: the hash of "alice" has the cost 31`},
		{"alice:$2y$xx" + good[6:], `:1: the hash of "alice" is not whole`},
		{"alice:" + good + "\n\n# x\nALICE:" + good, `:4: the user "ALICE" is there already`},
	} {
		file := filepath.Join(t.TempDir(), "users")
		write(t, file, row.text)
		s, err := htpasswd.Open(t.Context(), htpasswd.Config{File: file}, slog.New(slog.DiscardHandler))
		if err == nil {
			_ = s.Close()
		}
		fault, ok := errors.AsType[*htpasswd.Fault](err)
		if !ok || !strings.HasPrefix(err.Error(), file+row.want) || fault.Remedy == "" {
			t.Errorf("Open with %q = %v, want %q and a remedy", row.text, err, row.want)
		}
		if err != nil && strings.Contains(err.Error(), good[20:50]) {
			t.Errorf("Open with %q quotes the hash: %v", row.text, err)
		}
	}
}

// eventually waits for what happens in the background.
func eventually(t *testing.T, what string, fn func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if fn() {
			return
		}
	}
	t.Fatalf("not within 20 s: %s", what)
}

func TestChangesCount(t *testing.T) {
	alice, bob := "alice:"+hash(t, "$2y$", "one", 4)+"\n", "bob:"+hash(t, "$2y$", "two", 4)+"\n"
	s, said, file := open(t, htpasswd.Config{}, alice)
	write(t, file, alice+bob)
	eventually(t, "bob signs in", func() bool { _, err := login(s, "bob", "two"); return err == nil })
	write(t, file, "alice:plain\n")
	eventually(t, "a line about the bad file", func() bool { return strings.Contains(said.String(), "stay as they were") })
	if !strings.Contains(said.String(), file+":1: ") {
		t.Errorf("the log says %s, want file and line", said)
	}
	if _, err := login(s, "bob", "two"); err != nil {
		t.Errorf("Authenticate with a bad file = %v, want the users as they were", err)
	}
	// An editor puts a new file in the old one's place.
	write(t, file+".new", bob)
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
	eventually(t, "alice is gone", func() bool { _, err := login(s, "alice", "one"); return errors.Is(err, auth.ErrUnknownSubject) })
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a line about the lost file", func() bool { return strings.Count(said.String(), "stay as they were") == 2 })
	if _, err := login(s, "bob", "two"); err != nil {
		t.Errorf("Authenticate without a file = %v, want the users as they were", err)
	}
}

// TestUnknownNamesCostTheSame compares the least of some runs: noise only adds.
func TestUnknownNamesCostTheSame(t *testing.T) {
	s, _, _ := open(t, htpasswd.Config{}, "cheap:"+hash(t, "$2y$", "x", 4)+"\ndear:"+hash(t, "$2y$", "x", 8)+"\n")
	least := func(name string) time.Duration {
		best := time.Hour
		for range 15 {
			begin := time.Now()
			_, _ = login(s, name, "wrong")
			best = min(best, time.Since(begin))
		}
		return best
	}
	dear, cheap, unknown := least("dear"), least("cheap"), least("nobody")
	for name, d := range map[string]time.Duration{"cheap": cheap, "unknown": unknown} {
		if d < dear/3 || d > dear*3 { // without the extra work it is a sixteenth
			t.Errorf("a wrong password takes %s, the %s user %s, want about the same", dear, name, d)
		}
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	s, _, _ := open(t, htpasswd.Config{}, "alice:"+hash(t, "$2y$", "x", 4)+"\n")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Authenticate(ctx, auth.Credential{Name: "alice", Secret: secret.New("x")}); !errors.Is(err, context.Canceled) {
		t.Errorf("Authenticate after the client left = %v, want Canceled", err)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add("alice:" + hash(f, "$2y$", "x", 4) + "\nbob:$apr1$x\n")
	f.Add("\ufeff# x\r\n:\n\x00:$2y$04$")
	file := filepath.Join(f.TempDir(), "users")
	f.Fuzz(func(t *testing.T, text string) {
		write(t, file, text)
		s, err := htpasswd.Open(t.Context(), htpasswd.Config{File: file}, slog.New(slog.DiscardHandler))
		if err != nil {
			if _, ok := errors.AsType[*htpasswd.Fault](err); !ok {
				t.Errorf("Open with %q = %v, want a fault with its line", text, err)
			}
			return
		}
		defer func() { _ = s.Close() }()
		for line := range strings.Lines(text) {
			name, _, _ := strings.Cut(line, ":")
			if sub, err := s.Resolve(t.Context(), name); err == nil && sub.Name == "" {
				t.Errorf("Resolve(%q) = %+v, want a name", name, fmt.Sprint(sub))
			}
		}
	})
}
