package project

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/store"
)

// SecondFactors is what people may do about the second factor of their own accounts, and how they prove that they have
// it. Everything is recorded; no secret is. A factor that is there guards the others: to add or take away one, it has to
// be shown once more ("proof"). It is safe for concurrent use.
type SecondFactors struct {
	service *Service
	box     Box
	parties map[string]party // by origin
}

// Box encrypts what the server has to read again; what was sealed for one purpose does not open for another. A
// [github.com/sealock/sealock/internal/seal.Box] is one.
type Box interface {
	Seal(text []byte, purpose string) []byte
	Open(sealed []byte, purpose string) ([]byte, error)
}

// seal encrypts into text that a database, a form and a cookie can hold.
func (f *SecondFactors) seal(plain secret.Text, purpose string) string {
	return base64.RawURLEncoding.EncodeToString(f.box.Seal([]byte(plain.Reveal()), purpose))
}

// open decrypts what seal returned.
func (f *SecondFactors) open(sealed, purpose string) (secret.Text, error) {
	raw, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		return secret.Text{}, err
	}
	plain, err := f.box.Open(raw, purpose)
	return secret.New(string(plain)), err
}

// SecondFactors returns the service's part that needs keys. Origins are where browsers reach this server: passkeys
// belong to the host that they were made for.
func (s *Service) SecondFactors(box Box, origins []string) (*SecondFactors, error) {
	f := &SecondFactors{service: s, box: box, parties: map[string]party{}}
	for _, origin := range origins {
		p, err := newParty(origin, origins)
		if err != nil {
			return nil, err
		}
		f.parties[origin] = p
	}
	return f, nil
}

// State returns what the caller has.
func (f *SecondFactors) State(ctx context.Context, c Caller) (FactorState, error) {
	return f.service.SecondFactorState(ctx, c)
}

// FactorState is what a user has besides a password.
type FactorState struct {
	On            bool
	AppSince      time.Time // when the app for one-time codes was added; zero: there is none
	Passkeys      []PasskeyInfo
	RecoveryCodes int // how many are left
}

// PasskeyInfo is a passkey as its owner sees it.
type PasskeyInfo struct {
	ID         int64
	Name       string
	CreatedAt  time.Time
	LastUsedAt time.Time // zero: never
}

// SecondFactorState returns what the caller has.
func (s *Service) SecondFactorState(ctx context.Context, c Caller) (FactorState, error) {
	if c.Anonymous() {
		return FactorState{}, signIn("see a second factor")
	}
	if c.ID == 0 {
		return FactorState{}, nil
	}
	f, err := s.store.SecondFactor(ctx, c.ID)
	if err != nil {
		return FactorState{}, err
	}
	state := FactorState{On: f.On(), RecoveryCodes: len(f.RecoveryCodes)}
	if f.TOTP.On() {
		state.AppSince = f.TOTP.Since
	}
	for _, p := range f.Passkeys {
		info := PasskeyInfo{ID: p.ID, Name: p.Name, CreatedAt: p.CreatedAt}
		if p.LastUsedAt.After(p.CreatedAt) {
			info.LastUsedAt = p.LastUsedAt
		}
		state.Passkeys = append(state.Passkeys, info)
	}
	return state, nil
}

// ResetSecondFactor takes away all that another user has, so that the password alone is enough again: for who lost the
// phone and the recovery codes. It ends the user's sessions and refresh tokens. Denied: oneself, who has to show the
// factor to take it away.
func (s *Service) ResetSecondFactor(ctx context.Context, c Caller, id int64) error {
	return s.onUser(ctx, c, id, deed{
		operation: "second_factor.reset", what: "reset the second factor of others",
		access: auth.Access{Resource: "user", Action: "update"},
		check: func(context.Context) error {
			if s.self(c, id) {
				return errs.New(errs.Denied, "nobody can reset the own second factor").
					WithHint("remove it on your account page with a code, a passkey or a recovery code, or ask another system administrator")
			}
			return nil
		},
		do: func(ctx context.Context) error {
			u, err := s.store.User(ctx, id)
			if err != nil {
				return err
			}
			if _, err := s.store.UpdateSecondFactor(ctx, id, func(f *store.SecondFactor) error {
				*f = store.SecondFactor{}
				return nil
			}); err != nil {
				return err
			}
			return s.endLogins(ctx, u, "")
		},
	})
}

