package sqlstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/store"
)

// BenchmarkAppendAudit tells what a record costs alone and in company.
func BenchmarkAppendAudit(b *testing.B) {
	for _, n := range []int{1, 10, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := open(b)
			records := make([]audit.Record, n)
			for i := range records {
				records[i] = audit.Record{Time: time.Now(), Actor: "alice", Operation: "token", Resource: "repository:team/app:pull", Outcome: audit.Allowed}
			}
			for b.Loop() {
				if err := s.AppendAudit(b.Context(), records); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/record")
		})
	}
}

func BenchmarkUserByName(b *testing.B) {
	s := open(b)
	if _, err := s.CreateUser(b.Context(), store.User{Name: "alice"}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := s.UserByName(b.Context(), "alice"); err != nil {
			b.Fatal(err)
		}
	}
}
