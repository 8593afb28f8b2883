package sqlstore

import (
	"context"
	"iter"

	"github.com/uptrace/bun"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

type registryRow struct {
	bun.BaseModel `bun:"table:registries,alias:t"`
	rowHead

	Name           string `bun:"name"`
	NameKey        string `bun:"name_key"`
	Description    string `bun:"description"`
	URL            string `bun:"url"`
	Type           string `bun:"type"`
	CredentialType string `bun:"credential_type"`
	AccessKey      string `bun:"access_key"`
	AccessSecret   string `bun:"access_secret"`
	Insecure       bool   `bun:"insecure"`
	CACertificate  string `bun:"ca_certificate"`
	Status         string `bun:"status"`
}

// Bounds of texts, in characters.
const (
	maxRemark      = 1024
	maxAddress     = 2048 // of a URL
	maxSealed      = 16 << 10
	maxCertificate = 64 << 10
)

func newRegistryRow(r store.Registry) registryRow {
	return registryRow{
		Name: r.Name, NameKey: store.NameKey(r.Name), Description: r.Description, URL: r.URL, Type: r.Type, CredentialType: r.CredentialType,
		AccessKey: r.AccessKey, AccessSecret: r.AccessSecret, Insecure: r.Insecure, CACertificate: r.CACertificate, Status: r.Status,
	}
}

func (r registryRow) record() store.Registry {
	return store.Registry{
		ID: r.ID, Name: r.Name, Description: r.Description, URL: r.URL, Type: r.Type, CredentialType: r.CredentialType,
		AccessKey: r.AccessKey, AccessSecret: r.AccessSecret, Insecure: r.Insecure, CACertificate: r.CACertificate, Status: r.Status,
		CreatedAt: fromMicros(r.CreatedAt), UpdatedAt: fromMicros(r.UpdatedAt),
	}
}

func (r *registryRow) name() string          { return r.Name }
func (r *registryRow) keep(registryRow)      {}
func (r *registryRow) within() (string, any) { return "", nil }

func (r *registryRow) check() error {
	if r.Name == "" || r.URL == "" {
		return errs.New(errs.Invalid, "a registry needs a name and a URL").WithHint("give both")
	}
	return checkFields(field{"the registry's name", r.Name, maxName}, field{"the registry's name", r.NameKey, maxName},
		field{"the description", r.Description, maxRemark}, field{"the URL", r.URL, maxAddress}, field{"the type", r.Type, maxName},
		field{"the credential's type", r.CredentialType, maxName}, field{"the access key", r.AccessKey, maxAddress},
		field{"the access secret", r.AccessSecret, maxSealed}, field{"the certificate", r.CACertificate, maxCertificate}, field{"the status", r.Status, maxName})
}

func registryKind() plain[registryRow, *registryRow, store.Registry] {
	return plain[registryRow, *registryRow, store.Registry]{
		what: "registry", row: newRegistryRow,
		listing: listing[registryRow, store.Registry]{
			table: "registries",
			id:    column[registryRow]{"t.id", func(r registryRow) any { return r.ID }},
			sorts: headSorts(map[string]column[registryRow]{
				"name": {"t.name_key", func(r registryRow) any { return r.NameKey }},
			}),
			fields: headFields(map[string]narrowing{"name": writtenName()}),
			filter: filterNames,
			record: registryRow.record,
		},
	}
}

// filterNames narrows a list by the names of its records.
func filterNames(q *bun.SelectQuery, f store.Filter) *bun.SelectQuery {
	if f.Name != "" {
		q = contains(q, "t.name_key", store.NameKey(f.Name))
	}
	if f.Exact != "" {
		q = q.Where("t.name = ?", f.Exact)
	}
	return q
}

// CreateRegistry stores a new registry. Conflict: the name is taken. Invalid: something is missing or too long.
func (s *Store) CreateRegistry(ctx context.Context, r store.Registry) (store.Registry, error) {
	return registryKind().create(ctx, s, r, nil)
}

// Registry returns the registry with the id, or NotFound.
func (s *Store) Registry(ctx context.Context, id int64) (store.Registry, error) {
	return registryKind().get(ctx, s, id, registryRow{})
}

// ListRegistries lists registries. They can be sorted by id, name, creation_time and update_time.
func (s *Store) ListRegistries(ctx context.Context, f store.Filter) iter.Seq2[store.Registry, error] {
	return registryKind().all(ctx, s, f)
}

// CountRegistries counts the registries that the filter lets through, whatever its page.
func (s *Store) CountRegistries(ctx context.Context, f store.Filter) (int, error) {
	return registryKind().count(ctx, s, f)
}

// UpdateRegistry runs fn on the stored registry and stores what fn made of it. Conflict: the new name is taken.
func (s *Store) UpdateRegistry(ctx context.Context, id int64, fn func(*store.Registry) error) (store.Registry, error) {
	return registryKind().update(ctx, s, id, registryRow{}, fn)
}

// DeleteRegistry removes the registry, or returns NotFound. Precondition: a replication policy names it.
func (s *Store) DeleteRegistry(ctx context.Context, id int64) error {
	return registryKind().remove(ctx, s, id, registryRow{}, func(ctx context.Context, tx bun.Tx) error {
		// Two queries, because each has an index. Nobody can add a policy meanwhile: the registry is locked.
		for _, column := range []bun.Safe{"t.src_registry_id", "t.dest_registry_id"} {
			var names []string
			err := tx.NewSelect().Model((*replicationRow)(nil)).Column("name").Where("? = ?", column, id).Order("t.id").Limit(1).Scan(ctx, &names)
			if err != nil {
				return err
			}
			if len(names) > 0 {
				return errs.New(errs.Precondition, "the replication policy %s uses the registry", show(names[0])).WithHint("delete the policy first, or give it another registry")
			}
		}
		return nil
	})
}
