package policy

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sealock/sealock/auth"
)

// Standing is what a subject is to a project.
type Standing struct {
	Exists bool      // without a project no rule counts, not even an administrator's
	Public bool      // everybody holds the role "public" here
	Roles  []string  // the subject's roles in the project, by their names in the policy file
	Some   []Limited // its roles that are for some repositories only
	Now    string    // what the project is called now, if it was asked for by what it was called
}

// Limited is a role that a subject has for the repositories that match one of the patterns. These are held against what
// follows the project in a repository's name.
type Limited struct {
	Role string
	Only []string
}

// Membership says what a subject is to a project. It is asked for each request, so it should answer from memory. A
// project that does not exist is a Standing with Exists unset, not an error; an error means that nobody knows, and
// that nothing is decided.
type Membership interface {
	Standing(ctx context.Context, sub auth.Subject, project string) (Standing, error)
	// Origins says where the roles of a Standing come from. It is asked for explanations only.
	Origins(ctx context.Context, sub auth.Subject, project string) ([]Origin, error)
}

// Source is where a policy is kept. A [Dir] is one.
type Source interface {
	// Read returns the policy as it is kept now. NotFound, Invalid: it is missing, or can't be read.
	Read(ctx context.Context) (Text, error)
	// Write replaces it, where the source can tell, only if what is kept has the fingerprint ("": whatever it has).
	// Precondition: it has another one. Conflict: it can't be written from here; the hint says how it is changed.
	Write(ctx context.Context, t Text, over string, by Edit) error
	// String says where it is, for people.
	String() string
}

// Edit is who changes a policy, and why.
type Edit struct{ Author, Comment string }

// Engine answers what subjects may do by the policy in a source. It is safe for concurrent use.
type Engine struct {
	source   Source
	members  Membership
	log      *slog.Logger
	poll     time.Duration
	debounce time.Duration
	now      func() time.Time
	loaded   func(context.Context, Text, Edit)

	current atomic.Pointer[generation] // replaced as a whole by Reload

	reload sync.Mutex // held while a policy is loaded, so that two loads can't overtake each other
	mu     sync.Mutex // guards what follows
	status Status
	tried  fingerprint // of the files that the last load read, good or bad
}

var (
	_ auth.Authorizer = (*Engine)(nil)
	_ auth.Decider    = (*Engine)(nil)
)

// Option changes a default of [Open].
type Option func(*Engine)

// WithPoll sets how often [Engine.Run] compares the files with what is loaded, for changes that the operating system
// did not report. The default is ten seconds.
func WithPoll(d time.Duration) Option { return func(e *Engine) { e.poll = d } }

// WithDebounce sets how long the files must stay as they are before a change is loaded. The default is 200 ms.
func WithDebounce(d time.Duration) Option { return func(e *Engine) { e.debounce = d } }

// WithClock sets the clock that conditions on the time are held against. The default is the machine's.
func WithClock(now func() time.Time) Option { return func(e *Engine) { e.now = now } }

// WithLoaded sets what is told whenever a policy has come into force, and who put it there; the zero Edit is an edit of
// the source. It is called before the load returns, and must not ask the engine.
func WithLoaded(fn func(ctx context.Context, t Text, by Edit)) Option {
	return func(e *Engine) { e.loaded = fn }
}

// Open loads the policy in a folder (see [WriteDefault]). See [OpenSource].
func Open(dir string, members Membership, log *slog.Logger, opts ...Option) (*Engine, error) {
	return OpenSource(context.Background(), Dir(dir), members, log, opts...)
}

// OpenSource loads the policy. The error, of kind Invalid or NotFound, says which line is wrong
// and what to do; a policy with a fault is never half in force.
func OpenSource(ctx context.Context, src Source, members Membership, log *slog.Logger, opts ...Option) (*Engine, error) {
	e := &Engine{source: src, members: members, log: log, poll: 10 * time.Second, debounce: 200 * time.Millisecond, now: time.Now, loaded: func(context.Context, Text, Edit) {}}
	for _, opt := range opts {
		opt(e)
	}
	if _, err := e.Reload(ctx); err != nil {
		return nil, err
	}
	return e, nil
}

