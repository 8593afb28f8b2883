package auth_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/sqlstore"
	"github.com/sealock/sealock/store/sqlstore/sqlstoretest"
)

const (
	home, office, elsewhere = "192.0.2.1", "192.0.2.2", "198.51.100.9"
)

// counting is a source that is safe for many who ask at once.
type counting struct {
	passwords map[string]string
	asked     atomic.Int32
	down      bool
}

func (c *counting) Authenticate(_ context.Context, cred auth.Credential) (auth.Subject, error) {
	c.asked.Add(1)
	switch password, ok := c.passwords[store.NameKey(cred.Name)]; {
	case c.down:
		return auth.Subject{}, errors.New("connection refused")
	case !ok || password != cred.Secret.Reveal():
		return auth.Subject{}, auth.ErrBadCredential
	}
	return auth.Subject{Name: cred.Name, ID: int64(len(cred.Name))}, nil
}

// gaol is a lockout over a real store.
type gaol struct {
	*auth.Lockout
	t      *testing.T
	clock  *clock
	source *counting
	cache  *auth.CredentialCache
	store  *sqlstore.Store
	reads  *watched
}

// later lets the memory of credentials go by.
func (g *gaol) later() {
	g.clock.Advance(2 * time.Minute)
	for id := range int64(20) {
		g.cache.Forget(id)
	}
}

// watched counts what is asked of the store.
type watched struct {
	auth.LockStore
	asked atomic.Int32
	down  atomic.Bool
}

func (w *watched) KnownLogin(ctx context.Context, pair auth.LockKey) (time.Time, error) {
	w.asked.Add(1)
	return w.LockStore.KnownLogin(ctx, pair)
}

func (w *watched) CountLoginFailure(ctx context.Context, keys []auth.LockKey, fn func(*auth.LoginFailures)) error {
	if w.down.Load() {
		return errors.New("disk full")
	}
	return w.LockStore.CountLoginFailure(ctx, keys, fn)
}

// pats recognises personal access tokens and knows one.
type pats struct{ good secret.Text }

func (p pats) Recognizes(c auth.Credential) bool {
	return auth.PersonalAccessTokens().Recognizes(c.Secret)
}

func (p pats) Authenticate(_ context.Context, c auth.Credential) (auth.Subject, error) {
	if c.Secret.Reveal() != p.good.Reveal() {
		return auth.Subject{}, auth.ErrBadCredential
	}
	return auth.Subject{Name: c.Name}, nil
}

func newGaol(t *testing.T, change ...func(*auth.LockoutConfig)) *gaol {
	t.Helper()
	st := sqlstoretest.Open(t)
	return gaolOn(t, st, change...)
}

func gaolOn(t *testing.T, st *sqlstore.Store, change ...func(*auth.LockoutConfig)) *gaol {
	t.Helper()
	g := &gaol{t: t, clock: newClock(), store: st, reads: &watched{LockStore: st}, source: &counting{passwords: map[string]string{
		"alice": "wonderland", "bob": "builder", "carol": "singer",
	}}}
	rule := auth.LockRule{Limit: 5, First: 10 * time.Second, Max: time.Hour, Forget: 24 * time.Hour}
	cfg := auth.LockoutConfig{Account: rule, Address: rule, AccountOf: store.LoginKey}
	cfg.Address.Limit = 20
	for _, fn := range change {
		fn(&cfg)
	}
	g.cache = auth.NewCredentialCache(g.source, time.Minute)
	login := auth.Login{Recognizers: []auth.Recognizer{pats{goodPAT()}}, Passwords: g.cache}
	g.Lockout = auth.NewLockout(cfg, auth.LockoutDeps{
		Next: login, Strong: login.Unguessable, Memory: g.cache, Store: g.reads, Now: g.clock.Now, Log: slog.New(slog.DiscardHandler),
	})
	return g
}

var goodPAT = sync.OnceValue(func() secret.Text { return auth.PersonalAccessTokens().New().Text })

// login returns the kind of the answer: ok, no, locked or the error's.
func (g *gaol) login(name, password, from string) string {
	_, err := g.Authenticate(g.t.Context(), auth.Credential{Name: name, Secret: secret.New(password), Remote: from})
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, auth.ErrBadCredential):
		return "no"
	case errs.Is(err, errs.TooMany):
		return "locked"
	}
	return errs.KindOf(err).String()
}

