package htpasswd

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/crypto/bcrypt"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/store"
)

// Config is what a source of this type has to set.
type Config struct {
	File   string   `koanf:"file" doc:"The file, as htpasswd -B makes it."`
	Admins []string `koanf:"admins" doc:"Users of the file who are system administrators."`
}

// Check says what can't work.
func (c Config) Check(report func(key, what, remedy string)) {
	if c.File == "" {
		report("file", "is missing", "name the file that htpasswd -B made")
	}
}

// How soon a change is noticed: at once by a report of the operating system, after poll without one. Within debounce,
// whoever writes the file may finish.
const (
	debounce = 100 * time.Millisecond
	poll     = 5 * time.Second
)

// Source answers from a file. It is safe for concurrent use.
type Source struct {
	cfg    Config
	log    *slog.Logger
	admins []string // by store.NameKey
	users  atomic.Pointer[users]
	slots  chan struct{}
	stop   context.CancelFunc
	done   sync.WaitGroup

	// Sums of texts; only watch uses them after Open.
	seen  [sha256.Size]byte // the last one
	tried [sha256.Size]byte // the last one that was taken for a whole file, good or bad
}

var (
	_ auth.Authenticator = (*Source)(nil)
	_ auth.Resolver      = (*Source)(nil)
)

// Open reads the file and watches it until Close. A file that can't be used from the start is an error; one that
// becomes so later leaves the users as they were, and a line in the log.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (*Source, error) {
	s := &Source{cfg: cfg, log: log, slots: make(chan struct{}, runtime.GOMAXPROCS(0))}
	for _, name := range cfg.Admins {
		s.admins = append(s.admins, store.NameKey(name))
	}
	text, sum, err := s.look()
	if err == nil {
		err = s.use(text)
	}
	if err != nil {
		return nil, err
	}
	s.tried = sum
	watching, cancel := context.WithCancel(context.WithoutCancel(ctx)) // the watch outlives the start
	s.stop = cancel
	s.done.Go(func() { s.watch(watching) })
	return s, nil
}

// Close ends the watch.
func (s *Source) Close() error {
	s.stop()
	s.done.Wait()
	return nil
}

// Authenticate compares the secret with the user's hash. Errors to tell apart: auth.ErrUnknownSubject,
// auth.ErrBadCredential. Both cost what the dearest line of the file costs.
func (s *Source) Authenticate(ctx context.Context, cred auth.Credential) (auth.Subject, error) {
	all := s.users.Load()
	u, known := all.byKey[store.NameKey(cred.Name)]
	match, err := s.compare(ctx, all, u, cred.Secret.Reveal())
	switch {
	case err != nil:
		return auth.Subject{}, err
	case !known:
		return auth.Subject{}, auth.ErrUnknownSubject
	case !match:
		return auth.Subject{}, auth.ErrBadCredential
	}
	return s.subject(u), nil
}

// Resolve returns the user as the file has it now.
func (s *Source) Resolve(_ context.Context, name string) (auth.Subject, error) {
	u, ok := s.users.Load().byKey[store.NameKey(name)]
	if !ok {
		return auth.Subject{}, auth.ErrUnknownSubject
	}
	return s.subject(u), nil
}

func (s *Source) subject(u user) auth.Subject {
	return auth.Subject{Name: u.name, SysAdmin: slices.Contains(s.admins, store.NameKey(u.name))}
}

// maxSecret is all that bcrypt looks at; htpasswd cuts longer passwords without a word, and the library refuses them.
const maxSecret = 72

// compare does the work of the dearest line, whichever it was asked for: a cheaper one, or none, is made up for.
func (s *Source) compare(ctx context.Context, all *users, u user, password string) (bool, error) {
	if ctx.Err() != nil { // select would toss a coin
		return false, context.Cause(ctx)
	}
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return false, fmt.Errorf("waiting to hash a password: %w", context.Cause(ctx))
	}
	defer func() { <-s.slots }()
	secret := []byte(password)
	if len(secret) > maxSecret {
		secret = secret[:maxSecret]
	}
	if u.hash == nil {
		_ = bcrypt.CompareHashAndPassword(decoy(all.cost), secret)
		return false, nil
	}
	if bcrypt.CompareHashAndPassword(u.hash, secret) == nil {
		return true, nil
	}
	for cost := u.cost; cost < all.cost; cost++ { // 2^cost + (2^cost + … + 2^(all.cost-1)) = 2^all.cost
		_ = bcrypt.CompareHashAndPassword(decoy(cost), secret)
	}
	return false, nil
}

// decoy is a hash of the cost that no password has.
func decoy(cost int) []byte {
	return fmt.Appendf(nil, "$2a$%02d$......................"+"...............................", cost)
}

// look returns the file's text and its sum. A file that can't be read has a sum, too, so that it is told of once.
func (s *Source) look() (text []byte, sum [sha256.Size]byte, err error) {
	text, err = os.ReadFile(s.cfg.File)
	if err != nil {
		return nil, sha256.Sum256([]byte(err.Error())), fmt.Errorf("reading the users: %w", err)
	}
	return text, sha256.Sum256(text), nil
}

// use puts the text in place of what was there, whole or not at all.
func (s *Source) use(text []byte) error {
	found, err := parse(s.cfg.File, text)
	if err != nil {
		return err
	}
	s.users.Store(&found)
	return nil
}

// watch reads the file again when it changes, until ctx ends. Reports of the operating system are hints only, about
// the folder: an editor puts a new file in the old one's place.
func (s *Source) watch(ctx context.Context) {
	events, closeWatch := s.reports()
	defer closeWatch()
	beat := time.NewTicker(poll)
	defer beat.Stop()
	settle := time.NewTimer(debounce) // for what changed between Open and here
	for {
		select {
		case <-ctx.Done():
			return
		case <-events:
			settle.Reset(debounce)
		case <-beat.C:
			settle.Reset(debounce)
		case <-settle.C:
			if !s.reload() {
				settle.Reset(debounce)
			}
		}
	}
}

func (s *Source) reports() (events <-chan fsnotify.Event, closeWatch func()) {
	w, err := fsnotify.NewWatcher()
	if err == nil {
		if err = w.Add(filepath.Dir(s.cfg.File)); err != nil {
			err = errors.Join(err, w.Close())
		}
	}
	if err != nil {
		s.log.Warn("folder of the user file can't be watched, changes are noticed more slowly", "file", s.cfg.File, "every", poll, "error", err)
		return nil, func() {}
	}
	return w.Events, func() { _ = w.Close() } // nothing was written through it
}

// reload uses the file if it is another one than last time. It reports false where it must be called again: a text
// counts when it is seen twice, as somebody may be in the middle of writing it.
func (s *Source) reload() bool {
	text, sum, err := s.look()
	if sum == s.tried {
		return true
	}
	if sum != s.seen {
		s.seen = sum
		return false
	}
	s.tried = sum
	if err == nil {
		err = s.use(text)
	}
	if err != nil {
		s.log.Error("user file can't be used, its users stay as they were", "file", s.cfg.File, "error", err)
		return true
	}
	s.log.Info("user file read", "file", s.cfg.File, "users", len(s.users.Load().byKey))
	return true
}
