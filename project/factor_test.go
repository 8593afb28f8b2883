package project_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/seal"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
)

const origin = "https://registry.example.com"

// factorFixture is the fixture with second factors.
type factorFixture struct {
	*fixture
	*project.SecondFactors
	box seal.Box
}

func newFactorFixture(t *testing.T) factorFixture {
	t.Helper()
	f := newFixture(t)
	box, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "seal.json"))
	f.ok("LoadOrCreate", err)
	factors, err := f.SecondFactors(box, []string{origin, "https://registry.example.com:8443", "http://localhost:5000", "http://10.0.0.1"})
	f.ok("SecondFactors", err)
	return factorFixture{f, factors, box}
}

// code is what an app with the secret shows now.
func (f factorFixture) code(key secret.Text, ago time.Duration) secret.Text {
	f.t.Helper()
	code, err := totp.GenerateCodeCustom(key.Reveal(), f.clock.Now().Add(-ago), totp.ValidateOpts{Period: 30, Digits: otp.DigitsSix})
	f.ok("GenerateCode", err)
	return secret.New(code)
}

// app adds an app and returns its secret, the recovery codes and a proof.
func (f factorFixture) app(name string) (key secret.Text, codes []secret.Text, p project.Proof) {
	f.t.Helper()
	setup, err := f.BeginApp(f.t.Context(), f.as(name), "", "registry.example.com")
	f.ok("BeginApp", err)
	codes, p, err = f.ConfirmApp(f.t.Context(), f.as(name), f.code(setup.Secret, 0), "")
	f.ok("ConfirmApp", err)
	f.trail.take()
	return setup.Secret, codes, p
}

func (f factorFixture) state(name string) project.FactorState {
	f.t.Helper()
	s, err := f.SecondFactorState(f.t.Context(), f.as(name))
	f.ok("SecondFactorState", err)
	return s
}

func (f factorFixture) check(name string, code secret.Text) error {
	_, err := f.CheckCode(f.t.Context(), f.as(name), code)
	return err
}

func TestApp(t *testing.T) {
	f := newFactorFixture(t)
	ctx, alice := t.Context(), f.as("alice")
	setup, err := f.BeginApp(ctx, alice, "", "registry.example.com")
	f.ok("BeginApp", err)
	f.recorded("BeginApp", "alice|second_factor.app.begin|user:alice|allowed|own account")
	key, err := otp.NewKeyFromURL(setup.URL.Reveal())
	f.ok("NewKeyFromURL", err)
	if key.Secret() != setup.Secret.Reveal() || key.Issuer() != "registry.example.com" || key.AccountName() != "alice" || key.Period() != 30 {
		t.Errorf("the URL says %v, want the secret and whose it is", key)
	}
	if raw, err := base32.StdEncoding.DecodeString(setup.Secret.Reveal()); err != nil || len(raw) != 20 {
		t.Errorf("the secret has %d bytes, %v, want 20", len(raw), err)
	}
	pending, err := f.PendingApp(ctx, alice, "registry.example.com")
	if err != nil || pending.URL.Reveal() != setup.URL.Reveal() {
		t.Errorf("PendingApp = %v, %v, want what BeginApp returned", pending.URL.Reveal(), err)
	}
	if f.state("alice").On {
		t.Error("a second factor is on before any code was seen")
	}
	f.kind("CheckCode of an app that does not count", f.check("alice", f.code(setup.Secret, 0)), errs.Denied)
	f.trail.take()
	_, _, err = f.ConfirmApp(ctx, alice, secret.New("000000"), "")
	f.kind("ConfirmApp with a wrong code", err, errs.Denied)
	_, _, err = f.ConfirmApp(ctx, f.as("bob"), f.code(setup.Secret, 0), "")
	f.kind("ConfirmApp by another", err, errs.NotFound)
	f.trail.take()

	codes, p, err := f.ConfirmApp(ctx, alice, f.code(setup.Secret, 0), "")
	f.ok("ConfirmApp", err)
	f.recorded("ConfirmApp", "alice|second_factor.app.add|user:alice|allowed|own account")
	if len(codes) != 10 || !f.Fresh(alice, p) || f.Fresh(f.as("bob"), p) {
		t.Errorf("ConfirmApp = %d recovery codes and a proof that is good: %t, and for another: %t; want 10, true, false", len(codes), f.Fresh(alice, p), f.Fresh(f.as("bob"), p))
	}
	if s := f.state("alice"); !s.On || !s.AppSince.Equal(f.clock.Now()) || s.RecoveryCodes != 10 {
		t.Errorf("SecondFactorState = %+v, want an app and 10 codes", s)
	}
	_, err = f.PendingApp(ctx, alice, "x")
	f.kind("PendingApp of one that counts", err, errs.NotFound)
	_, err = f.BeginApp(ctx, alice, p, "x")
	f.kind("BeginApp with an app", err, errs.Conflict)
	factor, err := f.store.SecondFactor(ctx, f.ids["alice"])
	if err != nil || strings.Contains(factor.TOTP.Secret, setup.Secret.Reveal()) {
		t.Errorf("the store holds %q, %v, want a sealed secret", factor.TOTP.Secret, err)
	}
	f.trail.take()
	f.kind("RemoveApp without a proof", f.RemoveApp(ctx, alice, ""), errs.Denied)
	f.recorded("RemoveApp without a proof", "alice|second_factor.app.remove|user:alice|allowed", "alice|second_factor.app.remove|user:alice|refused")
	f.kind("RemoveApp with another's proof", f.RemoveApp(ctx, f.as("alice"), f.proofOf("bob")), errs.Denied)
	f.clock.Advance(5 * time.Minute)
	f.kind("RemoveApp with an old proof", f.RemoveApp(ctx, alice, p), errs.Denied)
	p, err = f.CheckCode(ctx, alice, f.code(setup.Secret, 0))
	f.ok("CheckCode", err)
	f.ok("RemoveApp", f.RemoveApp(ctx, alice, p))
	if s := f.state("alice"); s.On || s.RecoveryCodes != 0 {
		t.Errorf("SecondFactorState after the removal = %+v, want nothing", s)
	}
}

