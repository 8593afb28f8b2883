package sqlstore

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/uptrace/bun"

	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/store"
)

// chain is the chain of audit records that this store writes. Each store begins one of its own, so that replicas do not
// wait for each other, and a new one after an error: whether what failed was kept is not known then.
type chain struct {
	mu   sync.Mutex // held while records are appended
	keys audit.Keys
	end  chainEnd
}

// chainEnd is where a chain is gone on with.
type chainEnd struct {
	live bool // the rest counts
	key  audit.Key
	head audit.Head
}

// errHeadMoved says that the end of a chain is not where its only writer left it.
var errHeadMoved = errors.New("the end of the audit chain was changed by somebody else")

type registerRow struct {
	bun.BaseModel `bun:"table:audit_register,alias:t"`

	ID        int64  `bun:"id,pk"`
	Newest    int64  `bun:"newest"`
	Oldest    int64  `bun:"oldest"`
	Unchained int64  `bun:"unchained"`
	KeyID     string `bun:"key_id"`
	Signature string `bun:"signature"`
}

// registerID is the id of the only row.
const registerID = 1

func (r registerRow) register() audit.Register {
	return audit.Register{Newest: r.Newest, Oldest: r.Oldest, Unchained: r.Unchained, KeyID: r.KeyID, Signature: r.Signature}
}

type chainRow struct {
	bun.BaseModel `bun:"table:audit_chains,alias:t"`

	ID        int64  `bun:"id,pk"`
	StartedAt int64  `bun:"started_at"`
	Seq       int64  `bun:"seq"`
	Hash      string `bun:"hash"`
	KeyID     string `bun:"key_id"`
	Signature string `bun:"signature"`
}

func (r chainRow) head() audit.Head {
	return audit.Head{
		Link: audit.Link{Chain: r.ID, Seq: r.Seq, Hash: r.Hash}, Started: fromMicros(r.StartedAt), KeyID: r.KeyID, Signature: r.Signature,
	}
}

type anchorRow struct {
	bun.BaseModel `bun:"table:audit_anchors,alias:t"`

	ID        int64  `bun:"id,pk"`
	Seq       int64  `bun:"seq"`
	Hash      string `bun:"hash"`
	KeyID     string `bun:"key_id"`
	Signature string `bun:"signature"`
}

func (r anchorRow) anchor() audit.Anchor {
	return audit.Anchor{Link: audit.Link{Chain: r.ID, Seq: r.Seq, Hash: r.Hash}, KeyID: r.KeyID, Signature: r.Signature}
}

// moveHead is prepared: it is run with each batch of records.
const moveHead = "UPDATE audit_chains SET seq = ?, hash = ?, signature = ? WHERE id = ? AND seq = ? AND hash = ?"

// AppendAudit stores all records in one transaction, or none, as the next ones of this store's chain. It tells each
// record its Link. Their IDs are given by the database.
func (s *Store) AppendAudit(ctx context.Context, records []audit.Record) error {
	if len(records) == 0 {
		return nil
	}
	s.chain.mu.Lock()
	defer s.chain.mu.Unlock()
	err := s.appendLinked(ctx, records)
	if errors.Is(err, errHeadMoved) {
		lost := s.chain.end.head.Link
		var retired bool
		if retired, err = s.retired(ctx, lost.Chain); err == nil && !retired {
			err = s.appendLinked(ctx, []audit.Record{lostHead(s.now(), lost)})
		}
		if err == nil {
			err = s.appendLinked(ctx, records)
		}
	}
	return s.failed("appending to the audit trail", err)
}

// retired reports whether all records of the chain were dropped because of their age, and the chain with them.
func (s *Store) retired(ctx context.Context, chain int64) (bool, error) {
	var r registerRow
	err := s.read.NewSelect().Model(&r).Where("id = ?", registerID).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	reg := r.register()
	return reg.Oldest >= chain && reg.Sound(s.chain.keys), err
}

// lostHead is what goes on record when somebody else laid hands on the chain.
func lostHead(now time.Time, lost audit.Link) audit.Record {
	return audit.Record{
		Time: now, Method: "system", Operation: "audit.broken", Outcome: audit.Failed, Resource: fmt.Sprintf("chain:%d", lost.Chain),
		Reason: fmt.Sprintf("the end of the chain is not record %d with the hash %s, as it was written", lost.Seq, lost.Hash),
	}
}

// appendLinked stores the records. After an error the chain is not gone on with.
func (s *Store) appendLinked(ctx context.Context, records []audit.Record) error {
	kept := make([]audit.Record, len(records))
	for i, r := range records {
		kept[i] = asKept(r)
	}
	var end chainEnd
	err := s.again(ctx, func() (err error) {
		if end, err = s.appendTx(ctx, s.chain.end, kept); s.dialect.fault(err) == faultDuplicate {
			end, err = s.appendTx(ctx, s.chain.end, kept) // another replica has begun the first chain of all at the same time
		}
		return err
	})
	if err != nil {
		s.chain.end.live = false
		return err
	}
	s.chain.end = end
	for i := range records {
		records[i].Link = kept[i].Link
	}
	return nil
}

