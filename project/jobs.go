package project

import (
	"context"
	"encoding/base64"
	"fmt"
	"unicode"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/store"
)

// Ping asks a registry whether it is there and takes the credential. The error is of the kind Invalid where it is not.
// [github.com/sealock/sealock/job.Ping] is one.
type Ping func(ctx context.Context, r store.Registry, password secret.Text) error

// WithJobs returns a service that can keep what jobs need: secrets, and whether a registry answers.
func (s *Service) WithJobs(box Box, ping Ping) *Service {
	with := *s
	with.box, with.ping = box, ping
	return &with
}

// sealed encrypts a secret for the store. The purpose says who it may be told to: whoever can write to the database alone
// can't have it sent elsewhere.
func (s *Service) sealed(plain secret.Text, purpose string) (string, error) {
	if plain.Empty() {
		return "", nil
	}
	if s.box == nil {
		return "", errs.New(errs.Unavailable, "this server has no key to keep secrets with").WithHint("leave the secret away")
	}
	return base64.RawURLEncoding.EncodeToString(s.box.Seal([]byte(plain.Reveal()), purpose)), nil
}

// opened decrypts what sealed returned.
func (s *Service) opened(sealed, purpose string) (secret.Text, error) {
	if sealed == "" {
		return secret.Text{}, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil || s.box == nil {
		return secret.Text{}, fmt.Errorf("opening a secret for %s: it is damaged, or there is no key", purpose)
	}
	plain, err := s.box.Open(raw, purpose)
	return secret.New(string(plain)), err
}

// noJobs is the answer to whoever starts what only a job can do. A start is on record all the same.
func noJobs(what, meanwhile string) error {
	return errs.New(errs.Unsupported, "this server can't %s yet", what).WithHint("%s", meanwhile)
}

// onRecord performs a deed on a record at system level. Whether there is such a record shows only after the policy has
// agreed.
func onRecord[T any](ctx context.Context, s *Service, c Caller, id int64, get func(context.Context, int64) (T, error), of func(T) deed) error {
	record, missing := get(ctx, id)
	if missing != nil && !errs.Is(missing, errs.NotFound) {
		return missing
	}
	d := of(record)
	d.remedy = askSystemAdmin
	if missing != nil {
		d.resource += "#" + itoa(id)
		d.check = func(context.Context) error { return missing }
	}
	return s.perform(ctx, c, d)
}

// nothing is a list that is empty for as long as no job runs.
func nothing[T any]() List[T] { return List[T]{Items: []T{}} }

// noExecution is the answer about something that no job has done.
func noExecution(id int64) error {
	return errs.New(errs.NotFound, "execution %d not found", id).WithHint("the list of executions has what there is")
}

// checkDescription refuses what would break a line of a list.
func checkDescription(text string) error {
	control := func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }
	for _, r := range text {
		if control(r) {
			return errs.New(errs.Invalid, "the description has control characters in it").WithHint("remove them")
		}
	}
	return nil
}
