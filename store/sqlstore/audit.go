package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

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
	Project   string        `bun:"project"`
	Chain     int64         `bun:"chain"`
	Seq       int64         `bun:"seq"`
	Hash      []byte        `bun:"hash"`
}

func (r auditRow) link() audit.Link {
	return audit.Link{Chain: r.Chain, Seq: r.Seq, Hash: hashText(r.Hash)}
}

func (r auditRow) record() audit.Record {
	return audit.Record{
		ID: r.ID, Time: fromMicros(r.Time), RequestID: r.RequestID, Actor: r.Actor, Method: r.Method, Remote: r.Remote,
		Operation: r.Operation, Resource: r.Resource, Outcome: r.Outcome, Reason: r.Reason, JTI: r.JTI,
		Project: r.Project, Link: r.link(),
	}
}

const auditColumns = "time, request_id, actor, method, remote, operation, resource, outcome, reason, jti, project, chain, seq, hash"

// asKept returns the record as it is read back. Texts are made storable, not refused: a hostile name must not keep its own
// refusal out of the trail.
func asKept(r audit.Record) audit.Record {
	if r.Project == "" {
		r.Project = audit.ProjectOf(r.Operation, r.Resource)
	}
	r.Time = fromMicros(toMicros(r.Time))
	r.Actor, r.Project = legible(cut(legible(r.Actor), maxAuditActor)), legible(cut(legible(r.Project), maxAuditActor))
	for _, text := range []*string{&r.RequestID, &r.Method, &r.Remote, &r.Operation, &r.Resource, (*string)(&r.Outcome), &r.Reason, &r.JTI} {
		*text = legible(*text)
	}
	return r
}