// proofOf returns a proof of somebody with an app of their own.
func (f factorFixture) proofOf(name string) project.Proof {
	f.t.Helper()
	_, _, p := f.app(name)
	return p
}

// TestCodes holds codes against RFC 6238, appendix B: the last six digits of those for SHA-1.
func TestCodes(t *testing.T) {
	vectors := []struct {
		unix int64
		code string
	}{
		{1111111109, "081804"}, {1111111111, "050471"}, {1234567890, "005924"}, {2000000000, "279037"}, {20000000000, "353130"},
	}
	for _, v := range vectors {
		f := newFactorFixture(t)
		f.app("alice")
		for seconds := v.unix - f.clock.Now().Unix(); seconds != 0; seconds = v.unix - f.clock.Now().Unix() {
			f.clock.Advance(time.Duration(max(min(seconds, 1e9), -1e9)) * time.Second) // a Duration is 292 years at most
		}
		f.plant("alice", "12345678901234567890")
		if err := f.check("alice", secret.New(v.code)); err != nil {
			t.Errorf("CheckCode(%s) at %d = %v, want it to be good", v.code, v.unix, err)
		}
		f.kind("CheckCode of the same again", f.check("alice", secret.New(v.code)), errs.Denied)
	}
}

// plant gives a user's app the secret of a test vector.
func (f factorFixture) plant(name, raw string) {
	f.t.Helper()
	key := secret.New(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString([]byte(raw)))
	_, err := f.store.UpdateSecondFactor(f.t.Context(), f.ids[name], func(s *store.SecondFactor) error {
		sealed := f.box.Seal([]byte(key.Reveal()), "totp of user "+strconv.FormatInt(f.ids[name], 10))
		s.TOTP.Secret, s.TOTP.Step = b64.EncodeToString(sealed), 0
		return nil
	})
	f.ok("UpdateSecondFactor", err)
}

