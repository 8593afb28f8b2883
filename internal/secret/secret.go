// Package secret owns values that must never be printed: they mask themselves wherever they are formatted or encoded.
package secret

import "log/slog"

// Text is a secret in clear. Reveal is the only way to read it.
type Text struct{ value string }

const mask = "[secret]"

// New wraps a secret.
func New(value string) Text { return Text{value} }

// Reveal returns the secret itself.
func (t Text) Reveal() string { return t.value }

// Empty reports whether there is no secret.
func (t Text) Empty() bool { return t.value == "" }

// String returns a mask (fmt.Stringer).
func (t Text) String() string {
	if t.value == "" {
		return ""
	}
	return mask
}

// GoString returns a mask, for %#v.
func (t Text) GoString() string { return t.String() }

// LogValue returns a mask (slog.LogValuer).
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalText returns a mask, so that no encoder leaks the secret (encoding.TextMarshaler).
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText takes the secret as it is (encoding.TextUnmarshaler).
func (t *Text) UnmarshalText(b []byte) error { t.value = string(b); return nil }
