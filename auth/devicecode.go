package auth

import (
	"context"
	"crypto/rand"
	"strings"
	"time"
	"unicode"

	"github.com/sealock/sealock/internal/errs"
)

// DeviceCode is a device's wish to be signed in by somebody who sits at another one (RFC 8628), as it is kept: the
// device alone knows the secret that it polls with.
type DeviceCode struct {
	ID         string // public part, as the audit trail has it
	SecretHash []byte // SHA-256 of the secret
	UserCode   string // what a person types, as ParseUserCode returns it
	ClientID   string // what the device calls itself; nobody vouches for it
	Service    string // what the tokens are for
	Scope      string // what was asked for at once; the refresh token is not bound to it
	Remote     string // the address that asked
	Status     DeviceStatus
	Subject    string // who approved; "" until then
	UserID     int64
	UserAsOf   time.Time // which state of the user approved: who changes the password meanwhile has not
	Interval   time.Duration
	PolledAt   time.Time // when the device last asked at the right pace; zero is never
	CreatedAt  time.Time
	ExpiresAt  time.Time
}

// DeviceStatus is how far a device code got.
type DeviceStatus string

// The states of a device code. Only a pending one can be answered, and only an approved one is good for tokens, once.
const (
	DevicePending  DeviceStatus = "pending"
	DeviceApproved DeviceStatus = "approved"
	DeviceDenied   DeviceStatus = "denied"
	DeviceUsed     DeviceStatus = "used"
)

// DeviceLimits is how many device codes may be alive at a time. Strangers make them.
type DeviceLimits struct {
	All       int
	PerRemote int
}

// DeviceCodes keeps device codes. An unknown id or user code gives an error of the kind NotFound.
type DeviceCodes interface {
	// CreateDeviceCode keeps a new code. Conflict: its id or user code is taken. TooMany: a limit is reached.
	CreateDeviceCode(ctx context.Context, c DeviceCode, limits DeviceLimits) error
	DeviceCode(ctx context.Context, id string) (DeviceCode, error)
	DeviceCodeByUserCode(ctx context.Context, userCode string) (DeviceCode, error)
	// UpdateDeviceCode runs fn on the stored code inside a transaction and stores what fn made of its answer
	// (Status, Subject, UserID, UserAsOf, Interval, PolledAt).
	UpdateDeviceCode(ctx context.Context, id string, fn func(*DeviceCode) error) (DeviceCode, error)
}

// deviceSecrets is the form of device codes.
func deviceSecrets() OpaqueForm { return OpaqueForm{"sealock_dev_"} }

const (
	// userAlphabet has no vowels, so that no words come up, and nothing that looks like something else (RFC 8628 section 6.1).
	userAlphabet = "BCDFGHJKLMNPQRSTVWXZ"
	userCodeSize = 8
)

// newUserCode returns 34 random bits that a person can type.
func newUserCode() string {
	code := make([]byte, 0, userCodeSize)
	var b [1]byte
	for len(code) < userCodeSize {
		rand.Read(b[:])
		if fair := 256 - 256%len(userAlphabet); int(b[0]) < fair {
			code = append(code, userAlphabet[int(b[0])%len(userAlphabet)])
		}
	}
	return string(code)
}

// ParseUserCode reads what a person typed for a user code: in any case, with dashes and spaces anywhere. It is false
// for what can't be one.
func ParseUserCode(typed string) (code string, ok bool) {
	var b strings.Builder
	for _, r := range typed {
		switch {
		case unicode.Is(unicode.Pd, r) || unicode.IsSpace(r):
			continue
		case r >= 'a' && r <= 'z':
			r -= 'a' - 'A'
		}
		if b.Len() == userCodeSize || !strings.ContainsRune(userAlphabet, r) {
			return "", false
		}
		b.WriteRune(r)
	}
	return b.String(), b.Len() == userCodeSize
}

// FormatUserCode returns a user code as people read it: XXXX-XXXX.
func FormatUserCode(code string) string {
	if len(code) != userCodeSize {
		return code
	}
	return code[:userCodeSize/2] + "-" + code[userCodeSize/2:]
}

// The pace of polling.
const (
	deviceInterval    = 5 * time.Second
	deviceSlower      = 5 * time.Second // RFC 8628 section 3.5: for each poll that comes too soon
	deviceSlowest     = time.Minute
	deviceGrace       = time.Second // a client that waits as told may arrive a little early after one that came late
	deviceLife        = 10 * time.Minute
	deviceMethod      = "device_code" // in the audit trail
	deviceResource    = "device_code:"
	deviceCollisions  = 5
	deviceAll         = 10_000
	devicePerRemote   = 100 // a whole office may have one address
	deviceRetry       = time.Minute
	wrongCodesPerUser = 10
	wrongCodesPerAddr = 50
	wrongCodesMemory  = 10 * time.Minute
)

// The answers to a device that polls (RFC 8628 section 3.5). They have the status 400, other than those of refresh
// tokens: no registry client sees them.
var (
	errDevicePending = errs.New(errs.Invalid, "nobody has approved this device yet").
				WithHint("open the verification URI, type the code, and go on polling").WithCode("authorization_pending")
	errDeviceSlowDown = errs.New(errs.Invalid, "this device asks too often").
				WithHint("wait five seconds longer from now on").WithCode("slow_down")
	errDeviceDenied = errs.New(errs.Invalid, "the device login was denied").
			WithHint("start again if that was a mistake").WithCode("access_denied")
	errDeviceExpired = errs.New(errs.Invalid, "the device code has expired").
				WithHint("start again, and approve within ten minutes").WithCode("expired_token")
	errDeviceCode = errs.New(errs.Invalid, "the device code is unknown, used already, or another client's").
			WithHint("start again").WithCode("invalid_grant")
)

// poll notes that the device asks, and decides what it is told. An approved code is used up.
func (c *DeviceCode) poll(now time.Time) error {
	switch {
	case c.Status == DeviceUsed:
		return errDeviceCode
	case !now.Before(c.ExpiresAt):
		return errDeviceExpired
	case c.Status == DeviceDenied:
		return errDeviceDenied
	case c.Status == DeviceApproved:
		c.Status = DeviceUsed
		return nil
	case now.Before(c.PolledAt.Add(c.Interval - deviceGrace)):
		c.Interval = min(c.Interval+deviceSlower, deviceSlowest)
		return errDeviceSlowDown
	}
	c.PolledAt = now
	return errDevicePending
}

// answer notes what a person decided. Who is not asked any more learns why.
func (c *DeviceCode) answer(sub Subject, approve bool, now time.Time) error {
	switch {
	case !now.Before(c.ExpiresAt):
		return errUserCode
	case c.Status != DevicePending:
		return errs.New(errs.Conflict, "this device login was answered already").WithHint("start again on the device if it is not signed in")
	}
	c.Status, c.Subject, c.UserID, c.UserAsOf = DeviceDenied, sub.Name, sub.ID, sub.AsOf
	if approve {
		c.Status = DeviceApproved
	}
	return nil
}

// errUserCode is the one answer for a user code that is mistyped, unknown, expired or answered.
var errUserCode = errs.New(errs.NotFound, "no device waits for this code").
	WithHint("check the code on the device; it is good for ten minutes")
