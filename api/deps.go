package api

import (
	"context"
	"iter"
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
}

// KeyRing lists the keys that sign access tokens, the oldest first, and lets a new one sign. An [auth.KeyRing] is one.
type KeyRing interface {
	Keys() []auth.Key
	Rotate(ctx context.Context) (id string, err error)
}

// PolicyAdmin shows, reloads and checks the policy.
type PolicyAdmin interface {
	// Text returns the policy in force as it stands in its files.
	Text(ctx context.Context) (PolicyText, error)
	Status(ctx context.Context) (PolicyStatus, error)
	// Reload puts the files as they are now in force. An error of the kind Invalid is the files' fault.
	Reload(ctx context.Context) (PolicyStatus, error)
	// Check looks for faults; an empty model stands for the one in force.
	Check(ctx context.Context, text PolicyText) ([]PolicyFinding, error)
}

// PolicyText is the text of the two files.
type PolicyText struct{ Model, Policy string }

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

// RepositorySearch finds repositories that the subject may pull by a part of their name, at most limit of them, in
// the order of names.
type RepositorySearch interface {
	SearchRepositories(ctx context.Context, who auth.Subject, part string, limit int) ([]string, error)
}

// HealthCheck tells how the parts are that the server needs.
type HealthCheck interface {
	Health(ctx context.Context) []Component
}

// Component is a part of the system. What ails it is for the log: the answer goes to everybody.
type Component struct {
	Name    string // "database", "registry", …
	Healthy bool
}

// ProviderPing reports whether an OpenID Connect provider answers at a URL. It keeps nothing and shows nothing.
type ProviderPing func(ctx context.Context, issuer string, verifyCertificate bool) error

// Info is what GET /systeminfo tells besides what a request's origin and the policy do.
type Info struct {
	Version string // of this program
	HasCA   bool
}