func TestCodeSteps(t *testing.T) {
	f := newFactorFixture(t)
	key, _, _ := f.app("alice")
	other, _, _ := f.app("bob")
	f.clock.Advance(10 * time.Minute)
	for _, row := range []struct {
		name string
		ago  time.Duration
		good bool
	}{
		{"two steps old", time.Minute, false},
		{"one step old", 30 * time.Second, true},
		{"the same again", 30 * time.Second, false},
		{"of now", 0, true},
		{"older than the last one", 30 * time.Second, false},
		{"one step ahead", -30 * time.Second, true},
		{"of now, after one ahead", 0, false},
		{"two steps ahead", -time.Minute, false},
	} {
		if err := f.check("alice", f.code(key, row.ago)); (err == nil) != row.good {
			t.Errorf("CheckCode of one %s = %v, want good %t", row.name, err, row.good)
		}
	}
	f.clock.Advance(time.Hour)
	f.kind("CheckCode of another's code", f.check("alice", f.code(other, 0)), errs.Denied)
	f.kind("CheckCode of nothing", f.check("alice", secret.New("")), errs.Denied)
	spaced := f.code(key, 0).Reveal()
	f.ok("CheckCode with a space", f.check("alice", secret.New(spaced[:3]+" "+spaced[3:])))
	f.trail.take()
	f.trail.err = errTrail
	f.clock.Advance(time.Hour)
	p, err := f.CheckCode(t.Context(), f.as("alice"), f.code(key, 0))
	if !errs.Is(err, errs.Unavailable) || p != "" {
		t.Errorf("CheckCode that can't be recorded = %q, %v, want nothing and Unavailable", p, err)
	}
}

func TestWrongCodes(t *testing.T) {
	f := newFactorFixture(t)
	key, codes, _ := f.app("alice")
	wrong := func() {
		t.Helper()
		f.kind("CheckCode of a wrong code", f.check("alice", secret.New("00000x")), errs.Denied)
	}
	pause := func(want time.Duration) {
		t.Helper()
		f.clock.Advance(30 * time.Second) // to a step that was not used
		err := f.check("alice", f.code(key, 0))
		f.kind("CheckCode of a right code in a pause", err, errs.TooMany)
		if got := errs.As(err).After; got != want-30*time.Second {
			t.Errorf("the pause lasts %s more, want %s", got, want-30*time.Second)
		}
		f.clock.Advance(want - 30*time.Second)
	}
	for range 5 {
		wrong()
	}
	f.recorded("wrong codes", slicesRepeat("alice|second_factor.code|user:alice|refused|the code is wrong", 5)...)
	pause(5 * time.Minute)
	for range 5 {
		wrong()
	}
	pause(10 * time.Minute)
	f.ok("CheckCode after the pause", f.check("alice", f.code(key, 0)))
	for range 4 {
		wrong()
	}
	f.clock.Advance(time.Minute)
	f.ok("CheckCode after four wrong ones", f.check("alice", f.code(key, 0)))
	for range 5 {
		wrong()
	}
	f.kind("CheckCode in a pause", f.check("alice", f.code(key, 0)), errs.TooMany)
	f.ok("CheckCode of a recovery code in a pause", f.check("alice", codes[0]))
	f.clock.Advance(time.Minute)
	f.ok("CheckCode after a recovery code", f.check("alice", f.code(key, 0)))
}

func slicesRepeat(s string, n int) []string {
	return strings.Split(strings.Repeat(s+"\n", n-1)+s, "\n")
}

func TestRecoveryCodes(t *testing.T) {
	f := newFactorFixture(t)
	ctx := t.Context()
	_, codes, p := f.app("alice")
	_, others, _ := f.app("bob")
	f.kind("CheckCode of another's recovery code", f.check("alice", others[0]), errs.Denied)
	f.trail.take()
	f.ok("CheckCode", f.check("alice", secret.New(strings.ToUpper(strings.ReplaceAll(codes[3].Reveal(), "-", " ")))))
	f.recorded("a recovery code", "alice|second_factor.recovery_code|user:alice|allowed|own account")
	f.kind("CheckCode of the same again", f.check("alice", codes[3]), errs.Denied)
	f.ok("CheckCode of another one", f.check("alice", codes[0]))
	if got := f.state("alice").RecoveryCodes; got != 8 {
		t.Errorf("there are %d recovery codes left, want 8", got)
	}
	_, err := f.NewRecoveryCodes(ctx, f.as("alice"), "")
	f.kind("NewRecoveryCodes without a proof", err, errs.Denied)
	fresh, err := f.NewRecoveryCodes(ctx, f.as("alice"), p)
	if err != nil || len(fresh) != 10 || f.state("alice").RecoveryCodes != 10 {
		t.Errorf("NewRecoveryCodes = %d codes, %v, want 10", len(fresh), err)
	}
	f.kind("CheckCode of a code of before", f.check("alice", codes[1]), errs.Denied)
	f.ok("CheckCode of a new code", f.check("alice", fresh[1]))
	_, err = f.NewRecoveryCodes(ctx, f.as("carol"), "")
	f.kind("NewRecoveryCodes without a factor", err, errs.Precondition)
	seen := map[string]bool{}
	for _, c := range append(append(codes, fresh...), others...) {
		if text := strings.ReplaceAll(c.Reveal(), "-", ""); len(text) != 16 || seen[text] {
			t.Errorf("the recovery code %q is no new one of 16 characters", c.Reveal())
		}
		seen[c.Reveal()] = true
	}
}

