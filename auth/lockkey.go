package auth

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strings"
	"time"
)

// LockKind is what failed logins are counted by.
type LockKind string

// The kinds of locks.
const (
	LockAccount LockKind = "account" // an account, for all addresses that it did not sign in from
	LockAddress LockKind = "address" // an address, for all accounts that did not sign in from there
	LockPair    LockKind = "pair"    // an account at an address that it did sign in from
)

// LockKey is what failed logins are counted for.
type LockKey struct {
	ID      string // what it is found by: of one length, whatever the name was
	Kind    LockKind
	Account string // as it may be shown; "" for an address
	Address string // an IPv4 address or an IPv6 network of 64 bits; "" for an account
}

// NewLockKey makes a key. account is a name in the form in which all spellings of it are one, address what
// [LockedAddress] returns.
func NewLockKey(kind LockKind, account, address string) LockKey {
	switch kind {
	case LockAccount:
		address = ""
	case LockAddress:
		account = ""
	case LockPair:
	}
	// The lengths of kind and address are known or have no NUL in them, so that no two keys run together.
	sum := sha256.Sum256([]byte(string(kind) + "\x00" + address + "\x00" + account))
	return LockKey{ID: hex.EncodeToString(sum[:16]), Kind: kind, Account: shownAccount(account), Address: address}
}

func shownAccount(account string) string {
	if account == "" {
		return ""
	}
	return Presented(account)
}

// LockedAddress returns what failures are counted for where a request came from: an IPv4 address, or the network of an
// IPv6 address, because whoever has one has 2^64. What is no address gives "", and is not counted.
func LockedAddress(remote string) string {
	a, ok := parseRemote(remote)
	if !ok {
		return ""
	}
	if a.Is4() {
		return a.String()
	}
	return netip.PrefixFrom(a, 64).Masked().String()
}

func parseRemote(remote string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(strings.TrimSpace(remote))
	if err != nil {
		return netip.Addr{}, false
	}
	return a.Unmap().WithZone(""), true
}

// LoginFailures are the failed logins of a key. The zero value, besides the key, is none.
type LoginFailures struct {
	LockKey

	Failures    int
	Salt        []byte // of the tags
	Tags        []byte // see [secretTag]
	LockedUntil time.Time
	FirstAt     time.Time // of those counted
	LastAt      time.Time
}
