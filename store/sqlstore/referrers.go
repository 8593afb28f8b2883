package sqlstore

import (
	"context"

	"github.com/uptrace/bun"

	"github.com/sealock/sealock/store"
)

type referrerRow struct {
	ID           int64  `bun:"id"`
	Digest       string `bun:"digest"`
	MediaType    string `bun:"media_type"`
	ArtifactType string `bun:"artifact_type"`
	Size         int64  `bun:"size"`
	Annotations  string `bun:"annotations"`
}

// Referrers returns what refers to a digest. A page costs the same however many there are: it is a part of an index.
func (s *Store) Referrers(ctx context.Context, f store.ReferrerFilter) ([]store.Referrer, error) {
	if !storable(f.Subject) || !storable(f.Type) {
		return nil, nil
	}
	var rows []referrerRow
	if err := s.referrers(f).Scan(ctx, &rows); err != nil {
		return nil, s.failed("listing referrers", err)
	}
	found := make([]store.Referrer, len(rows))
	for i, r := range rows {
		found[i] = store.Referrer{ID: r.ID, Digest: r.Digest, MediaType: r.MediaType, ArtifactType: r.ArtifactType, Size: r.Size, Annotations: readMap(r.Annotations)}
	}
	return found, nil
}

// referrers is the query. An artifact's size is that of all it holds; what it holds has the manifest itself, too. That
// referrer is 1 must stand in the text: a database that keeps an index of those alone finds it by that.
func (s *Store) referrers(f store.ReferrerFilter) *bun.SelectQuery {
	q := s.read.NewSelect().TableExpr("artifacts AS t").
		ColumnExpr("t.id, t.digest, t.media_type, t.artifact_type, b.size, t.annotations").
		Join("JOIN artifact_blobs AS b ON b.artifact_id = t.id AND b.digest = t.digest").
		Where("t.repository_id = ? AND t.subject = ? AND t.referrer = 1 AND t.id > ?", f.Repository, f.Subject, f.After)
	if f.Type != "" {
		q = q.Where("t.artifact_type = ?", f.Type)
	}
	return q.OrderExpr("t.id").Limit(int64(f.Limit))
}

func number(is bool) int64 {
	if is {
		return 1
	}
	return 0
}
