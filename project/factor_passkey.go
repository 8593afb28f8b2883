package project

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/store"
)

// party is this server as passkeys know it under one of its hosts; nil where there can be none: under a bare address, or
// where browsers do not trust the connection.
type party = *webauthn.WebAuthn

// ceremonyLife is how long a browser may take to answer.
const ceremonyLife = 5 * time.Minute

func newParty(origin string, all []string) (party, error) {
	u, err := url.Parse(origin)
	if err != nil {
		return nil, fmt.Errorf("origin %q: %w", origin, err)
	}
	host := u.Hostname()
	if !isPartyID(host) || u.Scheme != "https" && host != "localhost" && !strings.HasSuffix(host, ".localhost") {
		return nil, nil
	}
	ofHost := func(o string) bool { u, err := url.Parse(o); return err == nil && u.Hostname() == host }
	timeout := webauthn.TimeoutConfig{Enforce: true, Timeout: ceremonyLife, TimeoutUVD: ceremonyLife}
	return webauthn.New(&webauthn.Config{
		RPID: host, RPDisplayName: "sealock " + host,
		RPOrigins:             slices.DeleteFunc(slices.Clone(all), func(o string) bool { return !ofHost(o) }),
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementPreferred, UserVerification: protocol.VerificationPreferred,
		},
		Timeouts: webauthn.TimeoutsConfig{Login: timeout, Registration: timeout},
	})
}

func isPartyID(host string) bool { return protocol.ValidateRPID(host) == nil }

// PasskeysAt reports whether passkeys can be used at the origin.
func (f *SecondFactors) PasskeysAt(origin string) bool { return f.parties[origin] != nil }

func (f *SecondFactors) party(origin string) (party, error) {
	if p := f.parties[origin]; p != nil {
		return p, nil
	}
	return nil, errs.New(errs.Precondition, "browsers allow no passkeys at %s", origin).WithHint("use https and a host name, or a one-time code")
}

// Ceremony is what the browser is asked to do.
type Ceremony struct {
	Options json.RawMessage // for navigator.credentials
	State   string          // sealed; the browser sends it back with its answer
}

// ceremony is what the server has to know of a question when the answer comes.
type ceremony struct {
	Session webauthn.SessionData `json:"session"`
	At      time.Time            `json:"at"`
}

// What ceremonies are for.
const (
	toAdd    = "add"
	toCheck  = "check"
	toSignIn = "sign-in"
)

func aboutCeremony(purpose string, userID int64) string {
	return "passkey ceremony to " + purpose + " of user " + itoa(userID)
}

func (f *SecondFactors) newCeremony(options any, s *webauthn.SessionData, purpose string, userID int64) (Ceremony, error) {
	text, err := json.Marshal(options)
	if err != nil {
		return Ceremony{}, fmt.Errorf("encoding a passkey ceremony: %w", err)
	}
	state, err := json.Marshal(ceremony{Session: *s, At: f.service.clock.Now()})
	if err != nil {
		return Ceremony{}, fmt.Errorf("encoding a passkey ceremony: %w", err)
	}
	return Ceremony{Options: text, State: f.seal(secret.New(string(state)), aboutCeremony(purpose, userID))}, nil
}

// begun returns the question that is being answered.
func (f *SecondFactors) begun(state, purpose string, userID int64) (ceremony, error) {
	var cer ceremony
	text, err := f.open(state, aboutCeremony(purpose, userID))
	if err == nil {
		err = json.Unmarshal([]byte(text.Reveal()), &cer)
	}
	if err != nil || f.service.clock.Now().After(cer.At.Add(ceremonyLife)) {
		return ceremony{}, errPasskey.Because(fmt.Errorf("the question is not one of this server's, or too old: %w", err))
	}
	return cer, nil
}

// errPasskey is the answer to a passkey that is not good, whatever the reason: the log has it.
var errPasskey = errs.New(errs.Denied, "the passkey was not accepted").WithHint("try again, or use another way")