func (g *gaol) want(want, name, password, from string) {
	g.t.Helper()
	if got := g.login(name, password, from); got != want {
		g.t.Errorf("%.40s with %.20s from %s: %s, want %s", name, password, from, got, want)
	}
}

// guess tries wrong passwords, each another one.
func (g *gaol) guess(n int, name, from string) {
	for range n {
		g.login(name, "guess-"+fmt.Sprint(g.source.asked.Load()), from)
	}
}

func TestAccountIsLocked(t *testing.T) {
	for _, name := range []string{"alice", "nobody"} {
		g := newGaol(t)
		g.guess(4, name, elsewhere)
		g.want("no", name, "fifth", elsewhere)
		asked := g.source.asked.Load()
		_, err := g.Authenticate(t.Context(), auth.Credential{Name: name, Secret: secret.New("wonderland"), Remote: elsewhere})
		e := errs.As(err)
		if e.Kind != errs.TooMany || e.After != 10*time.Second || !strings.Contains(e.Hint, "10s") || g.source.asked.Load() != asked {
			t.Errorf("%s after five failures = %+v and %d questions, want locked for 10s and no password looked at", name, e, g.source.asked.Load()-asked)
		}
		g.want("locked", name, "sixth", home)
		g.clock.Advance(10 * time.Second)
		g.want("no", name, "sixth", elsewhere)
		g.clock.Advance(19 * time.Second)
		g.want("locked", name, "seventh", elsewhere)
	}
}

func TestRightPasswordAfterTheLock(t *testing.T) {
	g := newGaol(t)
	g.guess(5, "alice", home)
	g.want("locked", "alice", "wonderland", home)
	g.clock.Advance(10 * time.Second)
	g.want("ok", "alice", "wonderland", home)
	if left, err := g.store.CountLockouts(t.Context(), g.clock.Now(), store.Filter{}); err != nil || left != 0 {
		t.Errorf("%d are locked after a login, %v, want none", left, err)
	}
}

// A success clears the pair: typing errors of many days never add up at one's usual address.
func TestSuccessClearsThePair(t *testing.T) {
	g := newGaol(t)
	for range 10 {
		g.want("ok", "alice", "wonderland", home)
		g.later()
		g.guess(4, "alice", home)
	}
	g.want("ok", "alice", "wonderland", home)
}

func TestOthersAreNotSlowed(t *testing.T) {
	g := newGaol(t)
	g.want("ok", "alice", "wonderland", home)
	g.want("ok", "bob", "builder", office)
	g.later()

	// The account is attacked from elsewhere: it goes on where it is known.
	g.guess(5, "alice", elsewhere)
	g.want("locked", "alice", "wonderland", office)
	g.want("ok", "alice", "wonderland", home)
	// Another account from the attacker's address, below its limit.
	g.want("ok", "carol", "singer", elsewhere)
	g.later()

	// A neighbour behind the same address gets it locked: who is known there goes on, who is not waits.
	for i := range 30 {
		g.guess(1, fmt.Sprint("victim", i), office)
	}
	g.want("ok", "bob", "builder", office)
	g.want("locked", "carol", "singer", office)
	g.want("ok", "carol", "singer", elsewhere)
	// Somebody at alice's own address guesses: that is her lock, and nobody else's.
	g.later()
	g.guess(5, "alice", home)
	g.want("locked", "alice", "wonderland", home)
	g.want("ok", "carol", "singer", home)
}

// A credential in memory costs no question to the store, and no lock is in its way; a wrong one costs both.
func TestMemoryPasses(t *testing.T) {
	g := newGaol(t)
	g.want("ok", "alice", "wonderland", home)
	g.guess(5, "alice", elsewhere)
	g.guess(5, "alice", home)
	asked := g.reads.asked.Load()
	g.want("ok", "alice", "wonderland", elsewhere)
	g.want("ok", "ALICE", "wonderland", home)
	if got := g.reads.asked.Load() - asked; got != 0 {
		t.Errorf("two logins from memory cost %d questions, want none", got)
	}
	g.want("locked", "alice", "wrong", home)
}