// Authorize grants of the requested scope what the policy allows, resource by resource. See [auth.Authorizer].
func (e *Engine) Authorize(ctx context.Context, sub auth.Subject, requested auth.Scope) (auth.Decision, error) {
	return authorize(ctx, e.asker(sub), requested)
}

func authorize(ctx context.Context, a asker, requested auth.Scope) (auth.Decision, error) {
	granted := make(auth.Scope, 0, len(requested))
	var single [1]string
	reasons := single[:0]
	for _, r := range requested {
		actions, reason, err := a.grant(ctx, r)
		if err != nil {
			return auth.Decision{}, err
		}
		if len(actions) > 0 {
			granted = append(granted, auth.ResourceActions{Type: r.Type, Name: r.Name, Actions: actions})
		}
		if len(requested) > 1 {
			reason = string(r.Type) + ":" + r.Name + ": " + reason
		}
		reasons = append(reasons, reason)
	}
	return auth.Decision{Granted: granted, Reason: strings.Join(reasons, "; ")}, nil
}

// AnonymousAllowed reports whether any rule allows something to subjects that present no credential.
func (e *Engine) AnonymousAllowed() bool { return e.current.Load().anonymous }

// Decide answers a question of the REST API or of the front door. In a project the rules' patterns are held against the
// project's name or, where one is named, the repository's; at system level against [SystemLevel].
func (e *Engine) Decide(ctx context.Context, sub auth.Subject, access auth.Access) (auth.Ruling, error) {
	return decide(ctx, e.asker(sub), access)
}

func decide(ctx context.Context, a asker, access auth.Access) (auth.Ruling, error) {
	if access.Whole {
		return decideWhole(ctx, a, access)
	}
	question := auth.Question{Project: access.Project, Repository: access.Repository, Resource: access.Resource, Action: permitted(access.Action)}
	if access.Project == "" {
		return a.rule(key{who: a.atSystem(), resource: access.Resource, name: SystemLevel, action: a.gen.meaning(access.Action)}, question)
	}
	// SystemLevel is no project: a project's members must not reach what is above it by way of a name.
	if access.Project == SystemLevel {
		return auth.Ruling{Reason: noSuchProject(access.Project)}, nil
	}
	name := access.Project
	if access.Repository != "" {
		if project, ok := auth.Project(access.Repository); !ok || project != access.Project || !auth.ValidRepository(access.Repository) {
			return auth.Ruling{Reason: fmt.Sprintf("%q does not name a repository in project %q", access.Repository, access.Project)}, nil
		}
		name = access.Repository
	}
	exists, err := a.enter(ctx, access.Project)
	if err != nil {
		return auth.Ruling{}, err
	}
	if !exists {
		return auth.Ruling{Reason: noSuchProject(access.Project)}, nil
	}
	if a.standing.Now != "" {
		if access.Resource != string(auth.TypeRepository) || access.Action != string(auth.ActionPull) {
			return auth.Ruling{Reason: calledNow(access.Project, a.standing.Now)}, nil
		}
		name = a.standing.Now + strings.TrimPrefix(name, access.Project)
		question.Project, question.Repository = a.standing.Now, a.standing.Now+strings.TrimPrefix(access.Repository, access.Project)
	}
	k := key{resource: access.Resource, name: name, tag: access.Tag, action: a.gen.meaning(access.Action)}
	k.who = a.held(k)
	return a.rule(k, question)
}

func (e *Engine) asker(sub auth.Subject) asker {
	d := Draft{e.current.Load()}
	return d.asker(e.members, sub, e.now())
}

// actionOverwrite is to push to a tag that is there already. The front door asks for it; no token says it.
const actionOverwrite = "overwrite"

// permitted returns the action that permissions know: who is permitted to push is permitted to overwrite. To part the two
// is for the rules.
func permitted(action string) string {
	if action == actionOverwrite {
		return string(auth.ActionPush)
	}
	return action
}

// addressOf reads an address; one that can't be read is not known.
func addressOf(text string) netip.Addr {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}

func calledNow(name, now string) string {
	return fmt.Sprintf("project %q is called %q now: under its old name it can be pulled from alone", name, now)
}

func noSuchProject(name string) string { return fmt.Sprintf("project %q does not exist", name) }
