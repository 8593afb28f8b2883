package sqlstore

import (
	"context"
	"maps"

	"github.com/uptrace/bun"

	"github.com/sealock/sealock/internal/errs"
)

// maxConfiguration is how long a value may be, in characters.
const maxConfiguration = 4000

type configurationRow struct {
	bun.BaseModel `bun:"table:configurations,alias:t"`

	Name      string `bun:"name,pk"`
	Value     string `bun:"value"`
	UpdatedAt int64  `bun:"updated_at"`
}

func (r configurationRow) check() error {
	if r.Name == "" {
		return errs.New(errs.Invalid, "a configuration needs a name").WithHint("give one")
	}
	return checkFields(field{"the name", r.Name, maxJob}, field{r.Name, r.Value, maxConfiguration})
}

// Configuration returns what an administrator changed.
func (s *Store) Configuration(ctx context.Context) (map[string]string, error) {
	values, err := configuration(ctx, s.read.NewSelect())
	return values, s.failed("reading the configuration", err)
}

func configuration(ctx context.Context, q *bun.SelectQuery) (map[string]string, error) {
	var rows []configurationRow
	if err := q.Model(&rows).Scan(ctx); err != nil {
		return nil, err
	}
	values := make(map[string]string, len(rows))
	for _, r := range rows {
		values[r.Name] = r.Value
	}
	return values, nil
}

// UpdateConfiguration runs fn on what is kept and keeps what fn made of it. Conflict: somebody else made the same new
// name in the same moment. Invalid: a text is too long, or can't be kept.
func (s *Store) UpdateConfiguration(ctx context.Context, fn func(map[string]string) error) (map[string]string, error) {
	var after map[string]string
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		before, err := configuration(ctx, s.locked(tx.NewSelect()))
		if err != nil {
			return err
		}
		after = maps.Clone(before)
		if err := fn(after); err != nil {
			return err
		}
		return s.storeConfiguration(ctx, tx, before, after)
	})
	if s.dialect.fault(err) == faultDuplicate {
		return nil, errs.New(errs.Conflict, "the configuration was changed in the same moment").WithHint("try again")
	}
	if err != nil {
		return nil, s.failed("changing the configuration", err)
	}
	return after, nil
}

func (s *Store) storeConfiguration(ctx context.Context, tx bun.Tx, before, after map[string]string) error {
	for _, name := range sortedKeys(before) {
		if _, stays := after[name]; stays {
			continue
		}
		if _, err := tx.NewDelete().Model((*configurationRow)(nil)).Where("name = ?", name).Exec(ctx); err != nil {
			return err
		}
	}
	for _, name := range sortedKeys(after) {
		old, there := before[name]
		row := configurationRow{Name: name, Value: after[name], UpdatedAt: s.stamp()}
		if there && old == row.Value {
			continue
		}
		if err := row.check(); err != nil {
			return err
		}
		var err error
		if there {
			_, err = tx.NewUpdate().Model(&row).WherePK().Exec(ctx)
		} else {
			_, err = tx.NewInsert().Model(&row).Exec(ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
