package sqlstore

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/sealock/sealock/internal/errs"
)

// failed says what a database error means to somebody who can't look into the database. Errors of our own pass.
func (s *Store) failed(doing string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*errs.Error](err); ok {
		return err
	}
	switch s.dialect.fault(err) {
	case faultDamaged:
		return errs.New(errs.Unavailable, "the database is damaged").
			WithHint("the server's log has the cause; the operator can restore a backup").Because(fmt.Errorf("%s: %w", doing, err))
	case faultUnavailable, faultLost, faultLogin, faultNoDatabase, faultForbidden, faultCrowded:
		return errs.New(errs.Unavailable, "the database can't be used at the moment").
			WithHint("try again; the server's log has the cause").Because(fmt.Errorf("%s: %w", doing, err))
	default:
		return fmt.Errorf("%s: %w", doing, err)
	}
}

func notFound(what string, key any) error {
	return errs.New(errs.NotFound, "%s %s not found", what, show(key))
}

func taken(what, name string) error {
	return errs.New(errs.Conflict, "%s %s exists already", what, show(name)).WithHint("choose another name")
}

// show quotes a key of a record, shortened: it may come from a client.
func show(key any) string {
	name, ok := key.(string)
	if !ok {
		return fmt.Sprint(key)
	}
	if utf8.RuneCountInString(name) > 80 {
		name = string([]rune(name)[:80]) + "…"
	}
	return fmt.Sprintf("%q", name)
}

// field is a text to be stored and how long it may be, in characters.
type field struct {
	name  string
	value string
	max   int
}

// checkFields refuses texts that not every database can keep as they are.
func checkFields(fields ...field) error {
	for _, f := range fields {
		if !storable(f.value) {
			return errs.New(errs.Invalid, "%s holds a NUL character or is not UTF-8", f.name).WithHint("remove it")
		}
		if utf8.RuneCountInString(f.value) > f.max {
			return errs.New(errs.Invalid, "%s is longer than %d characters", f.name, f.max).WithHint("shorten it")
		}
	}
	return nil
}

// storable reports whether every database keeps the text as it is. What it does not, is never found either.
func storable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsRune(s, 0)
}
