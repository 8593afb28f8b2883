package project

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"net/url"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/store"
)

// One-time codes as every app makes them, whatever else the standard allows (RFC 6238): SHA-1, six digits, 30 seconds. A
// clock may be off by one step.
const (
	totpPeriod = 30
	totpSkew   = 1
	totpBytes  = 20 // of the secret: what RFC 4226 section 4 recommends
)

// codeAt returns the code of a time step.
func codeAt(key string, step int64) (string, error) {
	return hotp.GenerateCodeCustom(key, uint64(step), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1}) //nolint:gosec // times are past 1970
}

// stepOf returns the time step that the code is of, if it is a good one now and later than the last one that was used.
func stepOf(key, code string, now time.Time, last int64) (step int64, ok bool, err error) {
	current := now.Unix() / totpPeriod
	for s := current - totpSkew; s <= current+totpSkew; s++ {
		want, err := codeAt(key, s)
		if err != nil {
			return 0, false, err
		}
		if s > last && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			step, ok = s, true
		}
	}
	return step, ok, nil
}

func aboutTOTP(userID int64) string { return "totp of user " + itoa(userID) }

// AppSetup is what an app for one-time codes has to know.
type AppSetup struct {
	Secret secret.Text // in base32, for who types it in
	URL    secret.Text // otpauth://…, for a QR code
}

// BeginApp makes the secret for an app, which counts as soon as ConfirmApp has seen a code of it. A secret that was not
// confirmed is replaced. Conflict: there is an app. Issuer is what the app shows as where the codes are for.
func (f *SecondFactors) BeginApp(ctx context.Context, c Caller, p Proof, issuer string) (AppSetup, error) {
	var b [totpBytes]byte
	rand.Read(b[:]) // crypto/rand never fails (Go 1.24)
	key := secret.New(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]))
	sealed := f.seal(key, aboutTOTP(c.ID))
	err := f.change(ctx, c, "second_factor.app.begin", p, func(factor *store.SecondFactor) error {
		if factor.TOTP.On() {
			return errs.New(errs.Conflict, "there is an app for one-time codes already").WithHint("remove it first")
		}
		factor.TOTP = store.TOTP{Secret: sealed}
		return nil
	})
	if err != nil {
		return AppSetup{}, err
	}
	return newAppSetup(key, c.Name, issuer), nil
}

// PendingApp returns what BeginApp returned, for as long as it is not confirmed. NotFound: nothing waits.
func (f *SecondFactors) PendingApp(ctx context.Context, c Caller, issuer string) (AppSetup, error) {
	factor, err := f.service.store.SecondFactor(ctx, c.ID)
	if err != nil {
		return AppSetup{}, err
	}
	if factor.TOTP.Secret == "" || factor.TOTP.On() {
		return AppSetup{}, errNothingPending
	}
	key, err := f.appKey(c.ID, factor.TOTP)
	if err != nil {
		return AppSetup{}, err
	}
	return newAppSetup(key, c.Name, issuer), nil
}

var errNothingPending = errs.New(errs.NotFound, "no app waits for its first code").WithHint("begin again")

func newAppSetup(key secret.Text, user, issuer string) AppSetup {
	q := url.Values{"secret": {key.Reveal()}, "issuer": {issuer}, "algorithm": {"SHA1"}, "digits": {"6"}, "period": {itoa(totpPeriod)}}
	return AppSetup{Secret: key, URL: secret.New("otpauth://totp/" + url.PathEscape(issuer) + ":" + url.PathEscape(user) + "?" + q.Encode())}
}

// appKey opens the secret of the user's app.
func (f *SecondFactors) appKey(userID int64, t store.TOTP) (secret.Text, error) {
	key, err := f.open(t.Secret, aboutTOTP(userID))
	if err != nil {
		return secret.Text{}, errs.New(errs.Unavailable, "one-time codes can't be checked").
			WithHint("use a passkey or a recovery code; the server's log has the cause").
			Because(fmt.Errorf("opening the secret of user %d: %w", userID, err))
	}
	return key, nil
}

// ConfirmApp lets the app count whose code it is. When it is the first factor, all other sessions than keep and all
// refresh tokens of the user end, and recovery codes are returned, which are never shown again. Denied: the code is
// wrong. NotFound: no app waits.
func (f *SecondFactors) ConfirmApp(ctx context.Context, c Caller, code secret.Text, keep string) (codes []secret.Text, p Proof, err error) {
	shown, hashes := newRecoveryCodes()
	var first bool
	err = f.perform(ctx, c, "second_factor.app.add", nil, func(ctx context.Context) error {
		_, err := f.service.store.UpdateSecondFactor(ctx, c.ID, func(factor *store.SecondFactor) error {
			if factor.TOTP.Secret == "" || factor.TOTP.On() {
				return errNothingPending
			}
			key, err := f.appKey(c.ID, factor.TOTP)
			if err != nil {
				return err
			}
			now := f.service.clock.Now()
			step, ok, err := stepOf(key.Reveal(), compact(code.Reveal()), now, 0)
			if err != nil {
				return err
			}
			if !ok {
				return errs.New(errs.Denied, "the code is wrong").WithHint("enter the one that the app shows now, and see that the clock of your phone is right")
			}
			if first = !factor.On(); first {
				factor.RecoveryCodes = hashes
			}
			factor.TOTP.Since, factor.TOTP.Step = now, step
			return nil
		})
		if err == nil && first {
			err = f.switchedOn(ctx, c, keep)
		}
		return err
	})
	if err != nil {
		return nil, "", err
	}
	if !first {
		shown = nil
	}
	return shown, f.prove(c.ID), nil
}

// RemoveApp takes the app away.
func (f *SecondFactors) RemoveApp(ctx context.Context, c Caller, p Proof) error {
	return f.change(ctx, c, "second_factor.app.remove", p, func(factor *store.SecondFactor) error {
		factor.TOTP = store.TOTP{}
		return nil
	})
}

// checkTOTP uses up a one-time code. In a pause, no code is looked at: whoever tries must not learn that one was right.
func (f *SecondFactors) checkTOTP(c Caller, factor *store.SecondFactor, code string) (verdict, err error) {
	now := f.service.clock.Now()
	if until := pausedUntil(*factor); now.Before(until) {
		e := errs.New(errs.TooMany, "too many wrong codes").WithHint("wait %s, or use a passkey or a recovery code", until.Sub(now).Round(time.Second))
		e.After = until.Sub(now)
		return e, nil
	}
	if !factor.TOTP.On() {
		return f.failed(factor), nil
	}
	key, err := f.appKey(c.ID, factor.TOTP)
	if err != nil {
		return nil, err
	}
	step, ok, err := stepOf(key.Reveal(), code, now, factor.TOTP.Step)
	if err != nil || !ok {
		return f.failed(factor), err
	}
	factor.TOTP.Step, factor.Failures = step, 0
	return nil, nil
}
