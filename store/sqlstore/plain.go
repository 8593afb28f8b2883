package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/uptrace/bun"
)

// plain is how records of one kind are kept that nobody has to be told of and that stand in one table: R is the row, T
// the record.
type plain[R any, P plainRow[R], T any] struct {
	listing[R, T]
	what    string        // a record, for people
	row     func(T) R     // the other way is listing.record
	missing func(R) error // what a row points at is not there; nil where it points at nothing
}

// plainRow is a row that begins with a rowHead.
type plainRow[R any] interface {
	*R
	head() *rowHead
	name() string          // what has to be unique
	check() error          // Invalid: the row can't be kept
	keep(before R)         // puts back what can't be changed
	within() (string, any) // the column that says what the record belongs to, and its value; "" for none
}

// rowHead is what the store itself sets.
type rowHead struct {
	ID        int64 `bun:"id,pk,autoincrement"`
	CreatedAt int64 `bun:"created_at"`
	UpdatedAt int64 `bun:"updated_at"`
}

func (h *rowHead) head() *rowHead { return h }

// create stores a new record; before, which may be nil, runs in the same transaction.
func (p plain[R, P, T]) create(ctx context.Context, s *Store, v T, before func(ctx context.Context, tx bun.Tx) error) (T, error) {
	var none T
	first := p.row(v)
	head := P(&first).head()
	head.ID, head.CreatedAt = 0, s.stamp()
	head.UpdatedAt = head.CreatedAt
	if err := P(&first).check(); err != nil {
		return none, err
	}
	var row R
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		row = first // without the id of an attempt before
		if before != nil {
			if err := before(ctx, tx); err != nil {
				return err
			}
		}
		_, err := tx.NewInsert().Model(&row).Exec(ctx)
		return err
	})
	if err != nil {
		return none, p.failed(s, "creating a "+p.what, first, err)
	}
	return p.record(row), nil
}

func (p plain[R, P, T]) failed(s *Store, doing string, row R, err error) error {
	switch fault := s.dialect.fault(err); {
	case fault == faultDuplicate:
		return taken(p.what, P(&row).name())
	case fault == faultReference && p.missing != nil:
		return p.missing(row)
	default:
		return s.failed(doing, err)
	}
}

// get returns the record with the id that is of is's owner, or NotFound.
func (p plain[R, P, T]) get(ctx context.Context, s *Store, id int64, is R) (T, error) {
	row, err := p.find(ctx, s, s.read.NewSelect(), id, is)
	if err != nil {
		var none T
		return none, err
	}
	return p.record(row), nil
}

func (p plain[R, P, T]) find(ctx context.Context, s *Store, q *bun.SelectQuery, id int64, is R) (row R, err error) {
	q = q.Model(&row).Where("t.id = ?", id)
	if column, owner := P(&is).within(); column != "" {
		q = q.Where("? = ?", bun.Safe(column), owner)
	}
	err = q.Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return row, notFound(p.what, id)
	}
	return row, s.failed("reading a "+p.what, err)
}

// update runs fn on the stored record and stores what fn made of it; what the store sets itself stays.
func (p plain[R, P, T]) update(ctx context.Context, s *Store, id int64, is R, fn func(*T) error) (T, error) {
	var before, after R
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
		if before, err = p.find(ctx, s, s.locked(tx.NewSelect()), id, is); err != nil {
			return err
		}
		v := p.record(before)
		if err := fn(&v); err != nil {
			return err
		}
		after = p.row(v)
		*P(&after).head() = *P(&before).head()
		P(&after).keep(before)
		if reflect.DeepEqual(p.record(after), p.record(before)) {
			return nil
		}
		P(&after).head().UpdatedAt = s.stamp()
		if err := P(&after).check(); err != nil {
			return err
		}
		_, err = tx.NewUpdate().Model(&after).WherePK().Exec(ctx)
		return err
	})
	if err != nil {
		var none T
		return none, p.failed(s, "changing a "+p.what, after, err)
	}
	return p.record(after), nil
}

// remove deletes the record, or returns NotFound; before, which may be nil, runs in the same transaction.
func (p plain[R, P, T]) remove(ctx context.Context, s *Store, id int64, is R, before func(ctx context.Context, tx bun.Tx) error) error {
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if _, err := p.find(ctx, s, s.locked(tx.NewSelect()), id, is); err != nil {
			return err
		}
		if before != nil {
			if err := before(ctx, tx); err != nil {
				return err
			}
		}
		_, err := tx.NewDelete().Model((*R)(nil)).Where("id = ?", id).Exec(ctx)
		return err
	})
	return s.failed("deleting a "+p.what, err)
}

// headSorts are the orders that every plain record has, and those of its own.
func headSorts[R any, P plainRow[R]](own map[string]column[R]) map[string]column[R] {
	sorts := map[string]column[R]{
		"id":            {"t.id", func(r R) any { return P(&r).head().ID }},
		"creation_time": {"t.created_at", func(r R) any { return P(&r).head().CreatedAt }},
		"update_time":   {"t.updated_at", func(r R) any { return P(&r).head().UpdatedAt }},
	}
	for name, by := range own {
		sorts[name] = by
	}
	return sorts
}

// jsonText is a value that is kept as JSON.
type jsonText[V any] struct{ v V }

// maxJSON bounds what is kept as JSON, in bytes.
const maxJSON = 1 << 18

// Value writes the value for the database.
func (j jsonText[V]) Value() (driver.Value, error) {
	text, err := json.Marshal(j.v)
	return string(text), err
}

// Scan reads the value as the database has it.
func (j *jsonText[V]) Scan(src any) error {
	switch text := src.(type) {
	case string:
		return json.Unmarshal([]byte(text), &j.v)
	case []byte:
		return json.Unmarshal(text, &j.v)
	default:
		return fmt.Errorf("a %T where JSON is kept", src)
	}
}

// field returns the value as it is checked.
func (j jsonText[V]) field(name string) field {
	text, err := json.Marshal(j.v)
	if err != nil {
		text = []byte{0} // is refused
	}
	return field{name, string(text), maxJSON}
}
