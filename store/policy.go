package store

import (
	"context"
	"iter"
	"time"
)

// PolicyRevision is a policy as it was from a time on.
type PolicyRevision struct {
	ID          int64
	Time        time.Time
	Author      string // who changed it; "" for an edit of the files by hand
	Comment     string
	Model       string // model.conf
	Rules       string // policy.csv
	Fingerprint string
}

// MaxPolicyText is how long either text of a revision may be, in bytes: it must fit into one packet of every database.
const MaxPolicyText = 4 << 20

// PolicyRevisions keeps what the policy was.
type PolicyRevisions interface {
	// AppendPolicyRevision keeps a revision, if the newest one has the fingerprint ("": whatever it has). Precondition: it has
	// another one. Invalid: a text is longer than MaxPolicyText.
	AppendPolicyRevision(ctx context.Context, r PolicyRevision, over string) (PolicyRevision, error)
	PolicyRevision(ctx context.Context, id int64) (PolicyRevision, error)
	// LatestPolicyRevision returns the newest one, or NotFound.
	LatestPolicyRevision(ctx context.Context) (PolicyRevision, error)
	// PolicyRevisionAt returns the one that was the newest at a time, or NotFound.
	PolicyRevisionAt(ctx context.Context, at time.Time) (PolicyRevision, error)
	// ListPolicyRevisions lists revisions, the newest first, without their texts.
	ListPolicyRevisions(ctx context.Context, f Filter) iter.Seq2[PolicyRevision, error]
	CountPolicyRevisions(ctx context.Context, f Filter) (int, error)
}
