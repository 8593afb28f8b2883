package sqlstore

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/uptrace/bun"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// batchSize is how many rows a list fetches at a time. A list holds no connection while its reader is busy, so that
// the reader may ask the store, and may take all the time it wants.
const batchSize = 256

// column is a column, or an expression of several, that a list may be sorted by. Only what stands in an allow-list ever
// reaches an ORDER BY.
type column[R any] struct {
	sql   string
	value func(R) any
}

// listing is how records of one kind are listed.
type listing[R, T any] struct {
	table   string
	project int64                // all rows are of this project; 0 is any
	id      column[R]            // unique, and the tie-break of every other order
	sorts   map[string]column[R] // by the name in store.Filter.Sort
	unique  string               // the SQL of a column besides in which no two rows have the same value
	newest  bool                 // the default order is by falling ids
	filter  func(q *bun.SelectQuery, f store.Filter) *bun.SelectQuery
	bare    func(q *bun.SelectQuery, f store.Filter) *bun.SelectQuery // filter without what it joins for others, where that will do; nil for filter
	columns func(q *bun.SelectQuery) *bun.SelectQuery                 // adds joined columns; nil for none
	fields  map[string]narrowing                                      // what store.Filter.Where can be about
	record  func(R) T

	// parts returns filters that let through, each something else, what the filter lets through together; each of them
	// has an index for each order, where the filter has none. nil is for filters that have one.
	parts func(f store.Filter) []store.Filter
}

// narrow is filter where only rows of the one table are wanted.
func (l listing[R, T]) narrow(q *bun.SelectQuery, f store.Filter) *bun.SelectQuery {
	if l.bare == nil {
		return l.only(q, f)
	}
	return l.where(l.bare(q, f), f.Where)
}

// only lets through what the filter and its conditions do.
func (l listing[R, T]) only(q *bun.SelectQuery, f store.Filter) *bun.SelectQuery {
	return l.where(l.filter(q, f), f.Where)
}

func (l listing[R, T]) partsOf(f store.Filter) []store.Filter {
	if l.parts == nil {
		return []store.Filter{f}
	}
	return l.parts(f)
}

// order is a parsed store.Filter.Sort.
type order[R any] struct {
	by, id column[R]
	down   bool
	unique bool // by needs no tie-break
}

// alone reports whether by needs no tie-break.
func (o order[R]) alone() bool { return o.unique || o.by.sql == o.id.sql }

// cursor is the place in an order after which the next row comes.
type cursor struct {
	by, id any
	tied   bool // what comes after it among the rows with the same value; else what comes after all of them
}

// all returns the records that the filter lets through, in its order.
func (l listing[R, T]) all(ctx context.Context, s *Store, f store.Filter) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		o, at, err := l.start(ctx, s, f)
		if err != nil {
			yield(none, s.failed("listing "+l.table, err))
			return
		}
		if !matchable(f) {
			return
		}
		offset, left := f.Offset, f.Limit
		if at != nil {
			offset = 0
		}
		for {
			want := batchSize
			if f.Limit > 0 {
				want = min(want, left)
			}
			rows, err := l.batch(ctx, s, f, o, at, offset, want)
			if err != nil {
				yield(none, s.failed("listing "+l.table, err))
				return
			}
			for _, r := range rows {
				if !yield(l.record(r), nil) {
					return
				}
			}
			left -= len(rows)
			if len(rows) < want || (f.Limit > 0 && left == 0) {
				return
			}
			last := rows[len(rows)-1]
			at, offset = &cursor{by: o.by.value(last), id: o.id.value(last)}, 0
		}
	}
}

// start parses the order and finds the place to start from.
func (l listing[R, T]) start(ctx context.Context, s *Store, f store.Filter) (order[R], *cursor, error) {
	if f.Offset < 0 || f.Limit < 0 || f.After < 0 {
		return order[R]{}, nil, errs.New(errs.Invalid, "offset, limit and after can't be negative").WithHint("leave them out")
	}
	if err := l.knows(f.Where); err != nil {
		return order[R]{}, nil, err
	}
	name, down := strings.CutPrefix(f.Sort, "-")
	o := order[R]{by: l.id, id: l.id, down: down || (f.Sort == "" && l.newest)}
	if name != "" {
		by, ok := l.sorts[name]
		if !ok {
			return order[R]{}, nil, errs.New(errs.Invalid, "%s can't be sorted by %s", l.table, show(name)).
				WithHint("sort by one of %s", strings.Join(sortedKeys(l.sorts), ", "))
		}
		o.by, o.unique = by, by.sql == l.unique
	}
	if f.After == 0 {
		return o, nil, nil
	}
	if o.by.sql == o.id.sql {
		return o, &cursor{by: f.After, id: f.After}, nil
	}
	at, err := l.place(ctx, s, o, f)
	return o, at, err
}

// place finds the place of the record that the page starts after in an order that is not by id. One that the filter does
// not let through has none: where it stands would tell of what nobody may see.
func (l listing[R, T]) place(ctx context.Context, s *Store, o order[R], f store.Filter) (*cursor, error) {
	var rows []R
	id := f.After
	q := l.only(s.read.NewSelect().Model(&rows), f)
	if l.columns != nil {
		q = l.columns(q)
	}
	if err := q.Where("? = ?", bun.Safe(o.id.sql), id).Scan(ctx); err != nil {
		return nil, err
	}
	if len(rows) == 0 && f.Offset > 0 {
		return nil, nil //nolint:nilnil // the page's number says where it starts
	}
	if len(rows) == 0 {
		return nil, errs.New(errs.Invalid, "the record %d that the page starts after is gone", id).WithHint("start again from the first page")
	}
	return &cursor{by: o.by.value(rows[0]), id: id}, nil
}