func TestAddressIsLocked(t *testing.T) {
	g := newGaol(t)
	for i := range 200 {
		g.guess(1, fmt.Sprint("random", i), elsewhere)
	}
	g.want("locked", "carol", "singer", elsewhere)
	rows := 0
	for i := range 200 {
		found, err := g.store.LoginFailures(t.Context(), auth.NewLockKey(auth.LockAccount, fmt.Sprint("random", i), ""))
		if err != nil {
			t.Fatal(err)
		}
		rows += found[0].Failures
	}
	if rows != 20 || g.source.asked.Load() != 20 {
		t.Errorf("200 random names leave %d rows and %d looks at a password, want 20: the address's limit", rows, g.source.asked.Load())
	}
	g.want("ok", "carol", "singer", home)
}

func TestIPv6IsCountedByNetwork(t *testing.T) {
	g := newGaol(t)
	for i := range 25 {
		g.guess(1, fmt.Sprint("random", i), fmt.Sprintf("2001:db8:1:2:%x::1", i))
	}
	g.want("locked", "carol", "singer", "2001:db8:1:2::77")
	g.want("ok", "carol", "singer", "2001:db8:1:3::77")
}

func TestTrustedAndMissingAddresses(t *testing.T) {
	g := newGaol(t, func(c *auth.LockoutConfig) { c.Trusted = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")} })
	for _, from := range []string{"10.1.2.3", "::ffff:10.1.2.3", "", "no address"} {
		for i := range 30 {
			g.guess(1, fmt.Sprint(from, i), from)
		}
		g.want("ok", "carol", "singer", from)
	}
	g.guess(5, "alice", "10.1.2.3")
	g.want("locked", "alice", "wonderland", "10.1.2.3")
}

func TestTurnedOff(t *testing.T) {
	g := newGaol(t, func(c *auth.LockoutConfig) { c.Account.Limit, c.Address.Limit = 0, 0 })
	g.guess(100, "alice", home)
	g.want("ok", "alice", "wonderland", home)
}

// Spellings that a source may take for the same person are one account.
func TestSpellings(t *testing.T) {
	g := newGaol(t)
	for _, name := range []string{"alice", "ALICE", "ａｌｉｃｅ", "al\u200bice", "alicé"} {
		g.guess(1, name, elsewhere)
	}
	g.want("locked", "alice", "wonderland", elsewhere)
	chain := auth.Chain{{Name: "ldap"}, {Name: "corp@east"}}
	for name, want := range map[string]string{"alice": "alice", "alice@ldap": "alice", "alice@LDAP": "alice", "alice@example.com": "alice@example.com", "@ldap": "", "a@b@ldap": "a@b"} {
		if got := chain.Account(name); got != want {
			t.Errorf("Account(%q) = %q, want %q", name, got, want)
		}
	}
}

// A secret of 256 random bits is looked at whatever is locked; a wrong one counts for the address alone.
func TestMachineSecretsPass(t *testing.T) {
	g := newGaol(t)
	g.guess(5, "alice", elsewhere)
	g.want("ok", "alice", goodPAT().Reveal(), elsewhere)
	for range 30 {
		g.want("no", "bob", auth.PersonalAccessTokens().New().Text.Reveal(), office)
	}
	g.want("ok", "bob", goodPAT().Reveal(), office)
	g.want("locked", "carol", "singer", office)
	g.want("ok", "bob", "builder", home)
	// What only begins like one is a guess.
	for i := range 5 {
		g.want("no", "carol", fmt.Sprint("sealock_pat_", i), "203.0.113.1")
	}
	g.want("locked", "carol", "singer", "203.0.113.1")
}

func TestWrongSecretCountsOnce(t *testing.T) {
	g := newGaol(t)
	for i := range 30 {
		if err := g.WrongSecret(t.Context(), office, secret.New(fmt.Sprint("sealock_rt_", i/15))); err != nil {
			t.Fatal(err)
		}
	}
	found, err := g.store.LoginFailures(t.Context(), auth.NewLockKey(auth.LockAddress, "", office))
	if err != nil || found[0].Failures != 2 {
		t.Errorf("two wrong refresh tokens, each 15 times = %d failures, %v, want 2", found[0].Failures, err)
	}
}

// One docker push with a wrong password asks three times, one cosign clean with the right one seven times.
func TestClientsThatRepeatThemselves(t *testing.T) {
	g := newGaol(t)
	for range 30 {
		g.want("no", "alice", "old-password", home)
	}
	for range 7 {
		g.later()
		g.want("ok", "alice", "wonderland", home)
	}
}

// Guesses that come at the same moment are counted one by one.
func TestGuessesAtOnce(t *testing.T) {
	g := newGaol(t)
	g.want("ok", "alice", "wonderland", home)
	for from, places := range map[string]int32{home: 5, elsewhere: 5} {
		before := g.source.asked.Load()
		var wg sync.WaitGroup
		for i := range 64 {
			wg.Go(func() { g.login("alice", fmt.Sprint(from, i), from) })
		}
		wg.Wait()
		if got := g.source.asked.Load() - before; got != places {
			t.Errorf("of 64 guesses at once from %s %d were looked at, want %d", from, got, places)
		}
	}
}

// Two replicas on one database share the lock.
func TestReplicasShareTheLock(t *testing.T) {
	a := newGaol(t)
	b := gaolOn(t, a.store)
	a.guess(3, "alice", elsewhere)
	for i := range 2 {
		b.want("no", "alice", fmt.Sprint("b", i), elsewhere)
	}
	a.want("locked", "alice", "wonderland", elsewhere)
	b.want("locked", "alice", "wonderland", elsewhere)
	if err := b.store.DeleteLockout(t.Context(), auth.NewLockKey(auth.LockAccount, "alice", "").ID); err != nil {
		t.Fatal(err)
	}
	a.want("ok", "alice", "wonderland", elsewhere)
}

// A source that is down is no failure of the one who asks; a store that can't count answers no guess.
func TestFaultsAreNoFailures(t *testing.T) {
	g := newGaol(t)
	g.source.down = true
	g.guess(9, "alice", elsewhere)
	g.source.down = false
	g.want("ok", "alice", "wonderland", elsewhere)
	g.reads.down.Store(true)
	g.want("unavailable", "bob", "wrong", elsewhere)
	g.reads.down.Store(false)
	if err := g.store.Close(); err != nil {
		t.Fatal(err)
	}
	if got := g.login("carol", "singer", home); got == "ok" || got == "no" {
		t.Errorf("a login without a store: %s, want an error", got)
	}
}

// Who hangs up is counted all the same: guesses must not be free.
func TestHangingUpCounts(t *testing.T) {
	g := newGaol(t)
	for i := range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		_, _ = g.Authenticate(ctx, auth.Credential{Name: "alice", Secret: secret.New(fmt.Sprint(i)), Remote: elsewhere})
	}
	asked := int(g.source.asked.Load())
	found, err := g.store.LoginFailures(t.Context(), auth.NewLockKey(auth.LockAccount, "alice", ""))
	if err != nil || found[0].Failures != asked {
		t.Errorf("%d passwords were looked at and %d counted, %v, want each", asked, found[0].Failures, err)
	}
}

func FuzzLockKey(f *testing.F) {
	for _, name := range []string{"alice", "ALICE", "", "a\x00b", "\xff", "аdmin", strings.Repeat("x", 10_000), "sealock_pat_secret"} {
		f.Add(name, "192.0.2.1", "2001:db8::1%eth0")
	}
	f.Fuzz(func(t *testing.T, name, one, other string) {
		account := store.LoginKey(name)
		if again := store.LoginKey(account); store.NameKey(name) == store.NameKey(account) && again != account {
			t.Errorf("LoginKey(%q) = %q, and of that %q, want the same", name, account, again)
		}
		a, b := auth.LockedAddress(one), auth.LockedAddress(other)
		k := auth.NewLockKey(auth.LockPair, account, a)
		if len(k.ID) != 32 || len(k.Account) > 90 || len(k.Address) > 45 {
			t.Errorf("NewLockKey(%q, %q) = %+v, want an id of 32 characters and a short rest", account, a, k)
		}
		for _, c := range []auth.LockKey{auth.NewLockKey(auth.LockPair, account+"x", a), auth.NewLockKey(auth.LockAccount, account, a), auth.NewLockKey(auth.LockAddress, account, a)} {
			if c.ID == k.ID {
				t.Errorf("two keys of %q and %q have the id %s", account, a, k.ID)
			}
		}
		if same := auth.NewLockKey(auth.LockPair, account, b).ID == k.ID; same != (a == b) {
			t.Errorf("%q and %q at two addresses, %q and %q: the same id is %v, want %v", one, other, a, b, same, a == b)
		}
	})
}
