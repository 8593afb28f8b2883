package external

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sealock/sealock/auth"
)

// The operations that a hook is asked for.
const (
	opAuthenticate = "authenticate" // who presents this name and secret?
	opLookup       = "lookup"       // is this subject still there, and what is it now? There is no secret.
)

// question is what a hook is asked.
type question struct {
	Operation string `json:"operation"`
	Name      string `json:"name"`
	Secret    string `json:"secret,omitempty"`
	Remote    string `json:"remote,omitempty"`
	RequestID string `json:"request_id"`
}

// answer is what a hook says about a subject that it knows.
type answer struct {
	Subject string   `json:"subject"`
	Groups  []string `json:"groups"`
	Admin   bool     `json:"admin"`
}

// Limits of an answer.
const (
	maxAnswer = 1 << 20
	maxGroups = 5000
)

// hook asks the question and returns the answer's text, or one of auth's two refusals, or what went wrong.
type hook interface {
	ask(ctx context.Context, requestID string, text []byte) ([]byte, error)
	close()
}

// Source answers by asking another program. It is safe for concurrent use.
type Source struct {
	cfg   Config
	hook  hook
	slots chan struct{}
}

var (
	_ auth.Authenticator = (*Source)(nil)
	_ auth.Resolver      = (*Source)(nil)
)

// Open prepares the hook and asks it nothing: it may come up later.
func Open(_ context.Context, cfg Config, _ *slog.Logger) (*Source, error) {
	s := &Source{cfg: cfg, slots: make(chan struct{}, max(cfg.AtOnce, 1))}
	var err error
	if cfg.URL != "" {
		s.hook, err = newHTTPHook(cfg)
	} else {
		s.hook, err = newExecHook(cfg)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Close lets connections go.
func (s *Source) Close() error {
	s.hook.close()
	return nil
}

// Authenticate asks who presents the credential. Errors to tell apart: auth.ErrUnknownSubject, auth.ErrBadCredential.
// An empty secret is never asked about: no hook can take it for a lookup.
func (s *Source) Authenticate(ctx context.Context, cred auth.Credential) (auth.Subject, error) {
	if cred.Secret.Empty() {
		return auth.Subject{}, auth.ErrBadCredential
	}
	return s.ask(ctx, question{Operation: opAuthenticate, Name: cred.Name, Secret: cred.Secret.Reveal(), Remote: cred.Remote})
}

// Resolve asks whether a subject is still there. A hook that refuses knows it no more.
func (s *Source) Resolve(ctx context.Context, name string) (auth.Subject, error) {
	sub, err := s.ask(ctx, question{Operation: opLookup, Name: name})
	if errors.Is(err, auth.ErrBadCredential) {
		return auth.Subject{}, auth.ErrUnknownSubject
	}
	if err == nil && sub.Name != name && !strings.EqualFold(sub.Name, name) {
		return auth.Subject{}, auth.ErrUnknownSubject // another one has the name now
	}
	return sub, err
}

func (s *Source) ask(ctx context.Context, q question) (auth.Subject, error) {
	q.RequestID = rand.Text()
	text, err := json.Marshal(q)
	if err != nil {
		return auth.Subject{}, fmt.Errorf("writing the question: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.Timeout, fmt.Errorf("no answer within %s", s.cfg.Timeout))
	defer cancel()
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return auth.Subject{}, fmt.Errorf("waiting to ask the hook: %w", context.Cause(ctx))
	}
	defer func() { <-s.slots }()
	said, err := s.hook.ask(ctx, q.RequestID, text)
	if err != nil {
		if isRefusal(err) {
			return auth.Subject{}, err
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return auth.Subject{}, fmt.Errorf("asking the hook (request %s): %w", q.RequestID, err)
	}
	sub, err := parseAnswer(said)
	if err != nil {
		return auth.Subject{}, fmt.Errorf("reading the hook's answer (request %s): %w", q.RequestID, err)
	}
	sub.SysAdmin = sub.SysAdmin && s.cfg.AdminFrom
	return sub, nil
}

func isRefusal(err error) bool {
	return errors.Is(err, auth.ErrUnknownSubject) || errors.Is(err, auth.ErrBadCredential)
}

// parseAnswer reads what a hook says. Its error never quotes the text, which may hold what the hook was given.
func parseAnswer(text []byte) (auth.Subject, error) {
	if len(text) > maxAnswer {
		return auth.Subject{}, fmt.Errorf("it is larger than %d bytes", maxAnswer)
	}
	var a answer
	if err := json.Unmarshal(text, &a); err != nil {
		return auth.Subject{}, errors.New("it is no JSON object with subject, groups and admin")
	}
	if !plain(a.Subject) {
		return auth.Subject{}, errors.New("its subject is missing, longer than 255 bytes or no plain text")
	}
	if len(a.Groups) > maxGroups || slices.ContainsFunc(a.Groups, func(g string) bool { return !plain(g) }) {
		return auth.Subject{}, fmt.Errorf("its groups are more than %d, or one is empty, long or no plain text", maxGroups)
	}
	return auth.Subject{Name: a.Subject, Groups: a.Groups, SysAdmin: a.Admin}, nil
}

func plain(s string) bool {
	return s != "" && len(s) <= 255 && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}
