package project

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/store"
)

// Bounds of personal access tokens.
const (
	MaxPersonalTokens  = 50                  // of one user
	DefaultTokenLife   = 90 * 24 * time.Hour // when nothing is said
	maxTokenName       = 64
	maxPermissions     = 32 // in a scope
	maxTokenRepository = 32 // patterns in a permission
)

// PersonalTokenRules are what is held against new personal access tokens. The zero value lets them live for ever.
type PersonalTokenRules struct {
	MaxLife time.Duration               // 0 is no bound
	Words   func(auth.Permission) error // what is wrong with a permission's resource and actions; nil: they are not looked at
}

// WithPersonalTokens returns a service that holds new personal access tokens to the rules.
func (s *Service) WithPersonalTokens(rules PersonalTokenRules) *Service {
	with := *s
	with.personal = rules
	return &with
}

// NewPersonalToken is what a personal access token is made of.
type NewPersonalToken struct {
	Name      string
	Scope     *auth.Permissions // what it is good for at most; nil is all that its user may
	ExpiresAt time.Time         // zero: after DefaultTokenLife, or as soon as the rules want it
	Never     bool              // it has no end: this must be said
}

// MadePersonalToken is a new personal access token, with the secret that is told once.
type MadePersonalToken struct {
	store.PersonalAccessToken
	Secret secret.Text
}

// CreatePersonalToken makes a personal access token of the caller's. Invalid: the name, the scope or the end breaks a
// rule. Denied: it would exceed or outlive what the caller presented. Conflict: the name is taken. Precondition: there are
// too many, or the caller's account is not kept here.
func (s *Service) CreatePersonalToken(ctx context.Context, c Caller, n NewPersonalToken) (MadePersonalToken, error) {
	return s.createPersonalToken(ctx, c, n, func(context.Context) error { return nil })
}

// createPersonalToken makes a token after first, which runs when the token may be made.
func (s *Service) createPersonalToken(ctx context.Context, c Caller, n NewPersonalToken, first func(context.Context) error) (made MadePersonalToken, err error) {
	if c.Anonymous() {
		return MadePersonalToken{}, signIn("make personal access tokens")
	}
	key := auth.PersonalAccessTokens().New()
	t := store.PersonalAccessToken{ID: key.ID, UserID: c.ID, SecretHash: key.Hash, CreatedAt: s.clock.Now(), UserAsOf: c.AsOf}
	err = s.perform(ctx, c, deed{
		operation: "personal_access_token.create", resource: personalResource(t.ID), what: "make personal access tokens",
		own: true, access: auth.Access{Resource: personalTokens, Action: "create"}, remedy: signInRemedy,
		check: func(context.Context) (err error) {
			if t.Name, err = tokenName(n.Name); err != nil {
				return err
			}
			if t.Scope, err = s.personal.scope(n.Scope); err != nil {
				return err
			}
			if t.ExpiresAt, err = s.personal.end(n, t.CreatedAt); err != nil {
				return err
			}
			return mayMake(c, t)
		},
		do: func(ctx context.Context) (err error) {
			if err := first(ctx); err != nil {
				return err
			}
			t, err = s.store.CreatePersonalAccessToken(ctx, t, MaxPersonalTokens)
			return err
		},
	})
	if err != nil {
		return MadePersonalToken{}, err
	}
	return MadePersonalToken{PersonalAccessToken: withoutPersonalSecret(t), Secret: key.Text}, nil
}

// personalTokens is the resource in the policy's words.
const personalTokens = "personal-access-token"

const signInRemedy = "sign in with your password, or in the browser"

func personalResource(id string) string { return "personal_access_token:" + clipped(id) }

// mayMake refuses a token that the caller must not have: nothing that is presented makes something that exceeds or
// outlives it. What comes from a credential that can be revoked makes none at all, because none could end with it.
func mayMake(c Caller, t store.PersonalAccessToken) error {
	switch {
	case !keepsTokens(c):
		return errs.New(errs.Precondition, "an account that is not a user's has no personal access tokens").WithHint("sign in as a user")
	case c.Via != "":
		return errs.New(errs.Denied, "a token makes no other tokens: revoking it would not end them").WithHint(signInRemedy)
	case c.Bounds != nil && (t.Scope == nil || !c.Bounds.Cover(*t.Scope)):
		return errs.New(errs.Denied, "the token would be good for more than what you signed in with").WithHint("ask for less, or " + signInRemedy)
	case !c.Until.IsZero() && (t.ExpiresAt.IsZero() || t.ExpiresAt.After(c.Until)):
		return errs.New(errs.Denied, "the token would outlive what you signed in with, which ends at %s", c.Until.UTC().Format(time.RFC3339)).
			WithHint(signInRemedy)
	}
	return nil
}

