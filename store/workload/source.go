package workload

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
)

// NamePrefix begins the names of workloads. No user's name can hold a ~.
const NamePrefix = "ci~"

// viaPrefix begins what tokens of workloads are made with: it ends when the rule lets others in than it did.
const viaPrefix = "rule:"

const (
	maxJWT = 16 << 10         // what fits into Basic
	skew   = 60 * time.Second // how far the clocks may differ about the beginning of a JWT; nothing outlives its end
)

// algorithms are those by which an issuer may sign: none with a shared secret, and not "none".
func algorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA}
}

// Source authenticates workloads by JWTs of the issuers that it trusts. It is safe for concurrent use.
type Source struct {
	rules []rule
	sets  []*keySet
	log   *slog.Logger
	now   func() time.Time
}

// rule is a [Rule], made ready.
type rule struct {
	Rule
	conditions []condition
	keys       *keySet
	via        string
}

var (
	_ auth.Recognizer = (*Source)(nil)
	_ auth.Holders    = (*Source)(nil)
)

// New makes the rules ready and asks nobody: an issuer may come up later.
func New(rules []Rule, log *slog.Logger, now func() time.Time) (*Source, error) {
	s := &Source{log: log, now: now}
	sets := map[keySource]*keySet{}
	for _, r := range rules {
		conditions, err := r.conditions()
		if err != nil {
			return nil, fmt.Errorf("trust rule %s: %w", r.Name, err)
		}
		from := r.keySource()
		if sets[from] == nil {
			if sets[from], err = newKeySet(from, log, now); err != nil {
				return nil, fmt.Errorf("trust rule %s: %w", r.Name, err)
			}
			s.sets = append(s.sets, sets[from])
		}
		via, err := r.via()
		if err != nil {
			return nil, fmt.Errorf("trust rule %s: %w", r.Name, err)
		}
		s.rules = append(s.rules, rule{Rule: r, conditions: conditions, keys: sets[from], via: via})
	}
	return s, nil
}

// via names what the rule lets in.
func (r Rule) via() (string, error) {
	text, err := json.Marshal([]any{r.Issuer, r.Audience, r.Conditions, r.Any})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return viaPrefix + hex.EncodeToString(sum[:8]), nil
}

// Close lets connections go.
func (s *Source) Close() error {
	for _, set := range s.sets {
		set.close()
	}
	return nil
}

// Named reports whether a name is one of a workload's, be there such a rule or not.
func Named(name string) bool { return strings.HasPrefix(name, NamePrefix) }

// Recognizes reports whether the name is a workload's, or the secret a JWT that says it is of an issuer that is trusted.
// Another JWT is a password like any other: a hook may know what to do with it.
func (s *Source) Recognizes(cred auth.Credential) bool {
	if Named(cred.Name) {
		return true
	}
	c, ok := peek(cred.Secret)
	return ok && slices.ContainsFunc(s.rules, func(r rule) bool { return r.Issuer == c.issuer })
}

// Holder returns a workload as its rule says now. One whose rule is gone, or lets others in than it did, is nobody.
func (s *Source) Holder(_ context.Context, name, via string) (auth.Subject, error) {
	for _, r := range s.rules {
		if NamePrefix+r.Name == name && r.via == via {
			return r.subject(), nil
		}
	}
	return auth.Subject{}, auth.ErrUnknownSubject
}

func (r rule) subject() auth.Subject {
	sub := auth.Subject{Name: NamePrefix + r.Name, Kind: auth.KindWorkload, How: "jwt", Via: r.via, Bounds: r.bounds()}
	for _, role := range r.Roles {
		sub.Roles = append(sub.Roles, auth.ProjectRole{Project: role.Project, Role: role.Role})
	}
	return sub
}

