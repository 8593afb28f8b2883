package api

import (
	"context"
	"iter"
	"net/http"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/store"
)

// The roles that other parts play for the API. Each does what it is told; who may tell it is decided here
// (guard.go), except for project.Service, which decides for itself.

// AuditTrail lists audit records. A [store.Store] is one.
type AuditTrail interface {
	ListAudit(ctx context.Context, f store.Filter) iter.Seq2[audit.Record, error]
	CountAudit(ctx context.Context, f store.Filter) (int, error)
	// Verify follows the chains of the trail, as [audit.Verify] does.
	Verify(ctx context.Context, marks []audit.Mark, progress func(n int64)) (audit.Report, error)
	// TokenAudit returns the record of a token's issue, or NotFound.
	TokenAudit(ctx context.Context, jti string) (audit.Record, error)
}

// KeyRing lists the keys that sign access tokens, the oldest first, and lets a new one sign. An [auth.KeyRing] is one.
type KeyRing interface {
	Keys() []auth.Key
	Rotate(ctx context.Context) (id string, err error)
}

// PolicyAdmin shows, changes, explains and checks the policy.
type PolicyAdmin interface {
	// Text returns the policy in force as it stands in its files.
	Text(ctx context.Context) (PolicyText, error)
	Status(ctx context.Context) (PolicyStatus, error)
	// Reload puts the files as they are now in force. An error of the kind Invalid is the files' fault.
	Reload(ctx context.Context) (PolicyStatus, error)
	// Try says what Reload would find, and changes nothing.
	Try(ctx context.Context) (PolicyStatus, error)
	// Replace puts a policy in force and keeps it, if what is kept is what the caller has seen ("": whatever it is).
	// Precondition: it is not, or who edits could not edit it again. Conflict: it can't be written from here. Invalid: it has a
	// fault.
	Replace(ctx context.Context, by PolicyEdit, text PolicyText, seen string) (PolicyStatus, error)
	// Explain says why the subject may do it, or may not.
	Explain(ctx context.Context, sub auth.Subject, access auth.Access) (PolicyExplanation, error)
	// Compare says who gains and loses what, of all that was asked for since then; an empty old one stands for the one in
	// force. It returns how many decisions were tried.
	Compare(ctx context.Context, before, after PolicyText, since time.Time) ([]PolicyDifference, int, error)
	// Replay asks a recorded question once more, of the policy that was in force. NotFound: it can't be, and the
	// error says why.
	Replay(ctx context.Context, r audit.Record, then PolicyText) (PolicyReplay, error)
	// Check looks for faults; an empty model stands for the one in force.
	Check(ctx context.Context, text PolicyText) ([]PolicyFinding, error)
}

// PolicyHistory keeps what the policy was. A [store.Store] is one.
type PolicyHistory interface {
	PolicyRevision(ctx context.Context, id int64) (store.PolicyRevision, error)
	// PolicyRevisionAt returns the newest of a time, or NotFound.
	PolicyRevisionAt(ctx context.Context, at time.Time) (store.PolicyRevision, error)
	ListPolicyRevisions(ctx context.Context, f store.Filter) iter.Seq2[store.PolicyRevision, error]
	CountPolicyRevisions(ctx context.Context, f store.Filter) (int, error)
}

// PolicyEdit is who changes the policy, and why.
type PolicyEdit struct {
	Subject auth.Subject
	Comment string
}

// PolicyExplanation is a decision with all that led to it.
type PolicyExplanation struct {
	Allowed bool
	Reason  string
	Rule    string         // where the rule stands that decided
	Roles   []PolicyOrigin // that the subject holds
	Rules   []PolicyRule   // that were considered
	More    int            // rules that are not listed
	Change  PolicyChange   // the smallest one that would make it yes
}

// PolicyReplay is what became of a recorded question that was asked once more.
type PolicyReplay struct {
	Granted auth.Scope
	Reason  string
	Actions []PolicyAction
}

// PolicyAction is one action that was asked for, and why it is granted or not.
type PolicyAction struct {
	Name        string
	Action      auth.Action
	Explanation PolicyExplanation
}

// PolicyOrigin is a role, and where a subject has it from.
type PolicyOrigin struct{ Role, From string }

// PolicyRule is a rule, and what became of it.
type PolicyRule struct{ At, Text, Outcome string }

// PolicyChange is something that would turn a no into a yes.
type PolicyChange struct {
	Text, Role, Line string
	Remove           []int
}

// PolicyDifference is what a subject may do under one policy and not under the other.
type PolicyDifference struct {
	Subject, Repository string
	Gains, Loses        []auth.Action
	Old, New            string // the reasons
}

// PolicyText is the text of the two files, and what tells it from others where it is in force.
type PolicyText struct{ Model, Policy, Fingerprint string }

// PolicyStatus is how the policy is doing.
type PolicyStatus struct {
	Dir         string
	LoadedAt    time.Time // of the policy in force
	Fingerprint string    // of the policy in force
	Rules       int
	Members     int
	LastError   string // why the last load was refused; "" when it was not
	LastErrorAt time.Time
	Findings    []PolicyFinding // of the last load
}

// PolicyFinding is a fault in a policy, or a doubt about it.
type PolicyFinding struct {
	File    string
	Line    int // from 1; 0 for the file as a whole
	What    string
	Remedy  string
	Warning bool
}

// HealthCheck tells how the parts are that the server needs.
type HealthCheck interface {
	Health(ctx context.Context) []Component
}

// Component is a part of the system. What ails it is for the log: the answer goes to everybody.
type Component struct {
	Name    string // "database", "registry", …
	Healthy bool
	Waits   string // what a part that is healthy can't do yet, and why, in words for everybody
	Note    string // what ails a part of it that others make up for
}

// Sessions finds the session that a browser has with this server's pages. A web.Portal does.
type Sessions interface {
	// Recognise returns who is signed in, and the token that the session's changes have to carry; without a session,
	// nobody. It may take the cookie back.
	Recognise(w http.ResponseWriter, r *http.Request) (sub auth.Subject, token string, err error)
}

// ProviderPing reports whether an OpenID Connect provider answers at a URL. It keeps nothing and shows nothing.
type ProviderPing func(ctx context.Context, issuer string, verifyCertificate bool) error

// Info is what GET /systeminfo tells besides what a request's origin and the policy do.
type Info struct {
	Version string // of this program
	HasCA   bool
	CA      []byte // its certificate, in PEM form
	Storage string // what the registry keeps blobs in; "" where that is not known
}

// Volume is the size of a file system, in bytes.
type Volume struct{ Total, Free uint64 }