// keepsTokens reports whether the caller is somebody who can have personal access tokens.
func keepsTokens(c Caller) bool { return c.Kind == auth.KindUser && c.ID != 0 && !c.Anonymous() }

// tokenName refuses names that don't tell people anything.
func tokenName(name string) (string, error) {
	name = strings.TrimSpace(name)
	switch {
	case name == "":
		return "", errs.New(errs.Invalid, "a personal access token needs a name").WithHint("give one that says what it is for")
	case !utf8.ValidString(name), utf8.RuneCountInString(name) > maxTokenName, strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "", errs.New(errs.Invalid, "the name of a personal access token has at most %d characters, and none that can't be seen", maxTokenName).
			WithHint("choose another name")
	case auth.PersonalAccessTokens().Recognizes(secret.New(name)):
		return "", errs.New(errs.Invalid, "the name is itself a personal access token").WithHint("give a name that says what it is for")
	}
	return name, nil
}

// end returns when a new token ends; zero is never.
func (r PersonalTokenRules) end(n NewPersonalToken, now time.Time) (time.Time, error) {
	var longest time.Time
	if r.MaxLife > 0 {
		longest = now.Add(r.MaxLife)
	}
	end := n.ExpiresAt.UTC().Truncate(time.Second)
	switch {
	case n.Never && !n.ExpiresAt.IsZero():
		return time.Time{}, errs.New(errs.Invalid, "a token that never ends has no end").WithHint("give one of both")
	case n.Never && r.MaxLife > 0, !n.ExpiresAt.IsZero() && r.MaxLife > 0 && end.After(longest):
		return time.Time{}, errs.New(errs.Invalid, "personal access tokens may not live longer than %s here", days(r.MaxLife)).WithHint("ask for an earlier end")
	case n.Never:
		return time.Time{}, nil
	case n.ExpiresAt.IsZero():
		end = now.Add(DefaultTokenLife).UTC().Truncate(time.Second)
		if r.MaxLife > 0 && end.After(longest) {
			end = longest.UTC()
		}
	}
	if !end.After(now) {
		return time.Time{}, errs.New(errs.Invalid, "the end %s is over", end.Format(time.RFC3339)).WithHint("give a time in the future")
	}
	return end, nil
}

func days(d time.Duration) string {
	if n := int64(d / (24 * time.Hour)); d == time.Duration(n)*24*time.Hour {
		return itoa(n) + " days"
	}
	return d.String()
}

// scope returns a new token's scope as it is kept, and refuses one that could not be meant.
func (r PersonalTokenRules) scope(asked *auth.Permissions) (*auth.Permissions, error) {
	if asked == nil {
		return nil, nil //nolint:nilnil // no scope is a scope: all that the user may
	}
	if len(*asked) == 0 || len(*asked) > maxPermissions {
		return nil, errs.New(errs.Invalid, "a scope has 1 to %d permissions, not %d", maxPermissions, len(*asked)).WithHint("leave the scope away for all that you may")
	}
	kept := make(auth.Permissions, len(*asked))
	for i, p := range *asked {
		if err := r.permission(p); err != nil {
			return nil, err
		}
		kept[i] = tidy(p)
	}
	return &kept, nil
}

func (r PersonalTokenRules) permission(p auth.Permission) error {
	switch {
	case p.Project != "" && p.Project != "*" && !isName(p.Project):
		return CheckName(p.Project)
	case p.Project == "" && len(p.Repositories) > 0:
		return errs.New(errs.Invalid, "a permission for repositories needs a project").WithHint("name one, or * for all")
	case len(p.Repositories) > maxTokenRepository:
		return errs.New(errs.Invalid, "a permission has at most %d patterns of repositories", maxTokenRepository).WithHint("use patterns such as app-*")
	case len(p.Actions) == 0 || p.Resource == "":
		return errs.New(errs.Invalid, "a permission needs a resource and actions").WithHint("such as repository and pull")
	}
	for _, pattern := range p.Repositories {
		if !auth.ValidPattern(pattern) {
			return errs.New(errs.Invalid, "%s is no pattern of repositories", clip(pattern)).
				WithHint("write what follows the project, such as app, app-* or app/**")
		}
	}
	if r.Words == nil {
		return nil
	}
	return r.Words(p)
}

