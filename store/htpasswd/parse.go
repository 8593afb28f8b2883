package htpasswd

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"

	"github.com/sealock/sealock/store"
)

// maxCost bounds the work that a line can ask for: each step doubles it, and 15 takes some two seconds.
const maxCost = 15

// maxFile bounds a file: some 50,000 users.
const maxFile = 8 << 20

// user is a line.
type user struct {
	name string
	hash []byte
	cost int
}

// users are the lines by [store.NameKey], with the cost that most of the work for unknown names follows.
type users struct {
	byKey map[string]user
	cost  int // the highest in the file
}

// Fault is what is wrong with a line, and what to do about it. It never quotes the line's hash.
type Fault struct {
	File   string
	Line   int
	What   string
	Remedy string
}

// Error returns file:line: what: remedy.
func (f *Fault) Error() string {
	return fmt.Sprintf("%s:%d: %s: %s", f.File, f.Line, f.What, f.Remedy)
}

// parse reads a file's text. Empty lines and lines that start with # are skipped. The first fault ends it: half a file
// would lock out some of its users and let others in whom the other half was to replace.
func parse(file string, text []byte) (users, error) {
	found := users{byKey: map[string]user{}, cost: bcrypt.MinCost}
	if len(text) > maxFile {
		return found, &Fault{file, 1, "the file is larger than 8 MiB", "split it into several sources"}
	}
	number := 0
	for line := range bytes.Lines(text) {
		number++
		trimmed := strings.TrimRight(string(line), " \t\r\n")
		if number == 1 {
			trimmed = strings.TrimPrefix(trimmed, "\ufeff")
		}
		if trimmed == "" || strings.HasPrefix(trimmed, "#") {
			continue
		}
		u, what, remedy := parseLine(trimmed)
		if what == "" {
			if other, taken := found.byKey[store.NameKey(u.name)]; taken {
				what, remedy = fmt.Sprintf("the user %q is there already, as %q", u.name, other.name), "leave one of the lines away; case makes no difference"
			}
		}
		if what != "" {
			return found, &Fault{file, number, what, remedy}
		}
		found.byKey[store.NameKey(u.name)] = u
		found.cost = max(found.cost, u.cost)
	}
	return found, nil
}

// parseLine returns what is wrong with the line, if anything is.
func parseLine(line string) (u user, what, remedy string) {
	name, hash, ok := strings.Cut(line, ":")
	switch {
	case !ok:
		return u, "the line has no colon", "write user:hash, as htpasswd -B does"
	case name == "":
		return u, "the user has no name", "write user:hash, as htpasswd -B does"
	case !utf8.ValidString(name):
		return u, "the name is not UTF-8", "save the file as UTF-8"
	}
	remake := fmt.Sprintf("make it anew with htpasswd -B FILE %s", name)
	if kind := otherKind(hash); kind != "" {
		return u, fmt.Sprintf("the hash of %q is %s, only bcrypt is taken", name, kind), remake
	}
	cost, err := bcryptCost(hash)
	if err != nil {
		return u, fmt.Sprintf("the hash of %q is not whole: %v", name, err), remake
	}
	if cost > maxCost {
		return u, fmt.Sprintf("the hash of %q has the cost %d", name, cost), fmt.Sprintf("make it anew with a cost of %d or less: htpasswd -B -C 10", maxCost)
	}
	// The library knows $2a$ and $2b$; $2y$ is what crypt_blowfish calls the same algorithm.
	return user{name: name, hash: []byte("$2a$" + hash[4:]), cost: cost}, "", ""
}

// otherKind names what a hash is that is not bcrypt.
func otherKind(hash string) string {
	switch {
	case strings.HasPrefix(hash, "$2a$"), strings.HasPrefix(hash, "$2b$"), strings.HasPrefix(hash, "$2y$"):
		return ""
	case strings.HasPrefix(hash, "$2x$"):
		return "of a broken bcrypt ($2x$)"
	case strings.HasPrefix(hash, "$apr1$"), strings.HasPrefix(hash, "$1$"):
		return "MD5"
	case strings.HasPrefix(hash, "{SHA}"), strings.HasPrefix(hash, "{SSHA}"):
		return "SHA-1"
	case strings.HasPrefix(hash, "$5$"), strings.HasPrefix(hash, "$6$"):
		return "SHA-2 crypt"
	case hash == "":
		return "empty"
	}
	return "crypt or plain text"
}

const bcryptLength = 60

func bcryptCost(hash string) (int, error) {
	if len(hash) != bcryptLength {
		return 0, fmt.Errorf("%d characters long, want %d", len(hash), bcryptLength)
	}
	for _, r := range hash[7:] {
		if !strings.ContainsRune("./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", r) {
			return 0, fmt.Errorf("it holds a character that bcrypt does not write")
		}
	}
	return bcrypt.Cost([]byte(hash))
}
