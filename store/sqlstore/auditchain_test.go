package sqlstore_test

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/internal/testkit"
	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/sqlstore"
	"github.com/sealock/sealock/store/sqlstore/sqlstoretest"
)

// auditKeys are a server's keys: an old one and the one in use.
func auditKeys() audit.Keys {
	return audit.Keys{{ID: "old", Bytes: []byte("old key")}, {ID: "new", Bytes: []byte("new key")}}
}

func openKeyed(t *testing.T, where sqlstore.Database, keys audit.Keys) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.OpenDatabase(t.Context(), where, sqlstore.Options{AuditKeys: keys})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func inFile(t *testing.T) sqlstore.Database {
	return sqlstore.Database{Path: sqlstoretest.File(t)}
}

// appendSome appends n records, a second apart from the start on.
func appendSome(t *testing.T, s *sqlstore.Store, n int, start time.Time, who string) {
	t.Helper()
	in := make([]audit.Record, n)
	for i := range in {
		in[i] = audit.Record{Time: start.Add(time.Duration(i) * time.Second), Actor: who, Operation: "token", Resource: "repository:team/app:pull", JTI: fmt.Sprint(who, i)}
	}
	if err := s.AppendAudit(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

func verify(t *testing.T, s *sqlstore.Store, keys audit.Keys, marks ...audit.Mark) audit.Report {
	t.Helper()
	report, err := audit.Verify(t.Context(), s, keys, marks, nil)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func wantWhole(t *testing.T, report audit.Report, records int64) {
	t.Helper()
	if len(report.Faults) > 0 || report.Records != records {
		t.Errorf("Verify = %d records, faults %v, want %d and none", report.Records, report.Faults, records)
	}
}

func begin() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC) }

// TestTamperingIsNoticed changes what a server wrote in each way that somebody with the database in hand can, without
// the server's key. The trail has two chains: records 1 to 8 and 9 to 16; the first 4 are dropped for their age.
func TestTamperingIsNoticed(t *testing.T) {
	for _, c := range []struct {
		name, sql string
		id        int64
		what      string
	}{
		{"nothing", "", 0, ""},
		{"a text", "UPDATE audit_log SET actor = 'mallory' WHERE id = 6", 6, "was changed"},
		{"a time", "UPDATE audit_log SET time = time + 1 WHERE id = 6", 6, "was changed"},
		{"a text moved to the next field", "UPDATE audit_log SET actor = 'alic', method = 'e' WHERE id = 6", 6, "was changed"},
		{"the project", "UPDATE audit_log SET project = 'other' WHERE id = 6", 6, "was changed"},
		{"a hash", "UPDATE audit_log SET hash = X'00' WHERE id = 6", 6, "was changed"},
		{"one record gone", "DELETE FROM audit_log WHERE id = 7", 8, "records 7 to 7"},
		{"the first record gone", "DELETE FROM audit_log WHERE id = 5", 6, "records 5 to 5"},
		{"the last record gone", "DELETE FROM audit_log WHERE id = 16", 0, "from 8 to 8, are gone"},
		{"the last of another chain gone", "DELETE FROM audit_log WHERE id = 8", 0, "from 8 to 8, are gone"},
		{"two records swapped", "UPDATE audit_log SET id = 100 WHERE id = 6; UPDATE audit_log SET id = 6 WHERE id = 7; UPDATE audit_log SET id = 7 WHERE id = 100", 6, "records 6 to 6"},
		{"a record outside", "INSERT INTO audit_log (time, request_id, actor, method, remote, operation, resource, outcome, reason, jti) VALUES (1,'','','','','','','','','')", 17, "in no chain"},
		{"a record taken out of its chain", "UPDATE audit_log SET chain = 0 WHERE id = 6", 6, "in no chain"},
		{"a record at the end", "INSERT INTO audit_log SELECT 17, time, request_id, actor, method, remote, operation, resource, outcome, reason, jti, project, chain, seq + 1, hash FROM audit_log WHERE id = 16", 17, "behind the end"},
		{"a record twice", "INSERT INTO audit_log SELECT 17, time, request_id, actor, method, remote, operation, resource, outcome, reason, jti, project, chain, seq, hash FROM audit_log WHERE id = 7", 17, "does not belong"},
		{"a record of a chain that is not", "UPDATE audit_log SET chain = 9 WHERE id = 16", 0, "from 8 to 8, are gone"},
		{"the end put back", "DELETE FROM audit_log WHERE id = 16; UPDATE audit_chains SET seq = 7, hash = (SELECT lower(hex(hash)) FROM audit_log WHERE id = 15) WHERE id = 2", 0, "end was changed"},
		{"the start moved on", "DELETE FROM audit_log WHERE id = 5; UPDATE audit_anchors SET seq = 5", 0, "starts was changed"},
		{"the start forgotten", "DELETE FROM audit_anchors", 5, "records 1 to 4"},
		{"a chain gone", "DELETE FROM audit_log WHERE chain = 2; DELETE FROM audit_chains WHERE id = 2", 0, "chain is gone"},
		{"a chain gone from the register too", "DELETE FROM audit_log WHERE chain = 2; DELETE FROM audit_chains WHERE id = 2; UPDATE audit_register SET newest = 1", 0, "register of chains was changed"},
		{"all said to be older than chains", "UPDATE audit_log SET chain = 0; DELETE FROM audit_chains; UPDATE audit_register SET newest = 0, unchained = 99", 0, "register of chains was changed"},
		{"the register gone, and all chains", "UPDATE audit_log SET chain = 0; DELETE FROM audit_chains; DELETE FROM audit_register", 5, "in no chain"},
		{"a chain with the key that everybody knows", "UPDATE audit_chains SET key_id = '' WHERE id = 2", 0, "key that is not here"},
	} {
		t.Run(c.name, func(t *testing.T) {
			where := inFile(t)
			first := openKeyed(t, where, auditKeys()[:1])
			appendSome(t, first, 8, begin(), "alice")
			second := openKeyed(t, where, auditKeys())
			appendSome(t, second, 8, begin().Add(time.Minute), "bob")
			if n, err := second.DropAudit(t.Context(), begin().Add(4*time.Second)); n != 4 || err != nil {
				t.Fatalf("DropAudit = %d, %v, want 4", n, err)
			}
			for statement := range strings.SplitSeq(c.sql, "; ") {
				if _, err := second.Writer().ExecContext(t.Context(), statement); err != nil {
					t.Fatal(err)
				}
			}
			report := verify(t, second, auditKeys())
			if c.what == "" {
				wantWhole(t, report, 12)
				return
			}
			if len(report.Faults) == 0 || report.Faults[0].ID != c.id || !strings.Contains(report.Faults[0].What, c.what) {
				t.Errorf("Verify after %s: faults %+v, want the first at record %d: …%s…", c.sql, report.Faults, c.id, c.what)
			}
		})
	}
}

// TestTamperingIsNotMadeGood goes on writing and dropping after somebody has changed what is kept beside the records.
func TestTamperingIsNotMadeGood(t *testing.T) {
	for _, statement := range []string{
		"DELETE FROM audit_chains WHERE id = 1",
		"UPDATE audit_register SET newest = 0",
		"UPDATE audit_chains SET seq = 7",
		"UPDATE audit_anchors SET seq = 3",
		"DELETE FROM audit_log WHERE id = 8",
	} {
		t.Run(statement, func(t *testing.T) {
			where := inFile(t)
			s := openKeyed(t, where, auditKeys())
			appendSome(t, s, 8, begin(), "alice")
			if _, err := s.DropAudit(t.Context(), begin().Add(2*time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Writer().ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
			appendSome(t, s, 3, begin().Add(time.Minute), "bob")
			appendSome(t, openKeyed(t, where, auditKeys()), 3, begin().Add(2*time.Minute), "carol")
			if _, err := s.DropAudit(t.Context(), begin().Add(4*time.Second)); err != nil {
				t.Fatal(err)
			}
			if report := verify(t, s, auditKeys()); len(report.Faults) == 0 {
				t.Errorf("Verify after %s and more records finds nothing, want a fault", statement)
			}
		})
	}
}

// TestLostHeadIsOnRecord puts the trail back to an earlier state, seals and all, under a server that runs.
func TestLostHeadIsOnRecord(t *testing.T) {
	s := openKeyed(t, inFile(t), auditKeys())
	appendSome(t, s, 3, begin(), "alice")
	var hash, signature string
	if err := s.Reader().QueryRowContext(t.Context(), "SELECT hash, signature FROM audit_chains").Scan(&hash, &signature); err != nil {
		t.Fatal(err)
	}
	seen := verify(t, s, auditKeys()).Heads
	appendSome(t, s, 2, begin().Add(time.Minute), "mallory")
	later := verify(t, s, auditKeys()).Heads
	for _, statement := range []string{
		"DELETE FROM audit_log WHERE id > 3", fmt.Sprintf("UPDATE audit_chains SET seq = 3, hash = '%s', signature = '%s'", hash, signature),
	} {
		if _, err := s.Writer().ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	wantWhole(t, verify(t, s, auditKeys()), 3) // the limit of what the database alone can tell
	wantWhole(t, verify(t, s, auditKeys(), seen...), 3)
	if report := verify(t, s, auditKeys(), later...); len(report.Faults) != 1 || report.Faults[0].Seq != 5 {
		t.Errorf("Verify with the end that was seen = %+v, want a fault at 5", report.Faults)
	}
	appendSome(t, s, 1, begin().Add(2*time.Minute), "bob")
	var operations []string
	for r, err := range s.ListAudit(t.Context(), store.Filter{Sort: "id", Offset: 3}) {
		if err != nil {
			t.Fatal(err)
		}
		operations = append(operations, r.Operation)
	}
	if got := strings.Join(operations, " "); got != "audit.broken token" {
		t.Errorf("records after the trail was put back: %s, want audit.broken token", got)
	}
}

// TestChainsAreRetired drops whole chains, also that of a server which runs on.
func TestChainsAreRetired(t *testing.T) {
	where := inFile(t)
	s := openKeyed(t, where, auditKeys())
	appendSome(t, s, 5, begin(), "alice")
	seen := verify(t, s, auditKeys()).Heads
	for i := range 3 {
		appendSome(t, openKeyed(t, where, auditKeys()), 5, begin().Add(time.Duration(i)*time.Minute), "bob")
	}
	if n, err := s.DropAudit(t.Context(), begin().Add(time.Hour)); n != 20 || err != nil {
		t.Fatalf("DropAudit = %d, %v, want 20", n, err)
	}
	state, err := s.AuditState(t.Context())
	if err != nil || len(state.Heads) != 1 || state.Register.Oldest != 3 {
		t.Errorf("AuditState = %+v, %v, want one chain and the oldest three dropped", state, err)
	}
	wantWhole(t, verify(t, s, auditKeys(), seen...), 0)
	appendSome(t, s, 2, begin().Add(time.Hour), "alice")
	wantWhole(t, verify(t, s, auditKeys(), seen...), 2)
}

// TestOlderTrail has records from before there were chains.
func TestOlderTrail(t *testing.T) {
	s := openKeyed(t, inFile(t), auditKeys())
	const old = "INSERT INTO audit_log (time, request_id, actor, method, remote, operation, resource, outcome, reason, jti) VALUES (1,'','','','','','','','','')"
	for range 3 {
		if _, err := s.Writer().ExecContext(t.Context(), old); err != nil {
			t.Fatal(err)
		}
	}
	appendSome(t, s, 4, begin(), "alice")
	report := verify(t, s, auditKeys())
	if wantWhole(t, report, 7); report.Unchained != 3 {
		t.Errorf("Verify = %d records without a chain, want 3", report.Unchained)
	}
}

// chainsOnServer lets replicas append, drop and verify at once.
func chainsOnServer(t *testing.T, s *testkit.Server) {
	replicasAtOnce(t, sqlstore.Database{URL: secret.New(s.Database(t))})
}

// sinking is a trail of which more is dropped for its age each time that its state is read.
type sinking struct {
	*sqlstore.Store

	drop []time.Time // until when, for each time
}

func (s *sinking) AuditState(ctx context.Context) (audit.State, error) {
	if len(s.drop) > 0 {
		if _, err := s.DropAudit(ctx, s.drop[0]); err != nil {
			return audit.State{}, err
		}
		s.drop = s.drop[1:]
	}
	return s.Store.AuditState(ctx)
}

// AuditRecords reads all records before it hands out the first, and drops four before that.
func (s *sinking) AuditRecords(ctx context.Context) iter.Seq2[audit.Record, error] {
	return func(yield func(audit.Record, error) bool) {
		if _, err := s.DropAudit(ctx, begin().Add(4*time.Second)); err != nil {
			yield(audit.Record{}, err)
			return
		}
		s.Store.AuditRecords(ctx)(yield)
	}
}

// TestDroppedWhileVerified wants no alarm for what is dropped for its age while it is looked at, and one for what is gone
// besides. Records 1 to 8 are one chain, 9 to 16 another; the first four go after the verification has begun.
func TestDroppedWhileVerified(t *testing.T) {
	t.Parallel()
	after := func(seconds ...int) []time.Time {
		at := []time.Time{begin()} // nothing at first
		for _, n := range seconds {
			at = append(at, begin().Add(time.Duration(n)*time.Second))
		}
		return at
	}
	for _, c := range []struct {
		name, sql string
		drop      []time.Time
		want      string // the fault; none
	}{
		{"no more", "", after(), ""},
		{"what was just read", "", after(5), ""},
		{"and more", "", after(6), ""},
		{"the chain", "", after(60), ""},
		{"the chain and some of the next", "", after(63), ""},
		{"another record gone, no more dropped", "DELETE FROM audit_log WHERE id = 7", after(), "records 7 to 7"},
		{"another record gone, some dropped", "DELETE FROM audit_log WHERE id = 15", after(6), "records 7 to 7"},
		{"another record gone, a forged start", "DELETE FROM audit_log WHERE id = 7; INSERT INTO audit_anchors SELECT chain, seq, hex(hash), 'new', 'forged' FROM audit_log WHERE id = 8", after(), "where the chain starts was changed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			where := inFile(t)
			appendSome(t, openKeyed(t, where, auditKeys()), 8, begin(), "alice")
			s := openKeyed(t, where, auditKeys())
			appendSome(t, s, 8, begin().Add(time.Minute), "bob")
			for statement := range strings.SplitSeq(c.sql, "; ") {
				if _, err := s.Writer().ExecContext(t.Context(), statement); err != nil {
					t.Fatal(err)
				}
			}
			report, err := audit.Verify(t.Context(), &sinking{s, c.drop}, auditKeys(), nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(report.Faults); (c.want == "") != (len(report.Faults) == 0) || !strings.Contains(got, c.want) {
				t.Errorf("Verify = %s, want %q", got, c.want)
			}
		})
	}
}

func TestReplicasAtOnce(t *testing.T) { replicasAtOnce(t, inFile(t)) }

func replicasAtOnce(t *testing.T, where sqlstore.Database) {
	t.Helper()
	const replicas, batches, size = 3, 30, 5
	var writers, others sync.WaitGroup
	var clock atomic.Int64
	stores := make([]*sqlstore.Store, replicas)
	for i := range stores {
		stores[i] = openKeyed(t, where, auditKeys())
	}
	for i, st := range stores {
		writers.Go(func() {
			for range batches {
				at := begin().Add(time.Duration(clock.Add(1)) * time.Minute)
				in := make([]audit.Record, size)
				for k := range in {
					in[k] = audit.Record{Time: at, Actor: fmt.Sprint("r", i), Operation: "token", Reason: "é\x00'"}
				}
				if err := st.AppendAudit(t.Context(), in); err != nil {
					t.Errorf("AppendAudit = %v, want no error", err)
				}
			}
		})
	}
	stop := make(chan struct{})
	for _, st := range stores {
		others.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := st.DropAudit(t.Context(), begin().Add(time.Duration(min(n, batches))*time.Minute)); err != nil {
					t.Errorf("DropAudit = %v, want no error", err)
				}
				if report, err := audit.Verify(t.Context(), st, auditKeys(), nil, nil); err != nil || len(report.Faults) > 0 {
					t.Errorf("Verify while others write and drop = %+v, %v, want no fault", report.Faults, err)
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	others.Wait()
	report := verify(t, stores[0], auditKeys())
	if len(report.Heads) != replicas {
		t.Errorf("Verify sees %d chains, want one for each of %d replicas", len(report.Heads), replicas)
	}
	wantWhole(t, report, report.Records)
}