// appendTx stores the records and the chain's new end in one transaction.
func (s *Store) appendTx(ctx context.Context, end chainEnd, records []audit.Record) (chainEnd, error) {
	tx, err := s.write.BeginTx(ctx, &sql.TxOptions{Isolation: s.dialect.isolation})
	if err != nil {
		return end, err
	}
	defer func() { _ = tx.Rollback() }() // without effect after the commit
	if !end.live {
		if end, err = s.beginChain(ctx, tx); err != nil {
			return end, err
		}
	}
	before := end.head.Link
	for i := range records {
		end.head.Link = end.key.Next(end.head.Link, records[i])
		records[i].Link = end.head.Link
	}
	end.head.Sign(end.key)
	for _, n := range auditRows() {
		for len(records) >= n {
			if err := appendRecords(ctx, tx.StmtContext(ctx, s.hot.appendAudit[n]), records[:n]); err != nil {
				return end, err
			}
			records = records[n:]
		}
	}
	moved, err := tx.StmtContext(ctx, s.hot.moveHead). //nolint:sqlclosecheck // the transaction closes it
								ExecContext(ctx, end.head.Seq, end.head.Hash, end.head.Signature, before.Chain, before.Seq, before.Hash)
	if err != nil {
		return end, err
	}
	if n, err := moved.RowsAffected(); err != nil || n != 1 {
		return end, errors.Join(err, errHeadMoved)
	}
	return end, tx.Commit()
}

// beginChain gives the next chain its number. A register that somebody changed stays unsound: it must not be made good by
// counting on.
func (s *Store) beginChain(ctx context.Context, tx bun.Tx) (chainEnd, error) {
	end := chainEnd{live: true, key: s.chain.keys.Newest()}
	row, found, err := s.register(ctx, tx)
	if err != nil {
		return end, err
	}
	reg := row.register()
	if !found {
		if err := tx.NewSelect().Model((*auditRow)(nil)).ColumnExpr("COALESCE(MAX(t.id), 0)").Scan(ctx, &reg.Unchained); err != nil {
			return end, err
		}
	}
	var last int64
	if err := tx.NewSelect().Model((*chainRow)(nil)).ColumnExpr("COALESCE(MAX(t.id), 0)").Scan(ctx, &last); err != nil {
		return end, err
	}
	sound := reg.Sound(s.chain.keys) || !found && last == 0
	reg.Newest = max(reg.Newest, last) + 1
	if err := s.writeRegister(ctx, tx, reg, found, sound); err != nil {
		return end, err
	}
	end.head = audit.Head{Link: audit.Link{Chain: reg.Newest}, Started: fromMicros(s.stamp()), KeyID: end.key.ID}
	end.head.Sign(end.key)
	_, err = tx.NewInsert().Model(&chainRow{ID: reg.Newest, StartedAt: toMicros(end.head.Started), KeyID: end.key.ID, Signature: end.head.Signature}).Exec(ctx)
	return end, err
}

// register reads the register and keeps others from changing it until the transaction ends.
func (s *Store) register(ctx context.Context, tx bun.Tx) (row registerRow, found bool, err error) {
	err = s.locked(tx.NewSelect().Model(&row).Where("t.id = ?", registerID)).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return registerRow{}, false, nil
	}
	return row, err == nil, err
}

func (s *Store) writeRegister(ctx context.Context, tx bun.Tx, reg audit.Register, found, sound bool) error {
	reg.Sign(s.chain.keys.Newest())
	row := registerRow{ID: registerID, Newest: reg.Newest, Oldest: reg.Oldest, Unchained: reg.Unchained, KeyID: reg.KeyID, Signature: reg.Signature}
	if !sound {
		row.Signature = "unsound"
	}
	var err error
	if found {
		_, err = tx.NewUpdate().Model(&row).WherePK().Exec(ctx)
	} else {
		_, err = tx.NewInsert().Model(&row).Exec(ctx)
	}
	return err
}

// AuditState returns what is kept beside the records, as it was at one moment.
func (s *Store) AuditState(ctx context.Context) (audit.State, error) {
	var state audit.State
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		row, found, err := s.register(ctx, tx) // nothing begins or is dropped meanwhile
		if err != nil || !found {
			return err
		}
		var heads []chainRow
		if err := tx.NewSelect().Model(&heads).Order("t.id").Scan(ctx); err != nil {
			return err
		}
		var anchors []anchorRow
		if err := tx.NewSelect().Model(&anchors).Scan(ctx); err != nil {
			return err
		}
		at := map[int64]audit.Anchor{}
		for _, a := range anchors {
			at[a.ID] = a.anchor()
		}
		state = audit.State{Register: row.register()}
		for _, h := range heads {
			head := h.head()
			head.Anchor = at[h.ID]
			state.Heads = append(state.Heads, head)
		}
		return nil
	})
	return state, s.failed("reading the chains of the audit trail", err)
}

