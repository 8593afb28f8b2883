package sqlstore_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/sqlstore"
)

// fillTrail makes n records: one in ten is bob's, and one in ten belongs to the project team.
func fillTrail(tb testing.TB, s *sqlstore.Store, n int) {
	tb.Helper()
	_, err := s.Writer().ExecContext(tb.Context(), `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
		INSERT INTO audit_log (time, request_id, actor, method, remote, operation, resource, outcome, reason, jti, project)
		SELECT i * 1000000, '', CASE i % 10 WHEN 3 THEN 'bob' ELSE 'alice' END, 'password', '192.0.2.1', 'token', 'repository:team/app:pull', 'allowed', 'why', i,
		CASE i % 10 WHEN 7 THEN 'team' ELSE '' END FROM n`, n)
	if err != nil {
		tb.Fatal(err)
	}
}

// TestAuditCounts holds what X-Total-Count is made of.
func TestAuditCounts(t *testing.T) {
	s := open(t)
	fillTrail(t, s, 20000)
	for _, c := range []struct {
		f    store.Filter
		want int
	}{
		{store.Filter{}, 20000},
		{store.Filter{Subject: "bob"}, store.AuditCounted},
		{store.Filter{Audit: store.AuditFilter{Project: "team"}}, store.AuditCounted},
		{store.Filter{Audit: store.AuditFilter{From: 101, To: 200}}, 100},
		{store.Filter{Audit: store.AuditFilter{From: 101, To: 200, Project: "team"}}, 10},
		{store.Filter{Audit: store.AuditFilter{Project: "other"}}, 0},
	} {
		if n, err := s.CountAudit(t.Context(), c.f); err != nil || n != c.want {
			t.Errorf("CountAudit(%+v) = %d, %v, want %d", c.f, n, err, c.want)
		}
	}
}

// TestAuditTimes holds that a range of times is found to the record, however unevenly they came and with ids left out.
func TestAuditTimes(t *testing.T) {
	s := open(t)
	_, err := s.Writer().ExecContext(t.Context(), `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
		INSERT INTO audit_log (id, time, request_id, actor, method, remote, operation, resource, outcome, reason, jti)
		SELECT 100 + i * 3, i * i * i, '', '', '', '', 'token', '', '', '', '' FROM n`)
	if err != nil {
		t.Fatal(err)
	}
	// The oldest and the newest were written by a clock that was wrong.
	_, err = s.Writer().ExecContext(t.Context(), `UPDATE audit_log SET time = CASE id WHEN 103 THEN 1 << 60 ELSE 0 END WHERE id IN (103, 6100)`)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int64{300, 999, 1500, 1900} {
		at := time.UnixMicro(i * i * i)
		for since, want := range map[time.Time]int64{at: 100 + i*3, at.Add(-time.Microsecond): 100 + i*3, at.Add(time.Microsecond): 103 + i*3} {
			if got, err := s.AuditAt(t.Context(), since); err != nil || got != want {
				t.Errorf("the first record from %d on = %d, %v, want %d", since.UnixMicro(), got, err, want)
			}
		}
	}
}

// TestProjectTrailUsesItsIndex holds that a project's trail is found without a look at the records of others.
func TestProjectTrailUsesItsIndex(t *testing.T) {
	s := open(t)
	query := "SELECT * FROM audit_log AS t WHERE (t.project = 'team' AND t.project <> '') ORDER BY t.id DESC LIMIT 11"
	if steps := strings.Join(plan(t, s, query), "; "); !strings.Contains(steps, "audit_log_project") || strings.Contains(steps, "TEMP") {
		t.Errorf("plan of a project's trail = %s, want its index and no sorting", steps)
	}
}

// BenchmarkListAudit tells what a page costs, with its count, in a short and in a long trail.
func BenchmarkListAudit(b *testing.B) {
	for _, n := range []int{100, 1_000_000} {
		s := open(b)
		fillTrail(b, s, n)
		for name, f := range map[string]store.Filter{
			"all": {}, "actor": {Subject: "bob"}, "project": {Audit: store.AuditFilter{Project: "team"}}, "deep": {Sort: "id", After: int64(n / 2)},
		} {
			b.Run(fmt.Sprint(name, "/", n), func(b *testing.B) {
				f.Limit = 11
				for b.Loop() {
					if _, err := s.CountAudit(b.Context(), f); err != nil {
						b.Fatal(err)
					}
					for _, err := range s.ListAudit(b.Context(), f) {
						if err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
}

// BenchmarkDropAudit tells how long a token's record waits, at worst, while old records are dropped and while all are
// exported.
func BenchmarkDropAudit(b *testing.B) {
	const n = 200_000
	for name, busy := range map[string]func(s *sqlstore.Store) error{
		"drop": func(s *sqlstore.Store) error {
			_, err := s.DropAudit(b.Context(), time.UnixMicro((n+1)*1_000_000))
			return err
		},
		"export": func(s *sqlstore.Store) error {
			for _, err := range s.ListAudit(b.Context(), store.Filter{Sort: "id"}) {
				if err != nil {
					return err
				}
			}
			return nil
		},
	} {
		b.Run(name, func(b *testing.B) {
			longest := time.Duration(0)
			for b.Loop() {
				s := open(b)
				fillTrail(b, s, n)
				done := make(chan error, 1)
				go func() { done <- busy(s) }()
				for waiting := true; waiting; {
					began := time.Now()
					if err := s.AppendAudit(b.Context(), []audit.Record{{Time: began, Operation: "token", Outcome: audit.Allowed}}); err != nil {
						b.Fatal(err)
					}
					longest = max(longest, time.Since(began))
					select {
					case err := <-done:
						if waiting = false; err != nil {
							b.Fatal(err)
						}
					case <-time.After(time.Millisecond):
					}
				}
			}
			b.ReportMetric(float64(longest.Nanoseconds()), "ns-longest")
		})
	}
}
