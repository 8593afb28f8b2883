package auth

import (
	"strings"

	"github.com/sealock/sealock/internal/errs"
)

// Challenge is a WWW-Authenticate header of the scheme Bearer (RFC 6750 section 3, distribution token specification
// "How to authenticate"): where to ask for a token, and for which scope.
type Challenge struct {
	Realm   string
	Service string
	Scope   Scope
	Error   string // "", "invalid_token" or "insufficient_scope"
}

// String returns the header's value. Quotes and backslashes in values are escaped, control characters dropped.
func (c Challenge) String() string {
	var b strings.Builder
	b.WriteString("Bearer ")
	param(&b, "realm", c.Realm)
	b.WriteByte(',')
	param(&b, "service", c.Service)
	if len(c.Scope) > 0 {
		b.WriteByte(',')
		param(&b, "scope", c.Scope.String())
	}
	if c.Error != "" {
		b.WriteByte(',')
		param(&b, "error", c.Error)
	}
	return b.String()
}

func param(b *strings.Builder, name, value string) {
	b.WriteString(name)
	b.WriteString(`="`)
	for i := range len(value) {
		switch c := value[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c >= ' ' && c != 0x7f:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
}

// ParseChallenge reads a WWW-Authenticate header of the scheme Bearer (RFC 9110 section 11.6.1: parameters are
// tokens or quoted strings, in any order). Unknown parameters are skipped; a scope that breaks the grammar, a
// parameter given twice or a missing realm is an [errs.Invalid] error.
func ParseChallenge(header string) (Challenge, error) {
	scheme, rest, _ := strings.Cut(strings.TrimLeft(header, " \t"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return Challenge{}, errs.New(errs.Invalid, "challenge %q is not of the scheme Bearer", clip(header))
	}
	params, err := challengeParams(rest)
	if err != nil {
		return Challenge{}, err
	}
	c := Challenge{Realm: params["realm"], Service: params["service"], Error: params["error"]}
	if c.Realm == "" {
		return Challenge{}, errs.New(errs.Invalid, "challenge %q has no realm", clip(header))
	}
	if c.Scope, err = ParseScope([]string{params["scope"]}); err != nil {
		return Challenge{}, err
	}
	return c, nil
}

// challengeParams reads name=value pairs separated by commas; names are without regard to case.
func challengeParams(s string) (map[string]string, error) {
	params := make(map[string]string, 4)
	for {
		s = strings.TrimLeft(s, " \t,")
		if s == "" {
			return params, nil
		}
		name, rest, ok := strings.Cut(s, "=")
		name = strings.ToLower(strings.TrimRight(name, " \t"))
		if !ok || !isToken(name) {
			return nil, errs.New(errs.Invalid, "challenge parameter %q is not name=value", clip(s))
		}
		value, rest, err := challengeValue(strings.TrimLeft(rest, " \t"))
		if err != nil {
			return nil, err
		}
		if _, twice := params[name]; twice {
			return nil, errs.New(errs.Invalid, "challenge parameter %q is given twice", clip(name))
		}
		params[name] = value
		s = strings.TrimLeft(rest, " \t")
		if s != "" && s[0] != ',' {
			return nil, errs.New(errs.Invalid, "challenge has %q where a comma is expected", clip(s))
		}
	}
}

// challengeValue reads a token or a quoted string and returns what follows it.
func challengeValue(s string) (value, rest string, err error) {
	if !strings.HasPrefix(s, `"`) {
		i := strings.IndexAny(s, ", \t")
		if i < 0 {
			i = len(s)
		}
		if !isToken(s[:i]) {
			return "", "", errs.New(errs.Invalid, "challenge value %q is neither a token nor quoted", clip(s))
		}
		return s[:i], s[i:], nil
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], nil
		case '\\':
			if i++; i == len(s) {
				break
			}
			b.WriteByte(s[i])
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", errs.New(errs.Invalid, "challenge value %q has no closing quote", clip(s))
}

// isToken reports whether s is a token of RFC 9110 section 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alnum && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}