// auditValues appends the values of a record, as it is kept, in the order of auditColumns.
func auditValues(to []any, r audit.Record) []any {
	return append(to, toMicros(r.Time), r.RequestID, r.Actor, r.Method, r.Remote, r.Operation, r.Resource, string(r.Outcome), r.Reason, r.JTI,
		r.Project, r.Link.Chain, r.Link.Seq, hashBytes(r.Link.Hash))
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

func appendRecords(ctx context.Context, stmt *sql.Stmt, records []audit.Record) error {
	values := make([]any, 0, 14*len(records))
	for _, r := range records {
		values = auditValues(values, r)
	}
	_, err := stmt.ExecContext(ctx, values...)
	return err
}

// ListAudit lists records, the newest first; After is the id of the last record of the page before. They can be
// sorted by time ("-time" is the newest first).
func (s *Store) ListAudit(ctx context.Context, f store.Filter) iter.Seq2[audit.Record, error] {
	return func(yield func(audit.Record, error) bool) {
		parts, err := s.auditParts(ctx, f)
		if err != nil {
			yield(audit.Record{}, s.failed("reading the audit trail", err))
			return
		}
		l := auditListing()
		l.parts = func(store.Filter) []store.Filter { return parts }
		l.all(ctx, s, f)(yield)
	}
}

// auditParts returns filters that let through, each something else, what the filter does, and have an index each.
func (s *Store) auditParts(ctx context.Context, f store.Filter) (parts []store.Filter, err error) {
	names := byName(f)
	most := max(1, maxParts/len(names))
	for _, named := range names {
		if named, err = s.betweenIDs(ctx, within(named)); err != nil {
			return nil, err
		}
		some, err := s.byOperation(ctx, named, most)
		if err != nil {
			return nil, err
		}
		if len(some) == 1 {
			some = byActor(some[0], most)
		}
		parts = append(parts, some...)
	}
	return parts, nil
}

// maxParts bounds in how many parts a filter is looked at: SQLite takes 500 in one query.
const maxParts = 200

// within notes the times that the conditions of a filter lie in, so that only records around them are looked at.
func within(f store.Filter) store.Filter {
	for _, c := range f.Where {
		if c.Field != "time" || len(c.Any) == 0 {
			continue
		}
		since, until := farthest(c.Any)
		if since.After(f.Audit.Since) {
			f.Audit.Since = since
		}
		if !until.IsZero() && (f.Audit.Until.IsZero() || until.Before(f.Audit.Until)) {
			f.Audit.Until = until
		}
	}
	return f
}

// farthest returns the first and the last time of spans; zero for none.
func farthest(spans []store.Span) (since, until time.Time) {
	for i, s := range spans {
		from, _ := s.From.(time.Time)
		to, _ := s.To.(time.Time)
		if i == 0 || from.Before(since) {
			since = from
		}
		if i == 0 || !until.IsZero() && (to.IsZero() || to.After(until)) {
			until = to
		}
	}
	return since, until
}

// byActor parts a filter for one of several actors into one for each, because the index has the records of each in their
// order.
func byActor(f store.Filter, most int) []store.Filter {
	at := slices.IndexFunc(f.Where, func(c store.Condition) bool { return c.Field == "actor" })
	if at < 0 || f.Subject != "" || f.Where[at].Part != "" || len(f.Where[at].Any) > most {
		return []store.Filter{f}
	}
	parts := []store.Filter{}
	for _, s := range f.Where[at].Any {
		one, ok := s.One()
		if !ok {
			return []store.Filter{f}
		}
		part := f
		part.Where = slices.Delete(slices.Clone(f.Where), at, at+1)
		if part.Subject, _ = one.(string); storable(part.Subject) {
			parts = append(parts, part)
		}
	}
	return parts
}

// betweenIDs turns the times of a filter into ids, so that only records around them are looked at. Clocks of replicas
// differ: the filter looks at the times besides.
func (s *Store) betweenIDs(ctx context.Context, f store.Filter) (store.Filter, error) {
	if !f.Audit.Since.IsZero() {
		from, err := s.auditAt(ctx, f.Audit.Since.Add(-aroundToken))
		if err != nil {
			return f, err
		}
		f.Audit.From = max(f.Audit.From, from)
	}
	if !f.Audit.Until.IsZero() {
		to, err := s.auditAt(ctx, f.Audit.Until.Add(aroundToken))
		if err != nil {
			return f, err
		}
		if to--; f.Audit.To == 0 || to < f.Audit.To {
			f.Audit.To = to
		}
		if f.Audit.To <= 0 {
			f.Audit.From, f.Audit.To = 2, 1 // nothing
		}
	}
	return f, nil
}

// byOperation parts a filter for a kind of operations, or for what was done, into one for each operation that there is
// such, because the index has them by their whole names. Tokens are too many to be in that index, and are found at once.
// With more than most of them, it looks at the records one after the other.
func (s *Store) byOperation(ctx context.Context, f store.Filter, most int) ([]store.Filter, error) {
	a := f.Audit
	conditions, rest := ofOperations(f.Where)
	plain := a.Kind == "" && a.Operation == "" || a.Kind == tokenOperation || a.Operation == tokenOperation || !s.dialect.partial
	if len(conditions) == 0 && plain {
		return []store.Filter{f}, nil
	}
	names, err := s.operations(ctx)
	if err != nil {
		return nil, err
	}
	parts := []store.Filter{}
	var found []string
	for _, name := range names {
		kind, verb := audit.Split(name)
		if a.Kind != "" && kind != a.Kind || a.Operation != "" && verb != a.Operation || !operationIs(conditions, kind, verb) {
			continue
		}
		part := f
		part.Where, part.Audit.Kind, part.Audit.Operation, part.Audit.Exactly = rest, "", "", name
		if name == tokenOperation {
			part.Audit.Kind, part.Audit.Operation, part.Audit.Exactly = tokenOperation, tokenOperation, ""
		}
		parts, found = append(parts, part), append(found, name)
	}
	if s.dialect.partial && len(parts) <= most {
		return parts, nil
	}
	f.Audit.Kind, f.Audit.Operation = "", ""
	f.Where = append(slices.Clone(rest), store.Is("operation", found...))
	return []store.Filter{f}, nil
}

// ofOperations returns the conditions that are about operations, and the rest.
func ofOperations(where []store.Condition) (these, rest []store.Condition) {
	for _, c := range where {
		if c.Field == "kind" || c.Field == "verb" {
			these = append(these, c)
		} else {
			rest = append(rest, c)
		}
	}
	return these, rest
}

func operationIs(conditions []store.Condition, kind, verb string) bool {
	for _, c := range conditions {
		if v := map[string]string{"kind": kind, "verb": verb}[c.Field]; !c.Match(store.Text, v) {
			return false
		}
	}
	return true
}

// operations returns the names of the operations that there are records of; without an index of them, those that there can be.
func (s *Store) operations(ctx context.Context) (names []string, err error) {
	if !s.dialect.partial {
		return audit.Operations(), nil
	}
	err = s.read.NewRaw(auditOperations).Scan(ctx, &names)
	return append(names, tokenOperation), err
}

const tokenOperation = "token"

// auditOperations finds the names of the operations that there are records of, by one look-up in the index for each.
const auditOperations = `WITH RECURSIVE names (name) AS (
	SELECT MIN(operation) FROM audit_log WHERE operation <> 'token'
	UNION ALL
	SELECT (SELECT MIN(operation) FROM audit_log WHERE operation <> 'token' AND operation > names.name) FROM names WHERE names.name IS NOT NULL
) SELECT name FROM names WHERE name IS NOT NULL`

// CountAudit counts the records that the filter lets through, whatever its page: as [store.Audit] says, without a look at
// each.
func (s *Store) CountAudit(ctx context.Context, f store.Filter) (n int, err error) {
	if err := auditListing().knows(f.Where); err != nil || !matchable(f) {
		return 0, err
	}
	if f.Subject == "" && f.Exact == "" && f.Audit == (store.AuditFilter{}) && len(f.Where) == 0 {
		// Each by itself: SQLite reads the whole table for both in one query.
		q := s.read.NewSelect().ColumnExpr("COALESCE((SELECT MAX(id) FROM audit_log) - (SELECT MIN(id) FROM audit_log) + 1, 0)")
		return n, s.failed("counting audit records", q.Scan(ctx, &n))
	}
	parts, err := s.auditParts(ctx, f)
	if err != nil {
		return 0, s.failed("counting audit records", err)
	}
	var queries []*bun.SelectQuery
	var key strings.Builder
	for _, part := range parts {
		queries = append(queries, auditListing().only(s.read.NewSelect().Model((*auditRow)(nil)).ColumnExpr("1 AS one"), part))
		key.WriteString(queries[len(queries)-1].String())
	}
	n, err = s.counts.get(ctx, s.now(), 0, key.String(), func(ctx context.Context) (int, error) { return s.countSome(ctx, queries) })
	return n, s.failed("counting audit records", err)
}

// countSome counts what queries select, up to as many as are counted.
func (s *Store) countSome(ctx context.Context, queries []*bun.SelectQuery) (n int, err error) {
	for _, q := range queries {
		var more int
		some := q.Clone().Limit(int64(store.AuditCounted - n))
		if err := s.read.NewSelect().ColumnExpr("COUNT(*)").TableExpr("(?) AS some_records", some).Scan(ctx, &more); err != nil {
			return 0, err
		}
		if n += more; n >= store.AuditCounted {
			break
		}
	}
	return n, nil
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

// auditAt returns the id from which on records are of that time or later. Records come about evenly, so that every other
// place to look at is guessed from the times at the ends; the others halve what is left. The times at the ends decide
// nothing: a clock may have been wrong for a while.
func (s *Store) auditAt(ctx context.Context, at time.Time) (int64, error) {
	when := toMicros(at)
	first, found, err := s.auditFrom(ctx, 0, "ASC")
	if err != nil || !found {
		return 0, err
	}
	last, _, err := s.auditFrom(ctx, first.ID, "DESC")
	if err != nil {
		return 0, err
	}
	last.ID++
	for n := 0; first.ID < last.ID; n++ {
		guess := first.ID + (last.ID-first.ID)/2
		if n%2 == 0 && first.Time < when && when < last.Time {
			share := float64(when-first.Time) / float64(last.Time-first.Time)
			guess = min(first.ID+int64(share*float64(last.ID-first.ID)), last.ID-1)
		}
		row, found, err := s.auditFrom(ctx, guess, "ASC")
		switch {
		case err != nil:
			return 0, err
		case found && row.ID < last.ID && row.Time < when:
			first = auditRow{ID: row.ID + 1, Time: row.Time}
		case found && row.ID < last.ID:
			last = auditRow{ID: guess, Time: row.Time}
		default: // there is none from the guess on
			last.ID = guess
		}
	}
	return first.ID, nil
}

// auditFrom returns the first or the last record with an id from from on.
func (s *Store) auditFrom(ctx context.Context, from int64, direction bun.Safe) (row auditRow, found bool, err error) {
	err = s.read.NewSelect().Model(&row).Column("id", "time").Where("t.id >= ?", from).OrderExpr("t.id ?", direction).Limit(1).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return row, false, nil
	}
	return row, err == nil, err
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
		fields: map[string]narrowing{
			"id":        {kind: store.Number, sql: "t.id"},
			"time":      {kind: store.Moment, sql: "t.time"},
			"actor":     {kind: store.Text, sql: "t.actor"},
			"resource":  {kind: store.Text, sql: "t.resource", widen: withKinds},
			"operation": {kind: store.Text, sql: "t.operation"},
			"kind":      {kind: store.Text}, // by the names of operations: see byOperation
			"verb":      {kind: store.Text},
		},
		filter: auditMatching,
		record: auditRow.record,
	}
}

