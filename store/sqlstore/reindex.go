package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/sealock/sealock/store"
)

type reindexRow struct {
	bun.BaseModel `bun:"table:reindex,alias:t"`

	ID     int64  `bun:"id,pk"`
	Record string `bun:"record"`
}

// reindexID is the id of the only row.
const reindexID = 1

func (r reindexRow) record() (x store.Reindex, err error) {
	if err := json.Unmarshal([]byte(r.Record), &x); err != nil {
		return store.Reindex{}, fmt.Errorf("reading how the reindex stands: %w", err)
	}
	return x, nil
}

// Reindex returns how the walk through the registry stands.
func (s *Store) Reindex(ctx context.Context) (store.Reindex, error) {
	var row reindexRow
	err := s.read.NewSelect().Model(&row).Where("id = ?", reindexID).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return store.Reindex{}, nil
	}
	if err != nil {
		return store.Reindex{}, s.failed("reading how the reindex stands", err)
	}
	return row.record()
}

// UpdateReindex changes how the walk through the registry stands.
func (s *Store) UpdateReindex(ctx context.Context, fn func(*store.Reindex) error) (after store.Reindex, err error) {
	if err := s.ensureReindex(ctx); err != nil {
		return store.Reindex{}, s.failed("noting a reindex", err)
	}
	err = s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		var row reindexRow
		if err := s.locked(tx.NewSelect()).Model(&row).Where("id = ?", reindexID).Scan(ctx); err != nil {
			return err
		}
		if after, err = row.record(); err != nil {
			return err
		}
		if err := fn(&after); err != nil {
			return err
		}
		after.Notes = after.Notes[:min(len(after.Notes), store.MaxReindexNotes)]
		text, err := json.Marshal(after)
		if err != nil {
			return err
		}
		if err := checkFields(field{"the reindex", string(text), maxManifestText}); err != nil {
			return err
		}
		_, err = tx.NewUpdate().Model(&row).Set("record = ?", string(text)).Where("id = ?", reindexID).Exec(ctx)
		return err
	})
	return after, s.failed("noting a reindex", err)
}

// ensureReindex makes the row if it is not there.
func (s *Store) ensureReindex(ctx context.Context) error {
	n, err := s.read.NewSelect().Model((*reindexRow)(nil)).Count(ctx)
	if n > 0 || err != nil {
		return err
	}
	err = s.again(ctx, func() error {
		_, err := s.write.NewInsert().Model(&reindexRow{ID: reindexID, Record: "{}"}).Exec(ctx)
		return err
	})
	if s.dialect.fault(err) == faultDuplicate { // another was first
		return nil
	}
	return err
}