// Authenticate returns the subject of the first rule that the JWT fits. The name selects a rule (its own, with or without
// ci~) or leaves the choice (jwt, oidc, none); it decides nothing else. A refusal says what is wrong with the JWT to
// whoever presents it, and so to the audit trail; what the rules are is said in the log alone.
func (s *Source) Authenticate(ctx context.Context, cred auth.Credential) (auth.Subject, error) {
	c, ok := peek(cred.Secret)
	if !ok {
		return auth.Subject{}, refused("the secret of %q is no JWT", auth.Presented(cred.Name))
	}
	rules, err := s.candidates(cred.Name, c)
	if err != nil {
		return auth.Subject{}, err
	}
	signed, err := c.parse(cred.Secret)
	if err != nil {
		return auth.Subject{}, err
	}
	payloads := map[*keySet][]byte{}
	var last error
	var why []error
	for _, r := range rules {
		payload, known := payloads[r.keys]
		if !known {
			if payload, err = c.verify(ctx, signed, r.keys); err != nil {
				return auth.Subject{}, err // another place for the keys of an issuer does not make up for this one
			}
			payloads[r.keys] = payload
		}
		sub, err := s.judge(r, c, payload)
		if err == nil {
			return sub, nil
		}
		if last == nil || errors.Is(last, errAudience) {
			last = err // a condition that does not hold says more
		}
		why = append(why, cause(err))
	}
	// Whoever wrote the rules has to see which of them came near. Only what the issuer signed gets here.
	s.log.Info("a JWT of a trusted issuer is refused", "workload", c.String(), "error", errors.Join(why...))
	return auth.Subject{}, last
}

// cause is what the client is not shown of an error, if there is any.
func cause(err error) error {
	if e := errs.As(err); e.Err != nil {
		return e.Err
	}
	return err
}

// candidates are the rules for the issuer that the name selects.
func (s *Source) candidates(name string, c claimed) ([]rule, error) {
	var rules []rule
	wanted := strings.TrimPrefix(name, NamePrefix)
	free := name == "" || name == anyRuleJWT || name == anyRuleOIDC
	for _, r := range s.rules {
		if r.Issuer == c.issuer && (free || r.Name == wanted) {
			rules = append(rules, r)
		}
	}
	if len(rules) == 0 {
		return nil, refused("there is no trust rule %q for the JWT of %s", auth.Presented(wanted), c).
			WithHint("use the name jwt, or the name of a rule under workloads")
	}
	return rules, nil
}

// errAudience marks the refusal of a JWT that is for somebody else.
var errAudience = errors.New("wrong audience")

// judge holds a verified JWT to a rule.
func (s *Source) judge(r rule, c claimed, payload []byte) (auth.Subject, error) {
	claims, err := parseClaims(payload)
	if err != nil {
		return auth.Subject{}, refused("the JWT of %s is malformed", c).Because(err)
	}
	if claims["iss"] != r.Issuer {
		return auth.Subject{}, refused("the JWT of %s is of another issuer", c)
	}
	end, err := c.times(claims, s.now())
	if err != nil {
		return auth.Subject{}, err
	}
	if !slices.Contains(audiences(claims), r.Audience) {
		return auth.Subject{}, refused("the JWT of %s is for another audience", c).
			WithHint("ask the issuer for one with the audience that the trust rule names").
			Because(fmt.Errorf("%w: rule %s wants %q", errAudience, r.Name, r.Audience))
	}
	for _, cond := range r.conditions {
		if !cond.holds(claims) {
			return auth.Subject{}, refused("no trust rule fits the JWT of %s", c).
				WithHint("compare its claims with the conditions under workloads; the server's log names the one that does not hold").
				Because(fmt.Errorf("rule %s: the claim %q is not what it may be", r.Name, cond.claim))
		}
	}
	if most := s.now().Add(r.MaxLife); most.Before(end) {
		end = most
	}
	sub := r.subject()
	sub.Until, sub.For = end, c.String()
	return sub, nil
}

// refused is an answer that is final.
func refused(format string, args ...any) *errs.Error {
	return errs.New(errs.Unauthenticated, format, args...).WithHint("get a new JWT from the issuer")
}

// claimed is what a JWT says before anybody has verified it.
type claimed struct {
	issuer, subject string
	header          header
}

type header struct {
	Algorithm string          `json:"alg"`
	KeyID     string          `json:"kid"`
	Type      string          `json:"typ"`
	Critical  json.RawMessage `json:"crit"`
}

// String names the workload for people: clipped, in quotes, and never the JWT.
func (c claimed) String() string {
	return fmt.Sprintf("%q (issuer %q)", auth.Presented(c.subject), auth.Presented(c.issuer))
}