// endLogins ends what the user is signed in with, but for the one session.
func (s *Service) endLogins(ctx context.Context, u store.User, keep string) error {
	if _, err := s.store.DeleteRefreshTokensOf(ctx, u.Name); err != nil {
		return errs.New(errs.Unavailable, "the second factor is changed, but earlier logins could not be ended").
			WithHint("revoke the refresh tokens").Because(err)
	}
	if _, err := s.store.DeleteSessionsOf(ctx, u.ID, keep); err != nil {
		return errs.New(errs.Unavailable, "the second factor is changed, but earlier sessions could not be ended").
			WithHint("end them on the account page").Because(err)
	}
	return nil
}

// Proof says that somebody showed a second factor a moment ago. It is sealed: the browser keeps it, and can't make one.
type Proof string

// proofLife is how long one that was shown is good for changes.
const proofLife = 5 * time.Minute

func aboutProof(userID int64) string { return "second factor proof of user " + itoa(userID) }

func (f *SecondFactors) prove(userID int64) Proof {
	now := strconv.FormatInt(f.service.clock.Now().UnixMicro(), 10)
	return Proof(f.seal(secret.New(now), aboutProof(userID)))
}

// Fresh reports whether the proof is the caller's and still good.
func (f *SecondFactors) Fresh(c Caller, p Proof) bool {
	text, err := f.open(string(p), aboutProof(c.ID))
	if err != nil {
		return false
	}
	at, err := strconv.ParseInt(text.Reveal(), 10, 64)
	return err == nil && f.service.clock.Now().Before(time.UnixMicro(at).Add(proofLife))
}

// errProof asks for the second factor.
var errProof = errs.New(errs.Denied, "this needs your second factor once more").WithHint("enter a code or use a passkey")

// change performs a deed on the caller's own second factor. Where one is on, a proof is needed; fn may be called more
// than once.
func (f *SecondFactors) change(ctx context.Context, c Caller, operation string, p Proof, fn func(*store.SecondFactor) error) error {
	do := func(ctx context.Context) error {
		_, err := f.service.store.UpdateSecondFactor(ctx, c.ID, func(factor *store.SecondFactor) error {
			if factor.On() && !f.Fresh(c, p) {
				return errProof
			}
			if err := fn(factor); err != nil {
				return err
			}
			if !factor.On() { // what only stands in for a factor ends with the last one
				factor.RecoveryCodes, factor.Failures, factor.FailedAt = nil, 0, time.Time{}
			}
			return nil
		})
		return err
	}
	return f.perform(ctx, c, operation, nil, do)
}

// perform is for people alone: robots and workloads have no second factor, nor have those without a record.
func (f *SecondFactors) perform(ctx context.Context, c Caller, operation string, check, do func(ctx context.Context) error) error {
	if c.Anonymous() {
		return signIn("use a second factor")
	}
	if c.ID == 0 || c.Kind != auth.KindUser {
		return errs.New(errs.Denied, "only people have a second factor").WithHint("sign in as a user")
	}
	return f.service.perform(ctx, c, deed{
		operation: operation, resource: "user:" + c.Name, what: "change the second factor", own: true,
		remedy: "sign in on the web pages",
		access: auth.Access{Resource: "second-factor", Action: "update"}, check: check, do: do,
	})
}

// switchedOn ends what was made before, and gives the first recovery codes out.
func (f *SecondFactors) switchedOn(ctx context.Context, c Caller, keep string) error {
	u, err := f.service.store.User(ctx, c.ID)
	if err != nil {
		return err
	}
	return f.service.endLogins(ctx, u, keep)
}

// Recovery codes: as many as fit on a note, of 80 random bits each, which no guessing finds and no slow hash has to guard.
const (
	recoveryCodes = 10
	recoveryBytes = 10
	recoveryText  = 16 // characters
)

