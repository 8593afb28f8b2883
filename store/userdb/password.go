package userdb

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
)

// Lengths of a password, in characters. There is no rule about which characters it is made of: such rules make people
// write Password1! and forbid good ones (NIST SP 800-63B section 3.1.1.2). The upper end keeps a login from being work.
const (
	MinPassword = 8
	MaxPassword = 128
)

// params are argon2id's cost parameters (RFC 9106).
type params struct {
	memory  uint32 // KiB
	time    uint32
	threads uint8
}

// current returns the parameters of new hashes: the smallest that OWASP advises, because docker sends the password with
// every command.
func current() params { return params{memory: 19456, time: 2, threads: 1} }

// Limits of the parameters in a stored hash. A hash comes from a backup or an import, and must not stop the server.
const (
	maxMemory  = 256 << 10 // KiB
	maxTime    = 16
	maxThreads = 16
	saltLength = 16
	keyLength  = 32
)

// CheckPassword refuses a password that is too short, too long or not text. The error is of the kind Invalid.
func CheckPassword(password secret.Text) error {
	p := password.Reveal()
	switch n := utf8.RuneCountInString(p); {
	case !utf8.ValidString(p) || strings.ContainsRune(p, 0):
		return errs.New(errs.Invalid, "the password holds a NUL character or is not UTF-8").WithHint("choose another password")
	case n < MinPassword:
		return errs.New(errs.Invalid, "the password is shorter than %d characters", MinPassword).WithHint("choose a longer one")
	case n > MaxPassword:
		return errs.New(errs.Invalid, "the password is longer than %d characters", MaxPassword).WithHint("choose a shorter one")
	}
	return nil
}

// Hasher hashes passwords, at most so many at once: each takes 19 MiB and a core, and logins must leave room for the
// rest. It is safe for concurrent use.
type Hasher struct {
	slots chan struct{}
	dummy phc
}

// NewHasher returns a Hasher that hashes at most n passwords at once; 0 is as many as there are cores.
func NewHasher(n int) *Hasher {
	if n <= 0 {
		n = runtime.GOMAXPROCS(0)
	}
	return &Hasher{
		slots: make(chan struct{}, n),
		dummy: phc{params: current(), salt: make([]byte, saltLength), key: make([]byte, keyLength)},
	}
}

// Hash checks the password and returns its hash in PHC form. Invalid: the password breaks the rule.
func (h *Hasher) Hash(ctx context.Context, password secret.Text) (string, error) {
	if err := CheckPassword(password); err != nil {
		return "", err
	}
	p := phc{params: current(), salt: make([]byte, saltLength)}
	rand.Read(p.salt) // crypto/rand never fails (Go 1.24)
	key, err := h.derive(ctx, p, keyLength, password)
	if err != nil {
		return "", err
	}
	p.key = key
	return p.String(), nil
}

// Verdict is what came of comparing a password with a hash.
type Verdict struct {
	Match    bool
	Outdated bool // the hash was made with other parameters than a new one would be: make a new one
}

// Verify compares a password with a hash. An error means that there is no answer: the hash can't be read, or ctx ended
// while others were hashing.
func (h *Hasher) Verify(ctx context.Context, hash string, password secret.Text) (Verdict, error) {
	p, err := parsePHC(hash)
	if err != nil {
		return Verdict{}, err
	}
	match, err := h.compare(ctx, p, password)
	return Verdict{Match: match, Outdated: p.params != current()}, err
}

// Waste costs what Verify costs and answers nothing, for users that don't exist: who does must not show in the time.
func (h *Hasher) Waste(ctx context.Context, password secret.Text) error {
	_, err := h.compare(ctx, h.dummy, password)
	return err
}

func (h *Hasher) compare(ctx context.Context, p phc, password secret.Text) (bool, error) {
	long := utf8.RuneCountInString(password.Reveal()) > MaxPassword
	if long {
		password = secret.New("") // longer than any password that was ever set: wrong, at the usual cost
	}
	key, err := h.derive(ctx, p, len(p.key), password)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(key, p.key) == 1 && !long, nil
}

func (h *Hasher) derive(ctx context.Context, p phc, length int, password secret.Text) ([]byte, error) {
	if err := h.acquire(ctx); err != nil {
		return nil, fmt.Errorf("waiting to hash a password: %w", err)
	}
	defer func() { <-h.slots }()
	// length is that of a key which was bounded when it was read.
	return argon2.IDKey([]byte(password.Reveal()), p.salt, p.time, p.memory, p.threads, uint32(length)), nil //nolint:gosec // see above
}

func (h *Hasher) acquire(ctx context.Context) error {
	if ctx.Err() != nil { // select would toss a coin
		return context.Cause(ctx)
	}
	select {
	case h.slots <- struct{}{}:
		return nil
	default:
	}
	patience := time.NewTimer(maxWait)
	defer patience.Stop()
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-patience.C:
		return errs.New(errs.TooMany, "too many logins wait for their turn").WithHint("try again in a moment")
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// maxWait is how long a login waits for its turn. A client that waited longer has given up, and its place in the queue
// would keep others waiting.
const maxWait = 5 * time.Second

// phc is a hash in the PHC string format: $argon2id$v=19$m=19456,t=2,p=1$salt$key.
type phc struct {
	params
	salt, key []byte
}

func (p phc) String() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.memory, p.time, p.threads,
		b64.EncodeToString(p.salt), b64.EncodeToString(p.key))
}

// parsePHC reads a hash. Its error never quotes it.
func parsePHC(s string) (phc, error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return phc{}, fmt.Errorf("the stored password hash is not argon2id version %d in PHC form", argon2.Version)
	}
	var p phc
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.threads); err != nil {
		return phc{}, fmt.Errorf("reading the parameters of the stored password hash: %w", err)
	}
	if err := p.check(); err != nil {
		return phc{}, err
	}
	var err error
	if p.salt, err = decode(parts[4], 8); err != nil {
		return phc{}, fmt.Errorf("reading the salt of the stored password hash: %w", err)
	}
	if p.key, err = decode(parts[5], 16); err != nil {
		return phc{}, fmt.Errorf("reading the key of the stored password hash: %w", err)
	}
	if p.String() != s { // Sscanf is lenient
		return phc{}, errors.New("the stored password hash is not in canonical PHC form")
	}
	return p, nil
}

func (p params) check() error {
	if p.time < 1 || p.time > maxTime || p.threads < 1 || p.threads > maxThreads ||
		p.memory < 8*uint32(p.threads) || p.memory > maxMemory {
		return fmt.Errorf("the parameters of the stored password hash are out of bounds: m=%d,t=%d,p=%d", p.memory, p.time, p.threads)
	}
	return nil
}

// decode reads unpadded base64 of at least shortest and at most 64 bytes.
func decode(s string, shortest int) ([]byte, error) {
	b, err := base64.RawStdEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("not base64: %w", err)
	}
	if len(b) < shortest || len(b) > 64 {
		return nil, fmt.Errorf("%d bytes long", len(b))
	}
	return b, nil
}