// holder is a user as passkeys know it. The handle says nothing about the user, and is another one on each server.
type holder struct {
	user     store.User
	passkeys []webauthn.Credential
}

func (h holder) WebAuthnID() []byte {
	sum := sha256.Sum256([]byte("sealock user " + itoa(h.user.ID) + " since " + strconv.FormatInt(h.user.CreatedAt.UnixMicro(), 10)))
	return sum[:]
}
func (h holder) WebAuthnName() string                       { return h.user.Name }
func (h holder) WebAuthnDisplayName() string                { return h.user.Name }
func (h holder) WebAuthnCredentials() []webauthn.Credential { return h.passkeys }

func newHolder(u store.User, f store.SecondFactor) (holder, error) {
	h := holder{user: u}
	for _, p := range f.Passkeys {
		var cred webauthn.Credential
		if err := json.Unmarshal([]byte(p.Record), &cred); err != nil {
			return holder{}, fmt.Errorf("reading passkey %d: %w", p.ID, err)
		}
		h.passkeys = append(h.passkeys, cred)
	}
	return h, nil
}

func (f *SecondFactors) holder(ctx context.Context, userID int64) (holder, error) {
	u, err := f.service.store.User(ctx, userID)
	if err != nil {
		return holder{}, err
	}
	factor, err := f.service.store.SecondFactor(ctx, userID)
	if err != nil {
		return holder{}, err
	}
	return newHolder(u, factor)
}

// maxPasskeys is how many a user can have: each is sent to the browser with each question.
const maxPasskeys = 20

// BeginPasskey asks the browser for a new passkey.
func (f *SecondFactors) BeginPasskey(ctx context.Context, c Caller, origin string) (Ceremony, error) {
	p, err := f.party(origin)
	if err != nil {
		return Ceremony{}, err
	}
	h, err := f.holder(ctx, c.ID)
	if err != nil {
		return Ceremony{}, err
	}
	options, session, err := p.BeginRegistration(h, webauthn.WithExclusions(webauthn.Credentials(h.passkeys).CredentialDescriptors()))
	if err != nil {
		return Ceremony{}, fmt.Errorf("beginning to add a passkey: %w", err)
	}
	return f.newCeremony(options, session, toAdd, c.ID)
}

// NewPasskey is what a browser answers to BeginPasskey.
type NewPasskey struct {
	Origin string
	Name   string // what the user calls it
	State  string // of the ceremony
	Answer []byte // in JSON
}