// TestEndsLogins sees that what was made with the password alone ends with the first factor.
func TestEndsLogins(t *testing.T) {
	f := newFactorFixture(t)
	ctx := t.Context()
	f.refreshToken("before", "alice")
	f.refreshToken("other", "bob")
	f.app("alice")
	if n, err := f.store.CountRefreshTokens(ctx, store.Filter{}); err != nil || n != 1 {
		t.Errorf("there are %d refresh tokens, %v, want bob's alone", n, err)
	}
	f.refreshToken("after", "alice")
	f.kind("ResetSecondFactor by a member", f.ResetSecondFactor(ctx, f.as("bob"), f.ids["alice"]), errs.Denied)
	f.kind("ResetSecondFactor of one's own", f.ResetSecondFactor(ctx, f.as("admin"), f.ids["admin"]), errs.Denied)
	f.kind("ResetSecondFactor of an administrator by the helpdesk", f.ResetSecondFactor(ctx, f.as("helpdesk"), f.ids["admin"]), errs.Denied)
	f.kind("ResetSecondFactor of nobody", f.ResetSecondFactor(ctx, f.as("admin"), 1<<40), errs.NotFound)
	if !f.state("alice").On {
		t.Error("a refused reset took the second factor away")
	}
	f.trail.take()
	f.ok("ResetSecondFactor", f.ResetSecondFactor(ctx, f.as("helpdesk"), f.ids["alice"]))
	f.recorded("ResetSecondFactor", "helpdesk|second_factor.reset|user:alice|allowed|helpdesk")
	if s := f.state("alice"); s.On || s.RecoveryCodes != 0 {
		t.Errorf("SecondFactorState after a reset = %+v, want nothing", s)
	}
	if n, err := f.store.CountRefreshTokens(ctx, store.Filter{}); err != nil || n != 1 {
		t.Errorf("there are %d refresh tokens after a reset, %v, want bob's alone", n, err)
	}
}

func (f factorFixture) refreshToken(id, name string) {
	f.t.Helper()
	f.ok("CreateRefreshToken", f.store.CreateRefreshToken(f.t.Context(), store.RefreshToken{
		ID: id, SecretHash: []byte{1}, Subject: name, UserID: f.ids[name], Service: "x", CreatedAt: f.clock.Now(),
		LastUsedAt: f.clock.Now(), IdleExpiry: time.Hour, ExpiresAt: f.clock.Now().Add(time.Hour),
	}))
}

func TestOnlyPeople(t *testing.T) {
	f := newFactorFixture(t)
	ctx := t.Context()
	robot := f.as("alice")
	robot.Kind = auth.KindRobot
	bounded := f.as("alice")
	bounded.Subject = bounded.Bound(auth.Permissions{}, time.Time{})
	for name, c := range map[string]project.Caller{"a robot": robot, "somebody without a record": f.as("ldap-admin"), "a bounded credential": bounded} {
		_, err := f.BeginApp(ctx, c, "", "x")
		f.kind("BeginApp by "+name, err, errs.Denied)
	}
	_, err := f.BeginApp(ctx, f.as(""), "", "x")
	f.kind("BeginApp by nobody", err, errs.Unauthenticated)
	_, err = f.SecondFactorState(ctx, f.as(""))
	f.kind("SecondFactorState of nobody", err, errs.Unauthenticated)
}

