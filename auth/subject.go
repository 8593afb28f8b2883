package auth

import (
	"context"
	"time"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
)

// Subject is who a token is for. The zero value is the anonymous subject, which may do only what the policy lets
// everybody do.
type Subject struct {
	Name     string   // as it stands in the token's sub; "" for anonymous
	ID       int64    // the store's user id; 0 where the store has none
	SysAdmin bool     // holds the system administrator's role
	Source   string   // the user source that vouched for it
	Groups   []string // names of the groups it is in, as the source calls them
	GroupIDs []int64  // the store's ids of the groups whose memberships it shares, in ascending order

	// LocalGroups are the names of the groups that are kept here and that it is in, whatever its source.
	LocalGroups []string

	// Remote is the address that it asks from, if that is known: rules can depend on it.
	Remote string

	// SecondFactor says that it has one, so that its password alone is not enough.
	SecondFactor bool
	// Kind says what it is, and decides what it is taken for: never its name.
	Kind Kind
	// How says with what it proved who it is, as the audit trail names it; "" is a password.
	How string
	// For is whom it acts for, as its credential says, such as the CI job of a workload: it is recorded and decides nothing.
	For string
	// Via names the credential that tokens for it end with, such as a personal access token: a [Holders] knows it.
	Via string
	// Until is when the credential ends: nothing that is made for the subject may live longer. Zero is never.
	Until time.Time
	// Grants is what it may do besides what the policy's roles allow. What the policy denies, it may not.
	Grants Permissions
	// Bounds, if there are any, is what it may do at most, whatever the policy says. Who is bounded is never a
	// SysAdmin: BoundedAdmin is then what the policy goes by.
	Bounds       *Permissions
	BoundedAdmin bool
	// Roles are those that it has in projects besides those of the project's member list.
	Roles []ProjectRole

	// Since is when the subject came to be, if that is known: a token from before was issued to another one of its name.
	Since time.Time
	// AsOf is when the record that was authenticated was last changed, if that is known.
	AsOf time.Time
}

// Kind is what sort of thing a subject is.
type Kind string

// The kinds of subjects.
const (
	KindUser     Kind = ""         // a person
	KindRobot    Kind = "robot"    // a robot account
	KindWorkload Kind = "workload" // a program that another issuer vouches for: a CI job, a pod
)

// ProjectRole is a role in one project, by its name in the policy file.
type ProjectRole struct{ Project, Role string }

// Bound returns the subject with no more than the permissions, and with no life beyond until (zero: no end of its own).
// Nothing that was narrowed before gets wider: of two bounds, both hold.
func (s Subject) Bound(p Permissions, until time.Time) Subject {
	switch {
	case s.Bounds == nil || s.Bounds.Cover(p):
	case p.Cover(*s.Bounds):
		p = *s.Bounds
	default:
		p = Permissions{} // both at once can't be written down as one: nothing is the answer that is never too much
	}
	s.Bounds, s.BoundedAdmin, s.SysAdmin = &p, s.BoundedAdmin || s.SysAdmin, false
	return s.EndingBy(until)
}

// EndingBy returns the subject with no life beyond t. Zero is no end.
func (s Subject) EndingBy(t time.Time) Subject {
	if !t.IsZero() && (s.Until.IsZero() || t.Before(s.Until)) {
		s.Until = t
	}
	return s
}

// Permitted reports whether the subject's bounds leave room for what is asked for.
func (s Subject) Permitted(q Question) bool { return s.Bounds == nil || s.Bounds.Allow(q) }

// Anonymous reports whether nobody vouched for the subject.
func (s Subject) Anonymous() bool { return s.Name == "" }

// Credential is a name and a secret as a client presented them.
type Credential struct {
	Name   string
	Secret secret.Text
	Remote string // the address that asked, for the audit trail
}

// Authenticator says who presents a credential.
//
// Errors that a caller must tell apart: [ErrUnknownSubject] (not this source's: ask the next one),
// [ErrBadCredential] (stop: the answer is no); any other means that the source could not answer, and that nobody else
// may answer for it.
type Authenticator interface {
	Authenticate(ctx context.Context, cred Credential) (Subject, error)
}

// The answers of a user source. Both are shown as the same 401: who exists is nobody's business.
var (
	ErrUnknownSubject = errs.New(errs.Unauthenticated, "unknown user or wrong password").WithHint("check both and run docker login again").WithCode("unknown_subject")
	ErrBadCredential  = errs.New(errs.Unauthenticated, "unknown user or wrong password").WithHint("check both and run docker login again")
)

// Resolver finds a subject of a user source by its name, as it is now: a name that is gone gives [ErrUnknownSubject].
type Resolver interface {
	Resolve(ctx context.Context, name string) (Subject, error)
}

// Holders finds who holds a token, as they are now and as the credential that the token came from (its Via, if it has
// one) lets them act. A subject or a credential that is gone gives [ErrUnknownSubject].
type Holders interface {
	Holder(ctx context.Context, name, via string) (Subject, error)
}

// Bearer returns the subject that an access token was issued for, as it is now. One that is gone, or has another
// subject in its place, gives [ErrUnknownSubject].
func Bearer(ctx context.Context, h Holders, c ClaimSet) (Subject, error) {
	if c.Subject == "" {
		return Subject{}, nil
	}
	sub, err := h.Holder(ctx, c.Subject, c.Via)
	if err != nil {
		return Subject{}, err
	}
	if c.IssuedAt.Before(sub.Since.Truncate(time.Second)) {
		return Subject{}, ErrUnknownSubject
	}
	return sub, nil
}

// Decision is an [Authorizer]'s answer: what is granted of what was asked for, and why.
type Decision struct {
	Granted Scope  // one entry for each granted resource; empty when nothing is
	Reason  string // the rules that decided, for the audit trail
}

// Authorizer says what a subject may do. Granted is always a subset of requested; ActionAll in the request stands for
// every action that the subject has on the resource, except for the catalog, whose only action it is.
// A narrowed or empty decision is not an error; an error means that no decision could be taken.
type Authorizer interface {
	Authorize(ctx context.Context, sub Subject, requested Scope) (Decision, error)
	// AnonymousAllowed reports whether the policy has any rule for subjects that present no credential.
	AnonymousAllowed() bool
}

// Access is one question to the policy about something other than a token: may the subject do the action to a
// resource of the type (Harbor's resource names: "member", "project", "user", …)? Project is "" at system level.
type Access struct {
	Resource   string
	Project    string
	Repository string // the whole name, for what is in a repository; "" for what is in the project
	Tag        string // for what is about one tag of the repository
	Action     string
	// Whole asks about all of the project at any time and from anywhere, as who gives a right on must have it: a role that is
	// for some of its repositories is none then, and a rule that denies some of it denies all. Repository, if there is one, is
	// then a pattern as in [Permission] behind the project's name, and the project can be "*" for each one that there will be.
	Whole bool
}

// EveryTag in an [Access] is for what touches all tags that there may be, as to delete a manifest by its digest does. No tag
// has this name.
const EveryTag = "*"

// Ruling is the answer to an [Access], with the rule that decided.
type Ruling struct {
	Allowed   bool
	Forbidden bool // a rule denies it, as against none that allows it
	Reason    string
}

// Decider answers questions of the REST API with the same policy as tokens.
type Decider interface {
	Decide(ctx context.Context, sub Subject, access Access) (Ruling, error)
}