// AddPasskey keeps a new passkey. What it does as the first factor, and returns, is as with ConfirmApp.
func (f *SecondFactors) AddPasskey(ctx context.Context, c Caller, p Proof, n NewPasskey, keep string) (codes []secret.Text, _ Proof, err error) {
	shown, hashes := newRecoveryCodes()
	var first bool
	var passkey store.Passkey
	err = f.perform(ctx, c, "second_factor.passkey.add", func(ctx context.Context) (err error) {
		passkey, err = f.newPasskey(ctx, c, n)
		return err
	}, func(ctx context.Context) error {
		_, err := f.service.store.UpdateSecondFactor(ctx, c.ID, func(factor *store.SecondFactor) error {
			if first = !factor.On(); first {
				factor.RecoveryCodes = hashes
			} else if !f.Fresh(c, p) {
				return errProof
			}
			if len(factor.Passkeys) >= maxPasskeys {
				return errs.New(errs.Precondition, "there are %d passkeys already", maxPasskeys).WithHint("remove one that is not used")
			}
			factor.Passkeys = append(factor.Passkeys, passkey)
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

// newPasskey checks the browser's answer.
func (f *SecondFactors) newPasskey(ctx context.Context, c Caller, n NewPasskey) (store.Passkey, error) {
	name, err := passkeyName(n.Name)
	if err != nil {
		return store.Passkey{}, err
	}
	p, err := f.party(n.Origin)
	if err != nil {
		return store.Passkey{}, err
	}
	cer, err := f.begun(n.State, toAdd, c.ID)
	if err != nil {
		return store.Passkey{}, err
	}
	h, err := f.holder(ctx, c.ID)
	if err != nil {
		return store.Passkey{}, err
	}
	answer, err := protocol.ParseCredentialCreationResponseBytes(n.Answer)
	if err != nil {
		return store.Passkey{}, errPasskey.Because(explained(err))
	}
	cred, err := p.CreateCredential(h, cer.Session, answer)
	if err != nil {
		return store.Passkey{}, errPasskey.Because(explained(err))
	}
	cred.Attestation = webauthn.CredentialAttestation{} // nobody asks who made it
	record, err := json.Marshal(cred)
	if err != nil {
		return store.Passkey{}, fmt.Errorf("encoding a passkey: %w", err)
	}
	now := f.service.clock.Now()
	return store.Passkey{Credential: cred.ID, Name: name, Record: string(record), CreatedAt: now, LastUsedAt: now}, nil
}

// explained is an error of the library with what it keeps for developers.
func explained(err error) error {
	if e, ok := err.(*protocol.Error); ok { //nolint:errorlint // the outermost one has the detail
		return fmt.Errorf("%s: %s", e.Details, e.DevInfo)
	}
	return err
}

func passkeyName(name string) (string, error) {
	name = strings.TrimSpace(name)
	if name == "" {
		return "Passkey", nil
	}
	if len(name) > 100 || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", errs.New(errs.Invalid, "the name of the passkey is too long or holds control characters").WithHint("give it a short name")
	}
	return name, nil
}

// RenamePasskey gives a passkey another name. NotFound: the caller has none with the id.
func (f *SecondFactors) RenamePasskey(ctx context.Context, c Caller, id int64, name string) error {
	name, err := passkeyName(name)
	if err != nil {
		return err
	}
	return f.perform(ctx, c, "second_factor.passkey.rename", nil, func(ctx context.Context) error {
		_, err := f.service.store.UpdateSecondFactor(ctx, c.ID, func(factor *store.SecondFactor) error {
			i := slices.IndexFunc(factor.Passkeys, func(p store.Passkey) bool { return p.ID == id })
			if i < 0 {
				return errNoPasskey
			}
			factor.Passkeys[i].Name = name
			return nil
		})
		return err
	})
}

var errNoPasskey = errs.New(errs.NotFound, "there is no such passkey")

// RemovePasskey takes a passkey away. NotFound: the caller has none with the id.
func (f *SecondFactors) RemovePasskey(ctx context.Context, c Caller, p Proof, id int64) error {
	return f.change(ctx, c, "second_factor.passkey.remove", p, func(factor *store.SecondFactor) error {
		before := len(factor.Passkeys)
		factor.Passkeys = slices.DeleteFunc(factor.Passkeys, func(p store.Passkey) bool { return p.ID == id })
		if len(factor.Passkeys) == before {
			return errNoPasskey
		}
		return nil
	})
}

// BeginCheck asks the browser for one of the caller's passkeys. NotFound: there is none.
func (f *SecondFactors) BeginCheck(ctx context.Context, c Caller, origin string) (Ceremony, error) {
	p, err := f.party(origin)
	if err != nil {
		return Ceremony{}, err
	}
	h, err := f.holder(ctx, c.ID)
	if err != nil {
		return Ceremony{}, err
	}
	if len(h.passkeys) == 0 {
		return Ceremony{}, errNoPasskey
	}
	options, session, err := p.BeginLogin(h)
	if err != nil {
		return Ceremony{}, fmt.Errorf("beginning to check a passkey: %w", err)
	}
	return f.newCeremony(options, session, toCheck, c.ID)
}

// CheckPasskey takes the browser's answer to BeginCheck and returns the proof that it was a good one. Denied: it was not.
func (f *SecondFactors) CheckPasskey(ctx context.Context, c Caller, origin, state string, answer []byte) (Proof, error) {
	err := f.perform(ctx, c, "second_factor.passkey", func(ctx context.Context) error {
		cer, err := f.begun(state, toCheck, c.ID)
		if err != nil {
			return err
		}
		return f.verify(ctx, c.ID, origin, cer, answer)
	}, func(context.Context) error { return nil })
	if err != nil {
		return "", err
	}
	return f.prove(c.ID), nil
}

// BeginSignIn asks the browser for a passkey of anybody's. The person must show the device who they are: the passkey is
// then two factors at once.
func (f *SecondFactors) BeginSignIn(origin string) (Ceremony, error) {
	p, err := f.party(origin)
	if err != nil {
		return Ceremony{}, err
	}
	options, session, err := p.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return Ceremony{}, fmt.Errorf("beginning to sign in with a passkey: %w", err)
	}
	return f.newCeremony(options, session, toSignIn, 0)
}

// SignIn takes the browser's answer to BeginSignIn and returns the name of the user whose passkey it was. It does not
// record: whoever lets the user in does. Denied: the passkey is not good.
func (f *SecondFactors) SignIn(ctx context.Context, origin, state string, answer []byte) (name string, _ Proof, err error) {
	cer, err := f.begun(state, toSignIn, 0)
	if err != nil {
		return "", "", err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return "", "", errPasskey.Because(explained(err))
	}
	id, err := f.service.store.PasskeyOwner(ctx, parsed.RawID)
	if errs.Is(err, errs.NotFound) {
		return "", "", errPasskey.Because(err)
	}
	if err != nil {
		return "", "", err
	}
	if err := f.verify(ctx, id, origin, cer, answer); err != nil {
		return "", "", err
	}
	u, err := f.service.store.User(ctx, id)
	return u.Name, f.prove(id), err
}

// verify checks the answer to a question with the user's passkeys, and notes the use. The same answer is not good twice:
// its question was put before the last use.
func (f *SecondFactors) verify(ctx context.Context, userID int64, origin string, cer ceremony, answer []byte) error {
	p, err := f.party(origin)
	if err != nil {
		return err
	}
	u, err := f.service.store.User(ctx, userID)
	if err != nil {
		return err
	}
	_, err = f.service.store.UpdateSecondFactor(ctx, userID, func(factor *store.SecondFactor) error {
		h, err := newHolder(u, *factor)
		if err != nil {
			return err
		}
		cred, err := validate(p, h, cer.Session, answer)
		if err != nil {
			return errPasskey.Because(explained(err))
		}
		i := slices.IndexFunc(factor.Passkeys, func(k store.Passkey) bool { return bytes.Equal(k.Credential, cred.ID) })
		switch {
		case i < 0:
			return errPasskey
		case !cer.At.After(factor.Passkeys[i].LastUsedAt):
			return errPasskey.Because(fmt.Errorf("passkey %d was used after the question", factor.Passkeys[i].ID))
		case cred.Authenticator.CloneWarning:
			return errPasskey.Because(fmt.Errorf("the counter of passkey %d went back: there may be a copy of it", factor.Passkeys[i].ID))
		}
		record, err := json.Marshal(cred)
		if err != nil {
			return fmt.Errorf("encoding a passkey: %w", err)
		}
		factor.Passkeys[i].Record, factor.Passkeys[i].LastUsedAt = string(record), f.service.clock.Now()
		return nil
	})
	return err
}

// validate asks the library: one way for a question to a user, another for a question to anybody.
func validate(p party, h holder, s webauthn.SessionData, answer []byte) (*webauthn.Credential, error) {
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return nil, err
	}
	if len(s.UserID) > 0 {
		return p.ValidateLogin(h, s, parsed)
	}
	return p.ValidateDiscoverableLogin(func([]byte, []byte) (webauthn.User, error) { return h, nil }, s, parsed)
}