// newRecoveryCodes returns codes as they are shown, once, and their hashes.
func newRecoveryCodes() (shown []secret.Text, hashes []string) {
	for range recoveryCodes {
		var b [recoveryBytes]byte
		rand.Read(b[:]) // crypto/rand never fails (Go 1.24)
		text := strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
		hashes = append(hashes, hashRecovery(text))
		shown = append(shown, secret.New(text[:4]+"-"+text[4:8]+"-"+text[8:12]+"-"+text[12:]))
	}
	return shown, hashes
}

func hashRecovery(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// compact drops what people put between the characters of a code.
func compact(code string) string {
	return strings.ToLower(strings.NewReplacer(" ", "", "-", "", "\t", "").Replace(code))
}

// NewRecoveryCodes replaces the recovery codes and returns the new ones, which are never shown again. Precondition:
// there is no factor that they could stand in for.
func (f *SecondFactors) NewRecoveryCodes(ctx context.Context, c Caller, p Proof) ([]secret.Text, error) {
	shown, hashes := newRecoveryCodes()
	err := f.change(ctx, c, "second_factor.recovery_codes", p, func(factor *store.SecondFactor) error {
		if !factor.On() {
			return errs.New(errs.Precondition, "there is no second factor").WithHint("add an app or a passkey first")
		}
		factor.RecoveryCodes = hashes
		return nil
	})
	if err != nil {
		return nil, err
	}
	return shown, nil
}

// Wrong one-time codes in a row: after so many comes a pause, and a longer one after as many again.
const (
	codeAttempts = 5
	codePause    = 5 * time.Minute
	codePauseMax = time.Hour
)

// pausedUntil is when the next one-time code may be tried.
func pausedUntil(f store.SecondFactor) time.Time {
	if f.Failures == 0 || f.Failures%codeAttempts != 0 {
		return time.Time{}
	}
	pause := codePauseMax
	if rounds := f.Failures / codeAttempts; rounds <= 4 {
		pause = min(pause, codePause<<(rounds-1))
	}
	return f.FailedAt.Add(pause)
}

// CheckCode takes a one-time code or a recovery code and returns the proof that it was a good one. Each code is good
// once. Denied: it is wrong, or was used. TooMany: too many were wrong; a recovery code is taken all the same, because
// it can't be guessed, and so nobody keeps out for long whose password he knows.
func (f *SecondFactors) CheckCode(ctx context.Context, c Caller, code secret.Text) (Proof, error) {
	text, operation, check := compact(code.Reveal()), "second_factor.code", f.checkTOTP
	if len(text) == recoveryText {
		operation, check = "second_factor.recovery_code", f.checkRecovery
	}
	err := f.perform(ctx, c, operation, func(ctx context.Context) error {
		var verdict error // a refusal is kept too: it counts
		_, err := f.service.store.UpdateSecondFactor(ctx, c.ID, func(factor *store.SecondFactor) (err error) {
			verdict, err = check(c, factor, text)
			return err
		})
		if err != nil {
			return err
		}
		return verdict
	}, func(context.Context) error { return nil })
	if err != nil {
		return "", err
	}
	return f.prove(c.ID), nil
}

// errCode is the answer to a code that is not good, whatever the reason.
var errCode = errs.New(errs.Denied, "the code is wrong or was used already").
	WithHint("wait for the next one and see that the clock of your phone is right, or use a recovery code")

// checkRecovery takes a recovery code off the list.
func (f *SecondFactors) checkRecovery(_ Caller, factor *store.SecondFactor, text string) (verdict, err error) {
	i := slices.Index(factor.RecoveryCodes, hashRecovery(text)) // of hashes, what the time gives away is of no use
	if i < 0 {
		return f.failed(factor), nil
	}
	factor.RecoveryCodes = slices.Delete(factor.RecoveryCodes, i, i+1)
	factor.Failures = 0
	return nil, nil
}

func (f *SecondFactors) failed(factor *store.SecondFactor) error {
	factor.Failures, factor.FailedAt = factor.Failures+1, f.service.clock.Now()
	return errCode
}
