package auth

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
)

// LockoutConfig says what locks whom.
type LockoutConfig struct {
	Account LockRule       // for an account, and for an account at an address that it is known at
	Address LockRule       // for an address
	Trusted []netip.Prefix // networks that are never locked as an address, such as that of the CI runners
	// AccountOf returns the form of a presented name in which all names of an account are one.
	AccountOf func(name string) string
}

// KnownFor is how long an account is known at an address after it signed in from there.
const KnownFor = 30 * 24 * time.Hour

// noteEvery bounds how often it is written that an account signed in from where it is known.
const noteEvery = 24 * time.Hour

// maxLocks is how many keys are remembered in all, and cleanEvery after how many failures it is seen to: whoever
// guesses from many addresses must not fill the disk.
const (
	maxLocks   = 100_000
	cleanEvery = 1000
)

// LockStore keeps failed logins where all replicas see them.
type LockStore interface {
	// KnownLogin returns when the account of a pair signed in from its address last; the zero time is never.
	KnownLogin(ctx context.Context, pair LockKey) (time.Time, error)
	// LoginFailures returns the failures of each key, in the order of the keys.
	LoginFailures(ctx context.Context, keys ...LockKey) ([]LoginFailures, error)
	// CountLoginFailure runs fn on the failures of each key in one transaction, and stores what it made of them.
	CountLoginFailure(ctx context.Context, keys []LockKey, fn func(*LoginFailures)) error
	// NoteLogin remembers that the account of a pair signed in from its address, and forgets the pair's failures.
	NoteLogin(ctx context.Context, pair LockKey, at time.Time) error
	// DropLoginFailures forgets failures whose last one is older than before, logins older than knownBefore, and of
	// more than keep keys those with the fewest failures. It returns how many records that were.
	DropLoginFailures(ctx context.Context, before, knownBefore time.Time, keep int) (int, error)
}

// Memory knows credentials that were accepted lately. A [CredentialCache] is one.
type Memory interface {
	Remembered(cred Credential) (Subject, bool)
}

// Lockout refuses logins where too many have failed: per account and per address, for longer with each further
// failure, and without a look at the secret.
//
// An account that signed in from an address is known there: only its own failures at that address count, so that
// neither a stranger elsewhere nor a neighbour behind the same address keeps anybody out. Who does not exist is counted
// and answered like everybody else. Secrets that can't be guessed are looked at in any case.
type Lockout struct {
	cfg    LockoutConfig
	next   Authenticator
	strong func(Credential) bool
	memory Memory
	store  LockStore
	now    func() time.Time
	log    *slog.Logger

	gate    turnstile
	counted atomic.Uint64
}

// LockoutDeps is what a Lockout works with.
type LockoutDeps struct {
	Next   Authenticator
	Strong func(Credential) bool // tells secrets that can't be guessed; nil: none is known
	Memory Memory                // nil: there is none
	Store  LockStore
	Now    func() time.Time
	Log    *slog.Logger
}

// NewLockout wraps an authenticator.
func NewLockout(cfg LockoutConfig, d LockoutDeps) *Lockout {
	l := &Lockout{cfg: cfg, next: d.Next, strong: d.Strong, memory: d.Memory, store: d.Store, now: d.Now, log: d.Log}
	if l.strong == nil {
		l.strong = func(Credential) bool { return false }
	}
	return l
}

// addressPlaces is how many logins from an address that is not the account's usual one are looked at at once.
const addressPlaces = 8

// Authenticate asks the next one, unless the account or the address is locked: then the answer is of the kind TooMany
// and says when to come again.
func (l *Lockout) Authenticate(ctx context.Context, cred Credential) (Subject, error) {
	if l.strong(cred) {
		return l.unguessable(ctx, cred)
	}
	if sub, ok := l.remembered(cred); ok {
		return sub, nil
	}
	a := attempt{Lockout: l, cred: cred, account: l.cfg.AccountOf(cred.Name), address: LockedAddress(cred.Remote)}
	return a.run(ctx)
}

