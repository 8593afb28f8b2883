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
	Groups   []string // names of the groups it is in

	// Since is when the subject came to be, if that is known: a token from before was issued to another one of its name.
	Since time.Time
	// AsOf is when the record that was authenticated was last changed, if that is known.
	AsOf time.Time
}

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

// Resolver finds the subject that an access token or a refresh token was issued for, as it is now: a name that is
// gone gives [ErrUnknownSubject].
type Resolver interface {
	Resolve(ctx context.Context, name string) (Subject, error)
}

// Bearer returns the subject that an access token was issued for, as it is now. One that is gone, or has another
// subject in its place, gives [ErrUnknownSubject].
func Bearer(ctx context.Context, r Resolver, c ClaimSet) (Subject, error) {
	if c.Subject == "" {
		return Subject{}, nil
	}
	sub, err := r.Resolve(ctx, c.Subject)
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
	Resource string
	Project  string
	Action   string
}

// Ruling is the answer to an [Access], with the rule that decided.
type Ruling struct {
	Allowed bool
	Reason  string
}

// Decider answers questions of the REST API with the same policy as tokens.
type Decider interface {
	Decide(ctx context.Context, sub Subject, access Access) (Ruling, error)
}
