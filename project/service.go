package project

import (
	"context"
	"fmt"
	"iter"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/clock"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/robotdb"
	"github.com/sealock/sealock/store/userdb"
)

// Service is what may be done with projects, members, robots, users, refresh tokens and personal access tokens. It is
// safe for concurrent use.
type Service struct {
	store  store.Store
	policy auth.Decider
	trail  audit.Recorder
	hasher *userdb.Hasher
	clock  clock.Clock

	robots   RobotConfig
	contents Contents // nil where no registry can be looked into
	personal PersonalTokenRules
	sources  []Source // of users, besides the database
	probe    LDAPProbe
	lockout  Lockout   // nil: nobody counts
	box      Box       // for secrets that jobs need; nil: none can be kept
	ping     Ping      // nil: registries are not asked
	rules    Rules     // nil: nobody decides
	roles    RoleWords // of the policy file; nil: there are Harbor's alone

	reindexer *Reindexer // nil where there is no registry
	registry  Registry   // nil: there is none
	follower  Follower
}

// Contents tells what a registry holds of a project.
type Contents interface {
	// HasContent reports whether the project has images that can be found by a tag.
	HasContent(ctx context.Context, project string) (bool, error)
	// HasRepositories reports whether anything of the project is left, be it without a tag.
	HasRepositories(ctx context.Context, project string) (bool, error)
	// DropRepositories forgets what is left, where the registry can.
	DropRepositories(ctx context.Context, project string) error
	// RenameRepositories makes the repositories of a project those of another one, which has none. Unsupported: the registry can't.
	RenameRepositories(ctx context.Context, from, to string) error
}

// WithContents returns a service that looks into a registry before it lets go of a project.
func (s *Service) WithContents(c Contents) *Service {
	with := *s
	with.contents = c
	return &with
}

// Lockout counts checks of passwords that are no logins, and refuses them after too many wrong ones (TooMany). An
// [auth.Lockout] is one.
type Lockout interface {
	Check(ctx context.Context, cred auth.Credential, check func(context.Context) (bool, error)) (bool, error)
}

// WithLockout returns a service whose checks of passwords are counted.
func (s *Service) WithLockout(l Lockout) *Service {
	with := *s
	with.lockout = l
	return &with
}

// New returns the service.
func New(st store.Store, policy auth.Decider, trail audit.Recorder, hasher *userdb.Hasher, c clock.Clock) *Service {
	return &Service{store: st, policy: policy, trail: trail, hasher: hasher, clock: c, robots: RobotConfig{robotdb.NewNames(""), defaultRobotDays}}
}

// Caller is who asks for an operation, and how.
type Caller struct {
	auth.Subject
	Method    string // how the subject was authenticated, as in audit.Record
	Remote    string // the address that asked, after trusted forwarders
	RequestID string
}

// Paging is the part of a list that is asked for. Lists hold at most MaxPage records.
type Paging struct {
	Offset int
	Limit  int    // 0, and more than MaxPage, is MaxPage
	After  int64  // what comes after the record with this id; Offset counts where it is gone or not to be seen
	Sort   string // as in store.Filter
	Where  []store.Condition
}

// MaxPage is how many records a list returns at most.
const MaxPage = 100

func (p Paging) apply(f store.Filter) store.Filter {
	f.Offset, f.Limit, f.After, f.Sort, f.Where = p.Offset, p.Limit, p.After, p.Sort, p.Where
	if f.Limit <= 0 || f.Limit > MaxPage {
		f.Limit = MaxPage
	}
	return f
}

// List is a page of records, and how many there are on all pages.
type List[T any] struct {
	Items []T
	Total int
	Last  int64 // the id of the last item, as Paging.After takes it; 0 where the next page is found by its number alone
}

// follow notes the id of the last item.
func (l List[T]) follow(id func(T) int64) List[T] {
	if len(l.Items) > 0 {
		l.Last = id(l.Items[len(l.Items)-1])
	}
	return l
}

// collect reads a page; clean takes out what nobody outside may see.
func collect[T any](seq iter.Seq2[T, error], total int, err error, clean func(T) T) (List[T], error) {
	if err != nil {
		return List[T]{}, err
	}
	l := List[T]{Items: []T{}, Total: total}
	for item, err := range seq {
		if err != nil {
			return List[T]{}, err
		}
		l.Items = append(l.Items, clean(item))
	}
	return l, nil
}