// authenticator is a virtual one, with one passkey.
type authenticator struct {
	t       *testing.T
	key     *ecdsa.PrivateKey
	id      []byte
	handle  []byte
	counter uint32
	noUV    bool // does not ask who holds it
}

func newAuthenticator(t *testing.T) *authenticator {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := make([]byte, 32)
	rand.Read(id)
	return &authenticator{t: t, key: key, id: id, counter: 1}
}

var b64 = base64.RawURLEncoding

// options are those of either ceremony that the authenticator looks at.
type options struct {
	PublicKey struct {
		Challenge string `json:"challenge"`
		RPID      string `json:"rpId"`
		RP        struct {
			ID string `json:"id"`
		} `json:"rp"`
		User struct {
			ID string `json:"id"`
		} `json:"user"`
	} `json:"publicKey"`
}

func (a *authenticator) read(c project.Ceremony) options {
	a.t.Helper()
	var o options
	if err := json.Unmarshal(c.Options, &o); err != nil {
		a.t.Fatal(err)
	}
	return o
}

func (a *authenticator) data(rpID string, flags byte) []byte {
	sum := sha256.Sum256([]byte(rpID))
	flags |= 0x01 // somebody is there
	if !a.noUV {
		flags |= 0x04
	}
	return binary.BigEndian.AppendUint32(append(sum[:], flags), a.counter)
}

func (a *authenticator) json(v any) []byte {
	a.t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		a.t.Fatal(err)
	}
	return text
}

func (a *authenticator) cbor(v any) []byte {
	a.t.Helper()
	text, err := webauthncbor.Marshal(v)
	if err != nil {
		a.t.Fatal(err)
	}
	return text
}

func (a *authenticator) answer(response map[string]string) []byte {
	return a.json(map[string]any{
		"id": b64.EncodeToString(a.id), "rawId": b64.EncodeToString(a.id), "type": "public-key",
		"clientExtensionResults": map[string]any{}, "response": response,
	})
}

