package auth

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
)

// maxBasicLength bounds an Authorization header of the scheme Basic: a personal access token or a CI system's JWT
// fits, a dictionary does not.
const maxBasicLength = 16 << 10

// ParseBasic reads an Authorization header of the scheme Basic (RFC 7617). Anything that is not exactly that gives
// an error of the kind Unauthenticated, never an empty credential: a client that presented something is not anonymous.
func ParseBasic(header string) (Credential, error) {
	scheme, value, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return Credential{}, badBasic("the scheme of the header Authorization is not understood here") // it may be a secret
	}
	if len(value) > maxBasicLength {
		return Credential{}, badBasic("the credential is longer than %d bytes", maxBasicLength)
	}
	raw, err := decodeBase64(strings.TrimLeft(value, " "))
	if err != nil {
		return Credential{}, badBasic("the credential is not base64")
	}
	name, key, ok := strings.Cut(string(raw), ":")
	if !ok {
		return Credential{}, badBasic("the credential has no colon")
	}
	if !plain(name) || !plain(key) {
		return Credential{}, badBasic("the credential holds control characters or is not UTF-8")
	}
	return Credential{Name: name, Secret: secret.New(key)}, nil
}

// decodeBase64 takes the padded form and the one without padding that some hand-written clients send.
func decodeBase64(s string) ([]byte, error) {
	return base64.RawStdEncoding.Strict().DecodeString(strings.TrimRight(s, "="))
}

// plain reports whether s is UTF-8 without control characters (RFC 7617 section 2).
func plain(s string) bool {
	for _, r := range s {
		if r < ' ' || r == 0x7f {
			return false
		}
	}
	return utf8.ValidString(s)
}

// Presented returns a name as a client presented it, for logs and the audit trail: clipped, and masked if it is a secret
// that was put into the wrong field.
func Presented(name string) string {
	for _, prefix := range []string{refreshPrefix, PersonalAccessTokens().Prefix, RobotSecrets().Prefix, deviceSecrets().Prefix} {
		if strings.Contains(name, prefix) {
			return "[secret]"
		}
	}
	if strings.Contains(name, "eyJ") && strings.Count(name, ".") >= 2 { // a JWT begins like this
		return "[secret]"
	}
	return clip(name)
}

func badBasic(format string, args ...any) error {
	return errs.New(errs.Unauthenticated, format, args...).WithHint("send Authorization: Basic base64(name:secret)")
}