func (l *Lockout) remembered(cred Credential) (Subject, bool) {
	if l.memory == nil {
		return Subject{}, false
	}
	return l.memory.Remembered(cred)
}

// attempt is one login that is not known to be right.
type attempt struct {
	*Lockout
	cred             Credential
	account, address string
	pair             LockKey
	seen             time.Time // when the account signed in from the address last
	counts           []counter
}

// counter is a key that a failure counts for, and how.
type counter struct {
	key  LockKey
	rule LockRule
}

func (a *attempt) run(ctx context.Context) (Subject, error) {
	a.pair = NewLockKey(LockPair, a.account, a.address)
	var err error
	if a.seen, err = a.store.KnownLogin(ctx, a.pair); err != nil {
		return Subject{}, lockStoreDown(err)
	}
	a.counts = a.counters()
	for _, c := range a.counts {
		places := 1
		if c.key.Kind == LockAddress {
			places = addressPlaces
		}
		leave, err := a.gate.enter(ctx, c.key.ID, places)
		if err != nil {
			return Subject{}, err
		}
		defer leave()
	}
	if sub, ok := a.remembered(a.cred); ok { // another one was right meanwhile
		return sub, nil
	}
	return a.decide(ctx)
}

// counters returns what a failure counts for: the pair where the account is known at the address, and else both.
// The account comes before the address, in the gate too: nobody inside waits for somebody outside.
func (a *attempt) counters() []counter {
	var all []counter
	add := func(key LockKey, rule LockRule) {
		if rule.Limit > 0 {
			all = append(all, counter{key, rule})
		}
	}
	if a.known() {
		add(a.pair, a.cfg.Account)
		return all
	}
	add(NewLockKey(LockAccount, a.account, ""), a.cfg.Account)
	if a.cfg.countsAddress(a.cred.Remote) {
		add(NewLockKey(LockAddress, "", a.address), a.cfg.Address)
	}
	return all
}

func (a *attempt) known() bool { return a.now().Before(a.seen.Add(KnownFor)) }

// countsAddress reports whether failures from there count for the address at all.
func (c LockoutConfig) countsAddress(remote string) bool {
	addr, ok := parseRemote(remote)
	if !ok {
		return false
	}
	for _, p := range c.Trusted {
		if p.Contains(addr) {
			return false
		}
	}
	return true
}

func (a *attempt) decide(ctx context.Context) (Subject, error) {
	failures, err := a.failures(ctx)
	if err != nil {
		return Subject{}, err
	}
	now := a.now()
	var until time.Time
	for _, f := range failures {
		until = latest(until, f.LockedUntil)
	}
	if until.After(now) {
		return Subject{}, locked(until.Sub(now))
	}
	// Whoever hangs up early is counted, too: else guesses would cost nothing.
	ctx = context.WithoutCancel(ctx)
	sub, err := a.next.Authenticate(ctx, a.cred)
	switch {
	case err == nil:
		a.succeeded(ctx, failures)
	case errors.Is(err, ErrBadCredential), errors.Is(err, ErrUnknownSubject):
		if countErr := a.failed(ctx, failures); countErr != nil {
			return Subject{}, countErr
		}
	}
	return sub, err
}

func (a *attempt) failures(ctx context.Context) ([]LoginFailures, error) {
	if len(a.counts) == 0 {
		return nil, nil
	}
	keys := make([]LockKey, len(a.counts))
	for i, c := range a.counts {
		keys[i] = c.key
	}
	found, err := a.store.LoginFailures(ctx, keys...)
	if err != nil {
		return nil, lockStoreDown(err)
	}
	return found, nil
}

// succeeded notes where the account is at home. A login that was right is not refused because that can't be written.
func (a *attempt) succeeded(ctx context.Context, failures []LoginFailures) {
	now := a.now()
	clean := !a.known() || len(failures) == 0 || failures[0].Failures == 0
	if clean && now.Before(a.seen.Add(noteEvery)) || a.cfg.Account.Limit <= 0 && a.cfg.Address.Limit <= 0 {
		return
	}
	if err := a.store.NoteLogin(ctx, a.pair, now); err != nil {
		a.log.Warn("a login is not remembered for its address", "account", a.pair.Account, "address", a.pair.Address, "error", err)
	}
}

