package sqlstore

import (
	"context"
	"iter"

	"github.com/uptrace/bun"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

type replicationRow struct {
	bun.BaseModel `bun:"table:replication_policies,alias:t"`
	rowHead

	Name              string                              `bun:"name"`
	NameKey           string                              `bun:"name_key"`
	Description       string                              `bun:"description"`
	SrcRegistryID     int64                               `bun:"src_registry_id,nullzero"`
	DestRegistryID    int64                               `bun:"dest_registry_id,nullzero"`
	DestNamespace     string                              `bun:"dest_namespace"`
	ReplaceCount      int64                               `bun:"dest_namespace_replace_count"`
	TriggerType       string                              `bun:"trigger_type"`
	Cron              string                              `bun:"cron"`
	Filters           jsonText[[]store.ReplicationFilter] `bun:"filters"`
	ReplicateDeletion bool                                `bun:"replicate_deletion"`
	Override          bool                                `bun:"override"`
	Enabled           bool                                `bun:"enabled"`
	Speed             int64                               `bun:"speed"`
	CopyByChunk       bool                                `bun:"copy_by_chunk"`
	SingleActive      bool                                `bun:"single_active"`
	Creator           string                              `bun:"creator"`
}

func newReplicationRow(p store.ReplicationPolicy) replicationRow {
	return replicationRow{
		Name: p.Name, NameKey: store.NameKey(p.Name), Description: p.Description, SrcRegistryID: p.SrcRegistryID, DestRegistryID: p.DestRegistryID,
		DestNamespace: p.DestNamespace, ReplaceCount: int64(p.DestNamespaceReplaceCount), TriggerType: p.TriggerType, Cron: p.Cron,
		Filters: jsonText[[]store.ReplicationFilter]{p.Filters}, ReplicateDeletion: p.ReplicateDeletion, Override: p.Override, Enabled: p.Enabled,
		Speed: int64(p.Speed), CopyByChunk: p.CopyByChunk, SingleActive: p.SingleActive, Creator: p.Creator,
	}
}

func (r replicationRow) record() store.ReplicationPolicy {
	return store.ReplicationPolicy{
		ID: r.ID, Name: r.Name, Description: r.Description, SrcRegistryID: r.SrcRegistryID, DestRegistryID: r.DestRegistryID,
		DestNamespace: r.DestNamespace, DestNamespaceReplaceCount: int(r.ReplaceCount), TriggerType: r.TriggerType, Cron: r.Cron,
		Filters: r.Filters.v, ReplicateDeletion: r.ReplicateDeletion, Override: r.Override, Enabled: r.Enabled,
		Speed: int(r.Speed), CopyByChunk: r.CopyByChunk, SingleActive: r.SingleActive, Creator: r.Creator,
		CreatedAt: fromMicros(r.CreatedAt), UpdatedAt: fromMicros(r.UpdatedAt),
	}
}

func (r *replicationRow) name() string          { return r.Name }
func (r *replicationRow) keep(replicationRow)   {}
func (r *replicationRow) within() (string, any) { return "", nil }

func (r *replicationRow) check() error {
	if r.Name == "" {
		return errs.New(errs.Invalid, "a replication policy needs a name").WithHint("give one")
	}
	return checkFields(field{"the policy's name", r.Name, maxName}, field{"the policy's name", r.NameKey, maxName},
		field{"the description", r.Description, maxRemark}, field{"the destination", r.DestNamespace, maxName},
		field{"the trigger", r.TriggerType, maxName}, field{"the schedule", r.Cron, maxName}, r.Filters.field("the filters"), field{"the creator", r.Creator, 4 * maxName})
}

func replicationKind() plain[replicationRow, *replicationRow, store.ReplicationPolicy] {
	return plain[replicationRow, *replicationRow, store.ReplicationPolicy]{
		what: "replication policy", row: newReplicationRow,
		missing: func(r replicationRow) error {
			return notFound("registry", max(r.SrcRegistryID, r.DestRegistryID)) // the other one is 0
		},
		listing: listing[replicationRow, store.ReplicationPolicy]{
			table: "replication policies",
			id:    column[replicationRow]{"t.id", func(r replicationRow) any { return r.ID }},
			sorts: headSorts(map[string]column[replicationRow]{
				"name": {"t.name_key", func(r replicationRow) any { return r.NameKey }},
			}),
			fields: headFields(map[string]narrowing{"name": writtenName()}),
			filter: filterNames,
			record: replicationRow.record,
		},
	}
}

// CreateReplicationPolicy stores a new policy. Conflict: the name is taken. NotFound: there is no such registry.
func (s *Store) CreateReplicationPolicy(ctx context.Context, p store.ReplicationPolicy) (store.ReplicationPolicy, error) {
	return replicationKind().create(ctx, s, p, nil)
}

// ReplicationPolicy returns the policy with the id, or NotFound.
func (s *Store) ReplicationPolicy(ctx context.Context, id int64) (store.ReplicationPolicy, error) {
	return replicationKind().get(ctx, s, id, replicationRow{})
}

// ListReplicationPolicies lists policies. They can be sorted by id, name, creation_time and update_time.
func (s *Store) ListReplicationPolicies(ctx context.Context, f store.Filter) iter.Seq2[store.ReplicationPolicy, error] {
	return replicationKind().all(ctx, s, f)
}

// CountReplicationPolicies counts the policies that the filter lets through, whatever its page.
func (s *Store) CountReplicationPolicies(ctx context.Context, f store.Filter) (int, error) {
	return replicationKind().count(ctx, s, f)
}

// UpdateReplicationPolicy runs fn on the stored policy and stores what fn made of it. Conflict: the new name is taken.
// NotFound: no such policy or registry.
func (s *Store) UpdateReplicationPolicy(ctx context.Context, id int64, fn func(*store.ReplicationPolicy) error) (store.ReplicationPolicy, error) {
	return replicationKind().update(ctx, s, id, replicationRow{}, fn)
}

// DeleteReplicationPolicy removes the policy, or returns NotFound.
func (s *Store) DeleteReplicationPolicy(ctx context.Context, id int64) error {
	return replicationKind().remove(ctx, s, id, replicationRow{}, nil)
}