// auditMatching adds the conditions of a filter.
func auditMatching(q *bun.SelectQuery, f store.Filter) *bun.SelectQuery {
	if f.Subject != "" {
		q = q.Where("t.actor = ?", f.Subject)
	}
	if f.Exact != "" {
		q = q.Where("t.resource = ?", f.Exact)
	}
	a := f.Audit
	if a.Project != "" {
		q = q.Where("t.project = ? AND t.project <> ''", a.Project) // the index has no others
	}
	if a.Exactly != "" {
		q = q.Where("t.operation = ? AND t.operation <> 'token'", a.Exactly) // the index has no others
	}
	if a.From != 0 {
		q = q.Where("t.id >= ?", a.From)
	}
	if a.To != 0 {
		q = q.Where("t.id <= ?", a.To)
	}
	if !a.Since.IsZero() {
		q = q.Where("t.time >= ?", toMicros(a.Since))
	}
	if !a.Born.IsZero() {
		q = q.Where("t.time >= ?", toMicros(a.Born))
	}
	if !a.Until.IsZero() {
		q = q.Where("t.time <= ?", toMicros(a.Until))
	}
	if a.Resource != "" {
		q = q.Where("t.resource IN (?)", bun.List(named(a.Resource, a.Kind)))
	}
	if a.Part != "" {
		q = contains(q, "t.resource", a.Part)
	}
	return ofOperation(q, a.Kind, a.Operation)
}