// failed counts a wrong secret. When that can't be written the login is no refusal but an error: guesses that nobody
// counts must not be answered.
func (a *attempt) failed(ctx context.Context, failures []LoginFailures) error {
	now := a.now()
	rules := map[string]LockRule{}
	var keys []LockKey
	for i, c := range a.counts {
		if c.rule.known(failures[i], a.account, a.cred.Secret, now) {
			continue
		}
		rules[c.key.ID] = c.rule
		keys = append(keys, c.key)
	}
	return a.count(ctx, keys, func(f *LoginFailures) { rules[f.ID].count(f, a.account, a.cred.Secret, now) })
}

// count stores failures, and sees now and then that there are not too many.
func (l *Lockout) count(ctx context.Context, keys []LockKey, fn func(*LoginFailures)) error {
	if len(keys) == 0 {
		return nil
	}
	before := l.counted.Load() / cleanEvery
	err := l.store.CountLoginFailure(ctx, keys, func(f *LoginFailures) {
		was := f.LockedUntil
		fn(f)
		if f.LockedUntil.After(was) {
			l.log.Warn("too many failed logins", "locked", string(f.Kind), "account", f.Account, "address", f.Address,
				"failures", f.Failures, "until", f.LockedUntil.UTC().Format(time.RFC3339))
		}
	})
	if err == nil && l.counted.Add(uint64(len(keys)))/cleanEvery != before {
		_, err = l.Clean(ctx)
	}
	if err != nil {
		return lockStoreDown(err)
	}
	return nil
}

// Clean forgets what is over, and returns how many records that were.
func (l *Lockout) Clean(ctx context.Context) (int, error) {
	now := l.now()
	before := now.Add(-max(l.cfg.Account.Forget, l.cfg.Address.Forget))
	return l.store.DropLoginFailures(ctx, before, now.Add(-KnownFor), maxLocks)
}

// unguessable looks at a secret whatever is locked: a right one is nobody's guess, and a wrong one counts for the
// address alone.
func (l *Lockout) unguessable(ctx context.Context, cred Credential) (Subject, error) {
	sub, err := l.next.Authenticate(ctx, cred)
	if errors.Is(err, ErrBadCredential) || errors.Is(err, ErrUnknownSubject) {
		if countErr := l.WrongSecret(ctx, cred.Remote, cred.Secret); countErr != nil {
			return Subject{}, countErr
		}
	}
	return sub, err
}

// WrongSecret counts a secret that nobody could guess, such as a refresh token, for the address that presented it.
// Nothing is written for an address that is locked already.
func (l *Lockout) WrongSecret(ctx context.Context, remote string, presented secret.Text) error {
	if l.cfg.Address.Limit <= 0 || !l.cfg.countsAddress(remote) {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	key, now := NewLockKey(LockAddress, "", LockedAddress(remote)), l.now()
	found, err := l.store.LoginFailures(ctx, key)
	if err != nil {
		return lockStoreDown(err)
	}
	if found[0].LockedUntil.After(now) || l.cfg.Address.known(found[0], "", presented, now) {
		return nil
	}
	return l.count(ctx, []LockKey{key}, func(f *LoginFailures) { l.cfg.Address.count(f, "", presented, now) })
}

// locked is the one answer while something is locked. It does not tell what: whether an account exists, or is being
// guessed at, is nobody's business.
func locked(wait time.Duration) error {
	wait = (wait + time.Second - 1).Truncate(time.Second)
	e := errs.New(errs.TooMany, "locked after too many failed logins").
		WithHint("try again in %s with the right password, or ask an administrator of this server to lift it", wait)
	e.After = wait
	return e
}

func lockStoreDown(err error) error {
	if errs.Is(err, errs.Unavailable) || errors.Is(err, context.Canceled) {
		return err
	}
	return errs.New(errs.Unavailable, "failed logins can't be counted").WithHint("try again soon").Because(err)
}