// tidy sorts the actions; who may push may pull, because no client pushes without looking first.
func tidy(p auth.Permission) auth.Permission {
	actions := slices.Clone(p.Actions)
	if p.Resource == string(auth.TypeRepository) && slices.Contains(actions, string(auth.ActionPush)) {
		actions = append(actions, string(auth.ActionPull))
	}
	slices.SortFunc(actions, cmp.Compare[string])
	p.Actions, p.Repositories = slices.Compact(actions), slices.Clone(p.Repositories)
	return p
}

// PersonalTokenQuery says whose personal access tokens to list: one's own by default.
type PersonalTokenQuery struct {
	Subject string // of this user
	All     bool   // of everybody
	Paging
}

// ListPersonalTokens lists personal access tokens: one's own, or others' for whoever may list them. Their secrets are
// not told.
func (s *Service) ListPersonalTokens(ctx context.Context, c Caller, q PersonalTokenQuery) (List[store.PersonalAccessToken], error) {
	const what = "list personal access tokens"
	none := List[store.PersonalAccessToken]{Items: []store.PersonalAccessToken{}}
	access := auth.Access{Resource: personalTokens, Action: "list"}
	f := q.apply(store.Filter{Subject: q.Subject})
	switch own := !q.All && (q.Subject == "" || ownName(c, q.Subject)); {
	case c.Anonymous():
		return none, signIn(what)
	case !own:
		if err := s.require(ctx, c, access, what+" of others", askSystemAdmin); err != nil {
			return none, err
		}
	case !c.Permitted(auth.Question{Resource: access.Resource, Action: access.Action}):
		return none, refusal(c, what+" with this credential", signInRemedy)
	case !keepsTokens(c):
		return none, nil
	default:
		f.Subject, f.MemberID = "", c.ID
	}
	total, err := s.store.CountPersonalAccessTokens(ctx, f)
	return collect(s.store.ListPersonalAccessTokens(ctx, f), total, err, withoutPersonalSecret)
}

// RevokePersonalToken ends a personal access token with all that came from it: one's own, or anybody's for whoever may
// delete them. NotFound: there is none, or it is another's.
func (s *Service) RevokePersonalToken(ctx context.Context, c Caller, id string) error {
	if c.Anonymous() {
		return signIn("revoke personal access tokens")
	}
	id = auth.PersonalAccessTokens().PublicID(id) // the whole token is its holder's to give, but not ours to write down
	t, err := s.store.PersonalAccessToken(ctx, id)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	own := err == nil && keepsTokens(c) && t.UserID == c.ID
	err = s.perform(ctx, c, deed{
		operation: "personal_access_token.delete", resource: personalResource(id), what: "revoke this personal access token",
		own: own, access: auth.Access{Resource: personalTokens, Action: "delete"}, remedy: signInRemedy,
		do: func(ctx context.Context) error { return s.store.DeletePersonalAccessToken(ctx, id) },
	})
	if kind := errs.KindOf(err); err != nil && (kind == errs.Denied && !own || kind == errs.NotFound) {
		return errs.New(errs.NotFound, "personal access token %s not found", clip(id)).WithHint("list them to see which there are")
	}
	return err
}

func withoutPersonalSecret(t store.PersonalAccessToken) store.PersonalAccessToken {
	t.SecretHash = nil
	return t
}

// CLIToken is what the personal access token is called that stands for Harbor's CLI secret.
const CLIToken = "cli"

// ReplaceCLIToken makes the caller's personal access token for the command line, in place of the last one. check says
// what else is wrong with the request. The errors are those of CreatePersonalToken, and Denied: the user is another one.
func (s *Service) ReplaceCLIToken(ctx context.Context, c Caller, userID int64, check func() error) (MadePersonalToken, error) {
	if c.Anonymous() {
		return MadePersonalToken{}, signIn("make personal access tokens")
	}
	if !keepsTokens(c) || c.ID != userID {
		d := deed{operation: "personal_access_token.create", resource: "user:#" + itoa(userID), what: "make a secret for another user"}
		if err := s.record(ctx, c, d, audit.Refused, "not the caller's own account"); err != nil {
			return MadePersonalToken{}, err
		}
		return MadePersonalToken{}, refusal(c, d.what, "they can, with their password")
	}
	if err := check(); err != nil {
		return MadePersonalToken{}, err
	}
	return s.createPersonalToken(ctx, c, NewPersonalToken{Name: CLIToken}, func(ctx context.Context) error {
		for t, err := range s.store.ListPersonalAccessTokens(ctx, store.Filter{MemberID: c.ID}) {
			if err != nil {
				return err
			}
			if t.Name == CLIToken {
				return s.store.DeletePersonalAccessToken(ctx, t.ID)
			}
		}
		return nil
	})
}
