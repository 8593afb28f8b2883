package storetest

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// records returns n records, of which every third is bob's.
func records(n int) []audit.Record {
	out := make([]audit.Record, n)
	for i := range out {
		actor := "alice"
		if i%3 == 2 {
			actor = "bob"
		}
		out[i] = audit.Record{
			Time: when(i), RequestID: fmt.Sprint("r", i), Actor: actor, Method: "password", Remote: "192.0.2.1",
			Operation: "token", Resource: fmt.Sprint("repository:team/app", i, ":pull"), Outcome: audit.Narrowed,
			Reason: "p, guest", JTI: fmt.Sprint("j", i),
		}
	}
	return out
}

func auditTrail(t *testing.T, s store.Store) {
	ctx := t.Context()
	in := records(203) // odd, and more than any store puts into one statement
	ok(t, "AppendAudit of nothing", s.AppendAudit(ctx, nil))
	ok(t, "AppendAudit of one", s.AppendAudit(ctx, in[:1]))
	ok(t, "AppendAudit of many", s.AppendAudit(ctx, in[1:]))
	got := all(t, "ListAudit", s.ListAudit(ctx, store.Filter{}))
	slices.Reverse(got) // the newest came first
	var last int64
	for i := range got {
		if got[i].ID <= last {
			t.Errorf("ListAudit: the id %d comes with or before %d, want rising ids", got[i].ID, last)
		}
		last, got[i].ID = got[i].ID, 0
	}
	if diff := cmp.Diff(in, got); diff != "" {
		t.Fatalf("ListAudit differs from what was appended (-want +got):\n%s", diff)
	}
	equal(t, "CountAudit", must[int](t, "CountAudit")(s.CountAudit(ctx, store.Filter{})), 203)
	equal(t, "CountAudit of bob", must[int](t, "CountAudit")(s.CountAudit(ctx, store.Filter{Subject: "bob"})), 67)
	for _, r := range all(t, "ListAudit of bob", s.ListAudit(ctx, store.Filter{Subject: "bob"})) {
		equal(t, "ListAudit of bob: Actor", r.Actor, "bob")
	}
	one := all(t, "ListAudit of a resource", s.ListAudit(ctx, store.Filter{Exact: in[7].Resource}))
	if len(one) != 1 || one[0].RequestID != "r7" {
		t.Errorf("ListAudit of resource %q = %v, want the one record", in[7].Resource, one)
	}
	oldest := all(t, "ListAudit, the oldest first", s.ListAudit(ctx, store.Filter{Sort: "time", Limit: 1}))
	equal(t, "ListAudit, the oldest first", oldest[0].RequestID, "r0")

	byToken := must[audit.Record](t, "TokenAudit")(s.TokenAudit(ctx, "j9")) // an id that says no time
	equal(t, "TokenAudit", byToken.RequestID, "r9")
	for _, jti := range []string{"j203", "", "x\x00", "%", strings.Repeat("f", 12) + "7fffbfffffffffffffff", strings.Repeat("0", 12) + "70008000000000000000"} {
		_, err := s.TokenAudit(ctx, jti)
		kind(t, "TokenAudit of an unknown id", err, errs.NotFound)
	}

	equal(t, "DropAudit", must[int](t, "DropAudit")(s.DropAudit(ctx, when(100))), 100)
	equal(t, "DropAudit again", must[int](t, "DropAudit")(s.DropAudit(ctx, when(100))), 0)
	equal(t, "CountAudit after DropAudit", must[int](t, "CountAudit")(s.CountAudit(ctx, store.Filter{})), 103)
}

// auditByTime finds the records of tokens by the times that their ids say, with gaps in the trail and clocks that differ.
func auditByTime(t *testing.T, s store.Store) {
	ctx := t.Context()
	var in []audit.Record
	for i := range 300 {
		at := when(0).Add(time.Duration(i) * 20 * time.Second)
		var id [16]byte
		binary.BigEndian.PutUint64(id[:], uint64(at.UnixMilli())<<16|7<<12)
		id[8], id[15] = 0x80, byte(i)
		late := time.Duration(i%3*7) * time.Second
		in = append(in, audit.Record{Time: at.Add(late), RequestID: fmt.Sprint("r", i), Operation: "token", JTI: hex.EncodeToString(id[:])})
	}
	_, err := s.TokenAudit(ctx, in[0].JTI)
	kind(t, "TokenAudit of an empty trail", err, errs.NotFound)
	ok(t, "AppendAudit", s.AppendAudit(ctx, in))
	revoked := in[150]
	revoked.Operation, revoked.RequestID = "token.revoke", "another"
	ok(t, "AppendAudit", s.AppendAudit(ctx, []audit.Record{revoked}))
	must[int](t, "DropAudit")(s.DropAudit(ctx, when(0).Add(100*time.Second)))
	for i, r := range in {
		got, err := s.TokenAudit(ctx, r.JTI)
		if r.Time.Before(when(0).Add(100 * time.Second)) {
			kind(t, "TokenAudit of a record that is dropped", err, errs.NotFound)
		} else if err != nil || got.RequestID != r.RequestID {
			t.Errorf("TokenAudit of record %d = %v, %v, want %s", i, got, err, r.RequestID)
		}
	}
}

// hostileAudit records what clients may send. A record is never refused for its texts.
func hostileAudit(t *testing.T, s store.Store) {
	ctx := t.Context()
	in := []audit.Record{
		{Actor: "a\x00dmin", Resource: "x\xff'; DROP TABLE users; --"},
		{Actor: strings.Repeat("é", 100_000), Reason: "%_\\\""},
	}
	ok(t, "AppendAudit of hostile texts", s.AppendAudit(ctx, in))
	got := all(t, "ListAudit", s.ListAudit(ctx, store.Filter{}))
	equal(t, "Actor with NUL", got[1].Actor, "a\uFFFDdmin")
	equal(t, "Resource that is not UTF-8", got[1].Resource, "x\uFFFD'; DROP TABLE users; --")
	equal(t, "Reason", got[0].Reason, "%_\\\"")
	if !strings.HasPrefix(got[0].Actor, "éééé") || len(got[0].Actor) > 64<<10 {
		t.Errorf("a huge actor is kept with %d bytes, want its start", len(got[0].Actor))
	}
}