// peek reads who a JWT says that it is of. It is false for what has not the form of one.
func peek(t secret.Text) (claimed, bool) {
	parts := strings.Split(t.Reveal(), ".")
	if len(parts) != 3 || !strings.HasPrefix(parts[0], "ey") { // base64url of {"
		return claimed{}, false
	}
	var c claimed
	var payload struct {
		Issuer  any `json:"iss"`
		Subject any `json:"sub"`
	}
	if !decodePart(parts[0], &c.header) || !decodePart(parts[1], &payload) {
		return claimed{}, false
	}
	c.issuer, _ = payload.Issuer.(string)
	c.subject, _ = payload.Subject.(string)
	return c, true
}

func decodePart(part string, to any) bool {
	raw, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(raw, to) == nil
}

// parse holds the JWT's form to what is accepted. Keys that it brings along (jwk, jku, x5c) are not looked at.
func (c claimed) parse(t secret.Text) (*jose.JSONWebSignature, error) {
	switch {
	case len(t.Reveal()) > maxJWT:
		return nil, refused("the JWT of %s is longer than %d bytes", c, maxJWT)
	case !slices.Contains(algorithms(), jose.SignatureAlgorithm(c.header.Algorithm)):
		return nil, refused("the JWT of %s is signed by the algorithm %q, which is not accepted", c, auth.Presented(c.header.Algorithm))
	case len(c.header.Critical) > 0:
		return nil, refused("the JWT of %s has extensions that have to be understood (crit), and are not", c)
	case c.header.Type != "" && !strings.EqualFold(c.header.Type, "JWT"):
		return nil, refused("the token of %s is of the type %q and no JWT of a workload", c, auth.Presented(c.header.Type))
	}
	signed, err := jose.ParseSignedCompact(t.Reveal(), algorithms())
	if err != nil {
		return nil, refused("the JWT of %s is malformed", c).Because(err)
	}
	return signed, nil
}

// verify returns what the issuer has signed.
func (c claimed) verify(ctx context.Context, signed *jose.JSONWebSignature, from *keySet) ([]byte, error) {
	keys, err := from.find(ctx, c.header.KeyID, c.header.Algorithm)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, errs.New(errs.Unavailable, "the issuer of the JWT does not answer").WithHint("try again soon").
			Because(fmt.Errorf("issuer %s: %w", from.source.issuer, err))
	}
	for _, key := range keys {
		if payload, err := signed.Verify(key.Key); err == nil {
			return payload, nil
		}
	}
	return nil, refused("the JWT that claims to be of %s is not signed by a key of that issuer", c).
		Because(fmt.Errorf("key %q, %d tried", auth.Presented(c.header.KeyID), len(keys)))
}

// parseClaims reads the payload. Numbers stay as they are written: an id has more digits than a float.
func parseClaims(payload []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	var claims map[string]any
	if err := d.Decode(&claims); err != nil {
		return nil, errors.New("the claims are no JSON object")
	}
	return claims, nil
}

// times returns the JWT's end. It must have one, and have begun.
func (c claimed) times(claims map[string]any, now time.Time) (time.Time, error) {
	end, ok := instant(claims["exp"])
	if !ok {
		return time.Time{}, refused("the JWT of %s has no end (exp)", c)
	}
	if !end.After(now) {
		return time.Time{}, refused("the JWT of %s has expired at %s", c, end.UTC().Format(time.RFC3339))
	}
	for _, name := range []string{"nbf", "iat"} {
		value, there := claims[name]
		if !there {
			continue
		}
		begin, ok := instant(value)
		if !ok {
			return time.Time{}, refused("the JWT of %s has no time in %s", c, name)
		}
		if begin.After(now.Add(skew)) {
			return time.Time{}, refused("the JWT of %s begins at %s, which is not yet", c, begin.UTC().Format(time.RFC3339)).
				WithHint("see whether the clocks of the issuer and of this server are right")
		}
	}
	return end, nil
}

// instant reads a NumericDate (RFC 7519 section 2).
func instant(v any) (time.Time, bool) {
	number, ok := v.(json.Number)
	if !ok {
		return time.Time{}, false
	}
	seconds, err := number.Float64()
	const farthest = 253402300800 // the year 10000
	if err != nil || !(seconds >= 0 && seconds < farthest) {
		return time.Time{}, false
	}
	return time.Unix(int64(seconds), 0), true
}

// audiences reads the aud claim: a text or a list of them.
func audiences(claims map[string]any) []string {
	switch aud := claims["aud"].(type) {
	case string:
		return []string{aud}
	case []any:
		var all []string
		for _, one := range aud {
			if text, ok := one.(string); ok {
				all = append(all, text)
			}
		}
		return all
	}
	return nil
}
