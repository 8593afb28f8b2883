package robotdb

import (
	"context"
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/userdb"
)

// madePrefix begins the kept form of a secret that was made here: SHA-256 in hexadecimal. 256 random bits need no slow
// hash. The kept form of a secret that somebody chose is argon2id's, as of a password.
const madePrefix = "sha256:"

// NewSecret makes a secret: what is kept of it, and what its holder gets.
func NewSecret() (store.RobotSecret, secret.Text) {
	made := auth.RobotSecrets().New()
	return store.RobotSecret{ID: made.ID, Hash: madePrefix + hex.EncodeToString(made.Hash)}, made.Text
}

// ChosenSecret returns what is kept of a secret that somebody chose. Invalid: it breaks the rule, which is Harbor's.
func ChosenSecret(ctx context.Context, h *userdb.Hasher, chosen secret.Text) (store.RobotSecret, error) {
	if err := checkChosen(chosen); err != nil {
		return store.RobotSecret{}, err
	}
	hash, err := h.Hash(ctx, chosen)
	if err != nil {
		return store.RobotSecret{}, err
	}
	return store.RobotSecret{ID: auth.RobotSecrets().New().ID, Hash: hash}, nil
}

func checkChosen(chosen secret.Text) error {
	text := chosen.Reveal()
	bad := func(what string) error {
		return errs.New(errs.Invalid, "the secret %s", what).WithHint("leave it out to get one that is made well")
	}
	switch n := utf8.RuneCountInString(text); {
	case auth.RobotSecrets().Recognizes(chosen):
		return bad("looks like one that sealock makes")
	case n < 8 || n > 128:
		return bad("is not 8 to 128 characters long")
	case strings.ContainsFunc(text, unicode.IsControl) || !utf8.ValidString(text):
		return bad("holds control characters or is not UTF-8")
	case !strings.ContainsFunc(text, unicode.IsUpper), !strings.ContainsFunc(text, unicode.IsLower), !strings.ContainsFunc(text, unicode.IsDigit):
		return bad("lacks an upper-case letter, a lower-case letter or a digit")
	}
	return nil
}

// matchesMade reports whether a kept secret was made here and is the presented one.
func matchesMade(kept store.RobotSecret, presented auth.Opaque) bool {
	text, ok := strings.CutPrefix(kept.Hash, madePrefix)
	if !ok || kept.ID != presented.ID {
		return false
	}
	hash, err := hex.DecodeString(text)
	return err == nil && presented.Matches(hash)
}