// AuditRecords returns all records in the order of their ids.
func (s *Store) AuditRecords(ctx context.Context) iter.Seq2[audit.Record, error] {
	return s.ListAudit(ctx, store.Filter{Sort: "id"})
}

// Verify follows the chains of the trail, as [audit.Verify] does, with the store's keys.
func (s *Store) Verify(ctx context.Context, marks []audit.Mark, progress func(n int64)) (audit.Report, error) {
	return audit.Verify(ctx, s, s.chain.keys, marks, progress)
}

// DropAudit forgets records older than before, in small transactions, so that nobody waits for it, and returns how
// many. It goes from the oldest on, a thousand at a time, and stops before the first that is younger: a chain loses nothing
// but its start, and a replica whose clock is wrong can keep records in the trail, but not end them.
func (s *Store) DropAudit(ctx context.Context, before time.Time) (int, error) {
	const most = 1000
	for total := 0; ; {
		n, more := 0, false
		err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
			reg, found, err := s.register(ctx, tx) // one replica at a time
			if err != nil {
				return err
			}
			var oldest []auditRow
			if err := tx.NewSelect().Model(&oldest).Column("id", "time", "chain", "seq", "hash").Order("t.id").Limit(most).Scan(ctx); err != nil {
				return err
			}
			if at := slices.IndexFunc(oldest, func(r auditRow) bool { return r.Time >= toMicros(before) }); at >= 0 {
				oldest = oldest[:at]
			}
			n, more = len(oldest), len(oldest) == most
			if n == 0 {
				return nil
			}
			if err := s.dropRows(ctx, tx, oldest); err != nil || !found {
				return err
			}
			return s.retire(ctx, tx, reg.register())
		})
		if err != nil {
			return total, s.failed("dropping audit records", err)
		}
		if total += n; !more {
			return total, nil
		}
	}
}

// dropRows deletes the rows and notes for each chain where it starts now.
func (s *Store) dropRows(ctx context.Context, tx bun.Tx, rows []auditRow) error {
	ids, last := make([]int64, 0, len(rows)), map[int64]audit.Link{}
	for _, r := range rows {
		ids = append(ids, r.ID)
		if r.Chain != 0 {
			last[r.Chain] = r.link()
		}
	}
	if _, err := tx.NewDelete().Model((*auditRow)(nil)).Where("id IN (?)", bun.List(ids)).Exec(ctx); err != nil {
		return err
	}
	for chain, link := range last {
		var old anchorRow
		err := tx.NewSelect().Model(&old).Where("t.id = ?", chain).Scan(ctx)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		found := err == nil
		now := audit.Anchor{Link: link}
		now.Sign(s.chain.keys.Newest())
		row := anchorRow{ID: chain, Seq: link.Seq, Hash: link.Hash, KeyID: now.KeyID, Signature: now.Signature}
		if before := old.anchor(); found && !before.Sound(s.chain.keys) {
			row.Signature = "unsound" // and stays so
		}
		if found {
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

// retire drops the chains at the start of the trail that have no record left. The newest one stays.
func (s *Store) retire(ctx context.Context, tx bun.Tx, reg audit.Register) error {
	var done []anchorRow
	err := tx.NewSelect().Model(&done).Join("JOIN audit_chains AS c ON c.id = t.id AND c.seq = t.seq AND c.hash = t.hash").
		Where("t.id > ? AND t.id < ?", reg.Oldest, reg.Newest).Order("t.id").Limit(100).Scan(ctx)
	if err != nil {
		return err
	}
	sound, was := reg.Sound(s.chain.keys), reg.Oldest
	for _, a := range done {
		if a.ID != reg.Oldest+1 {
			break
		}
		// Whoever writes to it meanwhile keeps it.
		n, err := s.deleted(tx.NewDelete().Model((*chainRow)(nil)).Where("id = ? AND seq = ?", a.ID, a.Seq).Exec(ctx))
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		if _, err := tx.NewDelete().Model((*anchorRow)(nil)).Where("id = ?", a.ID).Exec(ctx); err != nil {
			return err
		}
		reg.Oldest = a.ID
	}
	if reg.Oldest == was {
		return nil
	}
	return s.writeRegister(ctx, tx, reg, true, sound)
}

// hashBytes and hashText turn a hash into what is kept with a record, and back.
func hashBytes(text string) []byte {
	raw, _ := hex.DecodeString(text) // it was made here
	return raw
}

func hashText(raw []byte) string { return hex.EncodeToString(raw) }
