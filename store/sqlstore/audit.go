package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// maxAuditText is how much of one field of a record is kept, in bytes: a client decides how long most of them are.
const maxAuditText = 16 << 10

// maxAuditActor is the same for the actor, which is indexed; a name of maxName characters fits.
const maxAuditActor = 4 * maxName

// auditRows are the numbers of rows for which an INSERT is prepared, the largest first: any number is a sum of these.
func auditRows() []int { return []int{64, 32, 16, 8, 4, 2, 1} }

type auditRow struct {
	bun.BaseModel `bun:"table:audit_log,alias:t"`

	ID        int64         `bun:"id,pk,autoincrement"`
	Time      int64         `bun:"time"`
	RequestID string        `bun:"request_id"`
	Actor     string        `bun:"actor"`
	Method    string        `bun:"method"`
	Remote    string        `bun:"remote"`
	Operation string        `bun:"operation"`
	Resource  string        `bun:"resource"`
	Outcome   audit.Outcome `bun:"outcome"`
	Reason    string        `bun:"reason"`
	JTI       string        `bun:"jti"`
}

func (r auditRow) record() audit.Record {
	return audit.Record{
		ID: r.ID, Time: fromMicros(r.Time), RequestID: r.RequestID, Actor: r.Actor, Method: r.Method, Remote: r.Remote,
		Operation: r.Operation, Resource: r.Resource, Outcome: r.Outcome, Reason: r.Reason, JTI: r.JTI,
	}
}

const auditColumns = "time, request_id, actor, method, remote, operation, resource, outcome, reason, jti"

// auditValues appends the values of a record in the order of auditColumns. Texts are made storable, not refused: a
// hostile name must not keep its own refusal out of the trail.
func auditValues(to []any, r audit.Record) []any {
	return append(to, toMicros(r.Time), legible(r.RequestID), legible(cut(legible(r.Actor), maxAuditActor)), legible(r.Method), legible(r.Remote),
		legible(r.Operation), legible(r.Resource), legible(string(r.Outcome)), legible(r.Reason), legible(r.JTI))
}

