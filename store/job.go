package store

import (
	"context"
	"iter"
	"time"
)

// Registry is another registry that is copied from or to.
type Registry struct {
	ID             int64
	Name           string // unique
	Description    string
	URL            string
	Type           string
	CredentialType string
	AccessKey      string
	AccessSecret   string // sealed; "" for none
	Insecure       bool   // its certificate is not checked
	CACertificate  string // in PEM; "" for those that the system trusts
	Status         string // what the last ping found
	CreatedAt      time.Time
	UpdatedAt      time.Time
}

// ReplicationPolicy says what is copied between this server and another registry.
type ReplicationPolicy struct {
	ID             int64
	Name           string // unique
	Description    string
	SrcRegistryID  int64 // 0: from this server
	DestRegistryID int64 // 0: to this server

	DestNamespace             string
	DestNamespaceReplaceCount int

	TriggerType string
	Cron        string // of a scheduled one
	Filters     []ReplicationFilter

	ReplicateDeletion bool
	Override          bool
	Enabled           bool
	Speed             int // in KB/s; -1 is as fast as it goes
	CopyByChunk       bool
	SingleActive      bool
	Creator           string
	CreatedAt         time.Time
	UpdatedAt         time.Time
}

// ReplicationFilter narrows what is copied. Labels are of the type "label", all others have a value.
type ReplicationFilter struct {
	Type       string   `json:"type"`
	Value      string   `json:"value,omitempty"`
	Labels     []string `json:"labels,omitempty"`
	Decoration string   `json:"decoration,omitempty"`
}

// WebhookPolicy says who is told of what happens in a project.
type WebhookPolicy struct {
	ID          int64
	ProjectID   int64
	Name        string // unique in the project
	Description string
	Targets     []WebhookTarget
	EventTypes  []string
	Creator     string
	Enabled     bool
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// WebhookTarget is one who is told.
type WebhookTarget struct {
	Type           string `json:"type"`
	Address        string `json:"address"`
	AuthHeader     string `json:"auth_header,omitempty"` // sealed; "" for none
	SkipCertVerify bool   `json:"skip_cert_verify,omitempty"`
	PayloadFormat  string `json:"payload_format,omitempty"`
}

// RetentionPolicy says which artifacts of a project are kept when the others are cleared away.
type RetentionPolicy struct {
	ID          int64
	ProjectID   int64 // unique
	Algorithm   string
	Rules       []TagRule
	TriggerKind string
	Cron        string // "" for one that is not scheduled
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// Registries keeps registries.
type Registries interface {
	CreateRegistry(ctx context.Context, r Registry) (Registry, error)
	Registry(ctx context.Context, id int64) (Registry, error)
	ListRegistries(ctx context.Context, f Filter) iter.Seq2[Registry, error]
	CountRegistries(ctx context.Context, f Filter) (int, error)
	UpdateRegistry(ctx context.Context, id int64, fn func(*Registry) error) (Registry, error)
	// DeleteRegistry removes a registry. Precondition: a replication policy names it.
	DeleteRegistry(ctx context.Context, id int64) error
}

// ReplicationPolicies keeps replication policies. NotFound also means that there is no such registry.
type ReplicationPolicies interface {
	CreateReplicationPolicy(ctx context.Context, p ReplicationPolicy) (ReplicationPolicy, error)
	ReplicationPolicy(ctx context.Context, id int64) (ReplicationPolicy, error)
	ListReplicationPolicies(ctx context.Context, f Filter) iter.Seq2[ReplicationPolicy, error]
	CountReplicationPolicies(ctx context.Context, f Filter) (int, error)
	UpdateReplicationPolicy(ctx context.Context, id int64, fn func(*ReplicationPolicy) error) (ReplicationPolicy, error)
	DeleteReplicationPolicy(ctx context.Context, id int64) error
}

// WebhookPolicies keeps the webhook policies of projects. One of another project is NotFound. They end with the project.
type WebhookPolicies interface {
	CreateWebhookPolicy(ctx context.Context, p WebhookPolicy) (WebhookPolicy, error)
	WebhookPolicy(ctx context.Context, projectID, id int64) (WebhookPolicy, error)
	ListWebhookPolicies(ctx context.Context, projectID int64, f Filter) iter.Seq2[WebhookPolicy, error]
	CountWebhookPolicies(ctx context.Context, projectID int64, f Filter) (int, error)
	// UpdateWebhookPolicy can't move it to another project.
	UpdateWebhookPolicy(ctx context.Context, projectID, id int64, fn func(*WebhookPolicy) error) (WebhookPolicy, error)
	DeleteWebhookPolicy(ctx context.Context, projectID, id int64) error
}

// RetentionPolicies keeps the retention policies of projects, at most one of each. They end with the project.
type RetentionPolicies interface {
	CreateRetentionPolicy(ctx context.Context, p RetentionPolicy) (RetentionPolicy, error) // Conflict: the project has one
	RetentionPolicy(ctx context.Context, id int64) (RetentionPolicy, error)
	// RetentionPoliciesOf returns the ids of the policies of projects, by the projects' ids and index look-ups.
	RetentionPoliciesOf(ctx context.Context, projectIDs []int64) (map[int64]int64, error)
	// UpdateRetentionPolicy can't move it to another project.
	UpdateRetentionPolicy(ctx context.Context, id int64, fn func(*RetentionPolicy) error) (RetentionPolicy, error)
	DeleteRetentionPolicy(ctx context.Context, id int64) error
}