// batch reads the next rows. After a place, those with the same value come first, and are asked for by themselves: no
// database finds both in an index at once.
func (l listing[R, T]) batch(ctx context.Context, s *Store, f store.Filter, o order[R], at *cursor, offset, want int) ([]R, error) {
	if at == nil || o.alone() {
		return l.read(ctx, s, f, o, at, offset, want)
	}
	rows, err := l.read(ctx, s, f, o, &cursor{at.by, at.id, true}, 0, want)
	if err != nil || len(rows) == want {
		return rows, err
	}
	more, err := l.read(ctx, s, f, o, at, 0, want-len(rows))
	return append(rows, more...), err
}

func (l listing[R, T]) read(ctx context.Context, s *Store, f store.Filter, o order[R], at *cursor, offset, want int) ([]R, error) {
	rows := make([]R, 0, min(want, batchSize))
	q := l.page(s, s.read.NewSelect().Model(&rows), f, o, at, offset, want)
	if q == nil {
		return nil, nil
	}
	err := q.Scan(ctx)
	return rows, err
}

// page makes q select a page, nil for one that can't hold anything. What comes before it is skipped in an index, and rows
// are read of the page alone. Of several parts, the page is in what each of them has up to its end.
func (l listing[R, T]) page(s *Store, q *bun.SelectQuery, f store.Filter, o order[R], at *cursor, offset, want int) *bun.SelectQuery {
	parts := l.partsOf(f)
	if l.columns != nil {
		q = l.columns(q)
	}
	switch {
	case len(parts) == 0:
		return nil
	case len(parts) == 1 && offset == 0:
		return o.apply(l.only(q, parts[0]), at).Limit(int64(want))
	}
	// What columns join may stand on what filter joins.
	q = l.filter(q, store.Filter{}).Where("? IN (?)", bun.Safe(o.id.sql), l.ids(s, parts, o, at, offset, want))
	return o.apply(q, nil)
}

// ids selects the ids of a page.
func (l listing[R, T]) ids(s *Store, parts []store.Filter, o order[R], at *cursor, offset, want int) *bun.SelectQuery {
	of := func(f store.Filter, offset, want int) *bun.SelectQuery {
		q := l.narrow(s.read.NewSelect().Model((*R)(nil)).ColumnExpr("? AS id", bun.Safe(o.id.sql)).ColumnExpr("? AS place", bun.Safe(o.by.sql)), f)
		return o.apply(q, at).Offset(int64(offset)).Limit(int64(want))
	}
	if len(parts) == 1 {
		return s.read.NewSelect().ColumnExpr("k.id").TableExpr("(?) AS k", of(parts[0], offset, want))
	}
	var all []string
	var args []any
	for i, f := range parts {
		all = append(all, fmt.Sprintf("SELECT p%d.id, p%d.place FROM (?) AS p%d", i, i, i))
		args = append(args, of(f, 0, offset+want))
	}
	merged := s.read.NewSelect().ColumnExpr("k.id").TableExpr("("+strings.Join(all, " UNION ALL ")+") AS k", args...)
	some := order[R]{by: column[R]{sql: "k.place"}, id: column[R]{sql: "k.id"}, down: o.down}.apply(merged, nil)
	return s.read.NewSelect().ColumnExpr("m.id").TableExpr("(?) AS m", some.Offset(int64(offset)).Limit(int64(want)))
}

// apply sorts q and lets it start after the place.
func (o order[R]) apply(q *bun.SelectQuery, at *cursor) *bun.SelectQuery {
	direction, beyond := bun.Safe("ASC"), bun.Safe(">")
	if o.down {
		direction, beyond = "DESC", "<"
	}
	by, id := bun.Safe(o.by.sql), bun.Safe(o.id.sql)
	switch {
	case at == nil:
	case o.by.sql == o.id.sql:
		q = q.Where("? ? ?", id, beyond, at.id)
	case at.tied:
		q = q.Where("? = ? AND ? ? ?", by, at.by, id, beyond, at.id)
	default:
		q = q.Where("? ? ?", by, beyond, at.by)
	}
	q = q.OrderExpr("? ?", by, direction)
	if o.alone() {
		return q
	}
	return q.OrderExpr("? ?", id, direction)
}

// count returns how many records the filter lets through, whatever the page. Of many it may have been some seconds ago.
func (l listing[R, T]) count(ctx context.Context, s *Store, f store.Filter) (int, error) {
	if err := l.knows(f.Where); err != nil || !matchable(f) {
		return 0, err
	}
	total := 0
	for _, part := range l.partsOf(f) { // each by itself: what is public is counted for everybody
		query := func() *bun.SelectQuery { return l.narrow(s.read.NewSelect().Model((*R)(nil)), part) }
		n, err := s.counts.get(ctx, s.now(), l.project, query().String(), func(ctx context.Context) (int, error) {
			n, err := query().Count(ctx)
			return int(n), err
		})
		if err != nil {
			return 0, s.failed("counting "+l.table, err)
		}
		total += n
	}
	return total, nil
}

// matchable reports whether anything stored can match the filter at all: a name that no database keeps is nobody's.
func matchable(f store.Filter) bool {
	return storable(f.Name) && storable(f.Exact) && storable(f.Subject) && storable(f.Key) && storableAudit(f.Audit)
}

// contains returns a condition that the column holds the text, in which LIKE's own characters mean themselves.
func contains(q *bun.SelectQuery, column, text string) *bun.SelectQuery {
	return q.Where("? LIKE ? ESCAPE '!'", bun.Safe(column), pattern(text))
}

func pattern(text string) string {
	return "%" + strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(text) + "%"
}