func legible(s string) string {
	s = cut(s, maxAuditText)
	if storable(s) {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

func cut(s string, limit int) string {
	if len(s) > limit {
		return s[:limit] + "…"
	}
	return s
}

func (h *hotQueries) prepareAudit(ctx context.Context, p pools, d dialect) error {
	row := "(" + strings.TrimSuffix(strings.Repeat("?, ", strings.Count(auditColumns, ",")+1), ", ") + ")"
	h.appendAudit = make(map[int]*sql.Stmt)
	for _, n := range auditRows() {
		query := "INSERT INTO audit_log (" + auditColumns + ") VALUES " + row + strings.Repeat(", "+row, n-1)
		stmt, err := p.write.PrepareContext(ctx, d.rebind(query)) //nolint:sqlclosecheck // close does
		if err != nil {
			return err
		}
		h.appendAudit[n] = stmt
	}
	return nil
}

// AppendAudit stores all records in one transaction, or none. Their IDs are given by the store.
func (s *Store) AppendAudit(ctx context.Context, records []audit.Record) error {
	if len(records) == 0 {
		return nil
	}
	if stmt := s.hot.appendAudit[len(records)]; stmt != nil { // one statement is a transaction by itself
		return s.failed("appending to the audit trail", appendRecords(ctx, stmt, records))
	}
	tx, err := s.pools.write.BeginTx(ctx, nil)
	if err != nil {
		return s.failed("appending to the audit trail", err)
	}
	for _, n := range auditRows() {
		for len(records) >= n && err == nil {
			err = appendRecords(ctx, tx.StmtContext(ctx, s.hot.appendAudit[n]), records[:n])
			records = records[n:]
		}
	}
	if err != nil {
		_ = tx.Rollback() // the first error says what happened
		return s.failed("appending to the audit trail", err)
	}
	return s.failed("appending to the audit trail", tx.Commit())
}

func appendRecords(ctx context.Context, stmt *sql.Stmt, records []audit.Record) error {
	values := make([]any, 0, 10*len(records))
	for _, r := range records {
		values = auditValues(values, r)
	}
	_, err := stmt.ExecContext(ctx, values...)
	return err
}

// ListAudit lists records, the newest first; After is the id of the last record of the page before. They can be
// sorted by time ("-time" is the newest first).
func (s *Store) ListAudit(ctx context.Context, f store.Filter) iter.Seq2[audit.Record, error] {
	return auditListing().all(ctx, s, f)
}

// CountAudit counts the records that the filter lets through, whatever its page.
func (s *Store) CountAudit(ctx context.Context, f store.Filter) (int, error) {
	return auditListing().count(ctx, s, f)
}

// aroundToken is how far from the time in its id the record of a token may stand: the request took a while, and the clocks
// of replicas differ.
const aroundToken = time.Minute

// TokenAudit returns the record of a token's issue, or NotFound. Records are in the order of their times, give or take the
// clocks of replicas, so that those around the time that the id says are found by halving.
func (s *Store) TokenAudit(ctx context.Context, jti string) (audit.Record, error) {
	q := s.read.NewSelect().Model((*auditRow)(nil)).Where("t.operation = 'token' AND t.jti = ?", legible(jti)).Order("t.id").Limit(1)
	if at, ok := auth.JTITime(jti); ok {
		from, err := s.auditAt(ctx, at.Add(-aroundToken))
		if err != nil {
			return audit.Record{}, s.failed("reading the audit trail", err)
		}
		to, err := s.auditAt(ctx, at.Add(aroundToken))
		if err != nil {
			return audit.Record{}, s.failed("reading the audit trail", err)
		}
		q = q.Where("t.id >= ? AND t.id < ?", from, to)
	}
	var row auditRow
	err := q.Scan(ctx, &row)
	if jti == "" || errors.Is(err, sql.ErrNoRows) {
		return audit.Record{}, errs.New(errs.NotFound, "token %s not found", show(jti)).WithHint("sealock audit list shows the ids of tokens; the trail forgets old records")
	}
	return row.record(), s.failed("reading the audit trail", err)
}

// auditAt returns the id from which on records are of that time or later.
func (s *Store) auditAt(ctx context.Context, at time.Time) (int64, error) {
	var ends struct {
		First int64 `bun:"first"`
		Last  int64 `bun:"last"`
	}
	err := s.read.NewSelect().Model((*auditRow)(nil)).ColumnExpr("COALESCE(MIN(t.id), 0) AS first, COALESCE(MAX(t.id), -1) AS last").Scan(ctx, &ends)
	if err != nil {
		return 0, err
	}
	from, to := ends.First, ends.Last+1
	for from < to {
		middle := from + (to-from)/2
		var row auditRow
		err := s.read.NewSelect().Model(&row).Column("id", "time").Where("t.id >= ?", middle).Order("t.id").Limit(1).Scan(ctx)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return 0, err
		}
		if err == nil && row.Time < toMicros(at) {
			from = row.ID + 1
		} else {
			to = middle
		}
	}
	return from, nil
}

func auditListing() listing[auditRow, audit.Record] {
	return listing[auditRow, audit.Record]{
		table:  "audit records",
		newest: true,
		id:     column[auditRow]{"t.id", func(r auditRow) any { return r.ID }},
		sorts: map[string]column[auditRow]{
			"id": {"t.id", func(r auditRow) any { return r.ID }},
			// Records are kept in the order of their times, give or take a transaction. An index on the time would be
			// one more page to write for each token.
			"time": {"t.id", func(r auditRow) any { return r.ID }},
		},
		filter: func(q *bun.SelectQuery, f store.Filter) *bun.SelectQuery {
			if f.Subject != "" {
				q = q.Where("t.actor = ?", f.Subject)
			}
			if f.Exact != "" {
				q = q.Where("t.resource = ?", f.Exact)
			}
			return q
		},
		record: auditRow.record,
	}
}

// DropAudit forgets records older than before, in small transactions, so that nobody waits for it, and returns how
// many. It reads from the oldest on and stops where the first younger one stands.
func (s *Store) DropAudit(ctx context.Context, before time.Time) (int, error) {
	total := 0
	for {
		var oldest []auditRow
		if err := s.read.NewSelect().Model(&oldest).Column("id", "time").Order("id").Limit(1000).Scan(ctx); err != nil {
			return total, s.failed("dropping audit records", err)
		}
		ids := make([]int64, 0, len(oldest))
		for _, r := range oldest {
			if r.Time < toMicros(before) {
				ids = append(ids, r.ID)
			}
		}
		if len(ids) == 0 {
			return total, nil
		}
		n, err := s.deleted(s.write.NewDelete().Model((*auditRow)(nil)).Where("id IN (?)", bun.List(ids)).Exec(ctx))
		if err != nil {
			return total, s.failed("dropping audit records", err)
		}
		if total += n; len(ids) < len(oldest) {
			return total, nil
		}
	}
}