// named returns what a thing may stand as in a record: by its name alone, or with its kind before it.
func named(resource, kind string) []string {
	all := []string{resource}
	kinds := []string{kind}
	if kind == "" {
		kinds = audit.Kinds()
	}
	for _, k := range kinds {
		all = append(all, k+":"+resource)
	}
	return all
}

// withKinds adds to what things are called what they are called with their kinds before it.
func withKinds(spans []store.Span) []store.Span {
	all := slices.Clone(spans)
	for _, kind := range audit.Kinds() {
		for _, s := range spans {
			from, _ := s.From.(string)
			to, bounded := s.To.(string)
			with := store.Span{From: kind + ":" + from, To: kind + ":" + to}
			if !bounded {
				with.To = kind + ":" + string(utf8.MaxRune)
			}
			all = append(all, with)
		}
	}
	return all
}

// ofOperation narrows to operations of a kind, of a verb, or of both: "project.create" is the kind project and the verb
// create, and a word alone is both.
func ofOperation(q *bun.SelectQuery, kind, verb string) *bun.SelectQuery {
	escape := strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace
	switch {
	case kind != "" && verb != "" && kind != verb:
		return q.Where("t.operation = ?", kind+"."+verb)
	case kind != "" && verb != "":
		return q.Where("t.operation IN (?)", bun.List([]string{kind, kind + "." + verb}))
	case kind != "":
		return q.Where("(t.operation = ? OR t.operation LIKE ? ESCAPE '!')", kind, escape(kind)+".%")
	case verb != "":
		return q.Where("(t.operation = ? OR (t.operation LIKE ? ESCAPE '!' AND t.operation NOT LIKE ? ESCAPE '!'))",
			verb, "%."+escape(verb), "%.%."+escape(verb))
	}
	return q
}

func storableAudit(a store.AuditFilter) bool {
	return storable(a.Project) && storable(a.Kind) && storable(a.Operation) && storable(a.Exactly) && storable(a.Resource) && storable(a.Part)
}