func asIs[T any](v T) T { return v }

// deed is something that changes what is remembered.
type deed struct {
	operation string                          // as in audit.Record
	resource  string                          // as in audit.Record
	what      string                          // for people: "delete project \"team\""
	access    auth.Access                     // the question to the policy
	own       bool                            // the caller's own affair: the policy is not asked
	remedy    string                          // who could do it instead
	check     func(ctx context.Context) error // what must hold besides; nil for nothing
	becomes   func() string                   // what changes, behind the reason in the record of what is allowed; nil for nothing
	do        func(ctx context.Context) error
}

// perform asks the policy, records the decision, and acts. The record is kept before the change is made: when it can't
// be kept, nothing is changed. When the change then fails, a second record says so; the trail may thus tell of
// something that did not happen, but nothing happens without a trace.
func (s *Service) perform(ctx context.Context, c Caller, d deed) error {
	ruling := auth.Ruling{Allowed: true, Reason: "own account"}
	if d.own {
		// The policy is not asked, and so does not hold the caller to what the credential is good for.
		if !c.Permitted(auth.Question{Resource: d.access.Resource, Action: d.access.Action}) {
			ruling = auth.Ruling{Reason: "the credential is not good for it"}
		}
	} else {
		var err error
		if ruling, err = s.policy.Decide(ctx, c.Subject, d.access); err != nil {
			return fmt.Errorf("asking the policy: %w", err)
		}
	}
	if !ruling.Allowed {
		if err := s.record(ctx, c, d, audit.Refused, ruling.Reason); err != nil {
			return err
		}
		return refusal(c, d.what, d.remedy)
	}
	if d.check != nil {
		if err := d.check(ctx); err != nil {
			s.recordFailure(ctx, c, d, err)
			return err
		}
	}
	reason := ruling.Reason
	if d.becomes != nil {
		reason += "; " + d.becomes()
	}
	if err := s.record(ctx, c, d, audit.Allowed, reason); err != nil {
		return err
	}
	err := d.do(ctx)
	if err != nil {
		s.recordFailure(ctx, c, d, err)
	}
	return err
}

func (s *Service) record(ctx context.Context, c Caller, d deed, outcome audit.Outcome, reason string) error {
	err := s.trail.Record(ctx, audit.Record{
		Time: s.clock.Now(), RequestID: c.RequestID, Actor: c.Name, Method: c.Method, Remote: c.Remote,
		Operation: d.operation, Resource: d.resource, Outcome: outcome, Reason: reason,
	})
	if err != nil {
		return errs.New(errs.Unavailable, "this can't be recorded in the audit trail, and so it is not done").
			WithHint("try again; the server's log has the cause").Because(err)
	}
	return nil
}

// recordFailure notes that a change which the policy allows was not made. The caller hears why it was not made, whether
// or not this record can be kept.
func (s *Service) recordFailure(ctx context.Context, c Caller, d deed, err error) {
	outcome := audit.Refused
	if kind := errs.KindOf(err); kind == errs.Internal || kind == errs.Unavailable {
		outcome = audit.Failed
	}
	_ = s.record(context.WithoutCancel(ctx), c, d, outcome, errs.As(err).Public())
}

// may asks the policy about something that only reads, and is not recorded.
func (s *Service) may(ctx context.Context, c Caller, access auth.Access) (bool, error) {
	ruling, err := s.policy.Decide(ctx, c.Subject, access)
	if err != nil {
		return false, fmt.Errorf("asking the policy: %w", err)
	}
	return ruling.Allowed, nil
}

// require is may with a refusal for an error.
func (s *Service) require(ctx context.Context, c Caller, access auth.Access, what, remedy string) error {
	ok, err := s.may(ctx, c, access)
	if err != nil {
		return err
	}
	if !ok {
		return refusal(c, what, remedy)
	}
	return nil
}

// Remedies: who could do what the caller may not.
const (
	askSystemAdmin  = "ask a system administrator"
	askProjectAdmin = "ask an administrator of the project"
)

// refusal is the answer to a caller who may not.
func refusal(c Caller, what, remedy string) error {
	if c.Anonymous() {
		return signIn(what)
	}
	return errs.New(errs.Denied, "%q may not %s", c.Name, what).WithHint("%s", remedy)
}

func signIn(what string) error {
	return errs.New(errs.Unauthenticated, "nobody may %s without signing in", what).WithHint("sign in and try again")
}