// register answers a question for a new passkey from a page of the origin.
func (a *authenticator) register(c project.Ceremony, origin string) []byte {
	a.t.Helper()
	o := a.read(c)
	a.handle, _ = b64.DecodeString(o.PublicKey.User.ID)
	public, err := a.key.PublicKey.Bytes()
	if err != nil {
		a.t.Fatal(err)
	}
	cose := a.cbor(map[int]any{1: 2, 3: -7, -1: 1, -2: public[1:33], -3: public[33:]})
	data := append(a.data(o.PublicKey.RP.ID, 0x40), make([]byte, 16)...)
	data = append(append(binary.BigEndian.AppendUint16(data, uint16(len(a.id))), a.id...), cose...)
	return a.answer(map[string]string{
		"clientDataJSON":    b64.EncodeToString(a.json(map[string]any{"type": "webauthn.create", "challenge": o.PublicKey.Challenge, "origin": origin})),
		"attestationObject": b64.EncodeToString(a.cbor(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": data})),
	})
}

// assert answers a question for the passkey.
func (a *authenticator) assert(c project.Ceremony, origin string) []byte {
	a.t.Helper()
	o := a.read(c)
	a.counter++
	client := a.json(map[string]any{"type": "webauthn.get", "challenge": o.PublicKey.Challenge, "origin": origin})
	data := a.data(o.PublicKey.RPID, 0)
	hash := sha256.Sum256(client)
	sum := sha256.Sum256(append(data[:len(data):len(data)], hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, a.key, sum[:])
	if err != nil {
		a.t.Fatal(err)
	}
	return a.answer(map[string]string{
		"clientDataJSON": b64.EncodeToString(client), "authenticatorData": b64.EncodeToString(data),
		"signature": b64.EncodeToString(signature), "userHandle": b64.EncodeToString(a.handle),
	})
}

// passkey adds a passkey to a user's account.
func (f factorFixture) passkey(name string, p project.Proof) (*authenticator, []secret.Text, project.Proof) {
	f.t.Helper()
	a := newAuthenticator(f.t)
	c, err := f.BeginPasskey(f.t.Context(), f.as(name), origin)
	f.ok("BeginPasskey", err)
	codes, p, err := f.AddPasskey(f.t.Context(), f.as(name), p, project.NewPasskey{
		Origin: origin, Name: " phone ", State: c.State, Answer: a.register(c, origin),
	}, "")
	f.ok("AddPasskey", err)
	f.trail.take()
	f.clock.Advance(time.Second)
	return a, codes, p
}

func TestPasskey(t *testing.T) {
	f := newFactorFixture(t)
	ctx, alice := t.Context(), f.as("alice")
	a, codes, p := f.passkey("alice", "")
	s := f.state("alice")
	if !s.On || len(s.Passkeys) != 1 || s.Passkeys[0].Name != "phone" || !s.Passkeys[0].LastUsedAt.IsZero() || len(codes) != 10 || !f.Fresh(alice, p) {
		t.Fatalf("SecondFactorState = %+v with %d codes, want one passkey that was not used and 10 codes", s, len(codes))
	}
	c, err := f.BeginCheck(ctx, alice, origin)
	f.ok("BeginCheck", err)
	answer := a.assert(c, origin)
	bob, _, _ := f.passkey("bob", "")
	refused := func(what string, caller project.Caller, at, state string, answer []byte) {
		t.Helper()
		got, err := f.CheckPasskey(ctx, caller, at, state, answer)
		f.kind("CheckPasskey "+what, err, errs.Denied)
		if got != "" {
			t.Errorf("CheckPasskey %s = %q, want no proof", what, got)
		}
	}
	refused("of another", alice, origin, c.State, bob.assert(c, origin))
	refused("by another", f.as("bob"), origin, c.State, answer)
	refused("from another site", alice, origin, c.State, a.assert(c, "https://evil.example.com"))
	refused("with a state of one's own", alice, origin, "v1.x.y", answer)
	refused("of garbage", alice, origin, c.State, []byte(`{"id":1}`))
	f.trail.take()
	p, err = f.CheckPasskey(ctx, alice, origin, c.State, a.assert(c, origin))
	f.ok("CheckPasskey", err)
	f.recorded("CheckPasskey", "alice|second_factor.passkey|user:alice|allowed|own account")
	if !f.Fresh(alice, p) || !f.state("alice").Passkeys[0].LastUsedAt.Equal(f.clock.Now()) {
		t.Errorf("after a check the proof is good: %t, last used %s; want true and now", f.Fresh(alice, p), f.state("alice").Passkeys[0].LastUsedAt)
	}
	refused("again", alice, origin, c.State, a.assert(c, origin))
	f.clock.Advance(time.Second)
	c, err = f.BeginCheck(ctx, alice, origin)
	f.ok("BeginCheck", err)
	a.counter -= 3
	refused("of a copy", alice, origin, c.State, a.assert(c, origin))
	a.counter += 10
	answer = a.assert(c, origin)
	f.clock.Advance(6 * time.Minute)
	refused("too late", alice, origin, c.State, answer)

	c, err = f.BeginCheck(ctx, alice, "https://registry.example.com:8443")
	f.ok("BeginCheck at another port", err)
	p, err = f.CheckPasskey(ctx, alice, "https://registry.example.com:8443", c.State, a.assert(c, "https://registry.example.com:8443"))
	f.ok("CheckPasskey at another port", err)
	f.ok("RenamePasskey", f.RenamePasskey(ctx, alice, s.Passkeys[0].ID, "Yubikey"))
	f.kind("RenamePasskey of another's", f.RenamePasskey(ctx, f.as("bob"), s.Passkeys[0].ID, "mine"), errs.NotFound)
	f.kind("RenamePasskey with a line end", f.RenamePasskey(ctx, alice, s.Passkeys[0].ID, "a\nb"), errs.Invalid)
	if got := f.state("alice").Passkeys[0].Name; got != "Yubikey" {
		t.Errorf("the passkey is called %q, want Yubikey", got)
	}
	f.kind("RemovePasskey without a proof", f.RemovePasskey(ctx, alice, "", s.Passkeys[0].ID), errs.Denied)
	f.ok("RemovePasskey", f.RemovePasskey(ctx, alice, p, s.Passkeys[0].ID))
	if f.state("alice").On {
		t.Error("the second factor is on after the last passkey was removed")
	}
}

// TestPasskeyGuarded sees that who has taken over a session can't add a passkey.
func TestPasskeyGuarded(t *testing.T) {
	f := newFactorFixture(t)
	_, _, p := f.app("alice")
	c, err := f.BeginPasskey(t.Context(), f.as("alice"), origin)
	f.ok("BeginPasskey", err)
	n := project.NewPasskey{Origin: origin, State: c.State, Answer: newAuthenticator(t).register(c, origin)}
	_, _, err = f.AddPasskey(t.Context(), f.as("alice"), "", n, "")
	f.kind("AddPasskey without a proof", err, errs.Denied)
	_, _, err = f.AddPasskey(t.Context(), f.as("bob"), "", n, "")
	f.kind("AddPasskey that was begun by another", err, errs.Denied)
	codes, _, err := f.AddPasskey(t.Context(), f.as("alice"), p, n, "")
	if err != nil || codes != nil {
		t.Errorf("AddPasskey besides an app = %d codes, %v, want none and no error", len(codes), err)
	}
	_, _, err = f.AddPasskey(t.Context(), f.as("alice"), p, n, "")
	f.kind("AddPasskey of the same", err, errs.Conflict)
}

func TestPasskeySignIn(t *testing.T) {
	f := newFactorFixture(t)
	a, _, _ := f.passkey("alice", "")
	c, err := f.BeginSignIn(origin)
	f.ok("BeginSignIn", err)
	a.noUV = true
	_, _, err = f.SignIn(t.Context(), origin, c.State, a.assert(c, origin))
	f.kind("SignIn by whoever holds the device", err, errs.Denied)
	a.noUV = false
	_, _, err = f.SignIn(t.Context(), origin, c.State, newAuthenticator(t).assert(c, origin))
	f.kind("SignIn with an unknown passkey", err, errs.Denied)
	check, err := f.BeginCheck(t.Context(), f.as("alice"), origin)
	f.ok("BeginCheck", err)
	_, _, err = f.SignIn(t.Context(), origin, check.State, a.assert(check, origin))
	f.kind("SignIn with the answer to another question", err, errs.Denied)
	name, p, err := f.SignIn(t.Context(), origin, c.State, a.assert(c, origin))
	if err != nil || name != "alice" || !f.Fresh(f.as("alice"), p) {
		t.Errorf("SignIn = %q, %v, want alice with a proof", name, err)
	}
	_, _, err = f.SignIn(t.Context(), origin, c.State, a.assert(c, origin))
	f.kind("SignIn with the same question", err, errs.Denied)
}

func TestPasskeyOrigins(t *testing.T) {
	f := newFactorFixture(t)
	for origin, want := range map[string]bool{
		origin: true, "http://localhost:5000": true, "http://10.0.0.1": false, "https://evil.example.com": false,
	} {
		if got := f.PasskeysAt(origin); got != want {
			t.Errorf("PasskeysAt(%s) = %t, want %t", origin, got, want)
		}
		if _, err := f.BeginSignIn(origin); (err == nil) != want {
			t.Errorf("BeginSignIn(%s) = %v, want success %t", origin, err, want)
		}
	}
}

// TestTrailHoldsNoSecrets looks for all that must not be there.
func TestTrailHoldsNoSecrets(t *testing.T) {
	f := newFactorFixture(t)
	var secrets []string
	var all []audit.Record
	key, codes, p := f.app("alice")
	all = append(all, f.trail.records...)
	f.clock.Advance(time.Minute)
	code := f.code(key, 0)
	f.ok("CheckCode", f.check("alice", code))
	f.kind("CheckCode", f.check("alice", code), errs.Denied)
	f.ok("CheckCode", f.check("alice", codes[0]))
	all = append(all, f.trail.records...)
	for _, s := range append(codes, key, code, secret.New(string(p))) {
		secrets = append(secrets, s.Reveal(), strings.ReplaceAll(s.Reveal(), "-", ""))
	}
	for _, r := range all {
		for _, s := range secrets {
			if strings.Contains(r.Reason+r.Resource+r.Operation+r.Method+r.JTI, s) {
				t.Errorf("the trail holds a secret: %+v", r)
			}
		}
	}
	if len(all) == 0 {
		t.Error("nothing was recorded")
	}
}
