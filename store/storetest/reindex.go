package storetest

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealock/sealock/store"
)

func reindexes(t *testing.T, s store.Store) {
	ctx := t.Context()
	if got := must[store.Reindex](t, "Reindex")(s.Reindex(ctx)); !cmp.Equal(got, store.Reindex{}) {
		t.Errorf("Reindex of a new store = %+v, want the zero value", got)
	}
	want := store.Reindex{
		State: store.ReindexRunning, Owner: "o", By: "admin", Phase: "walking", Cursor: "team/app", Total: 3, Repositories: 2, Artifacts: 4, Tags: 5,
		Projects: 1, Gone: 1, Skipped: 1, Notes: []store.ReindexNote{{Repository: "x", Reason: `it's "odd" ü`}}, Untagged: true, Error: "e",
		StartedAt: time.Unix(1_900_000_000, 1000).UTC(), SeenAt: time.Unix(1_900_000_001, 0).UTC(), EndedAt: time.Unix(1_900_000_002, 0).UTC(),
	}
	set := func(r *store.Reindex) error { *r = want; return nil }
	if got := must[store.Reindex](t, "UpdateReindex")(s.UpdateReindex(ctx, set)); !cmp.Equal(got, want) {
		t.Errorf("UpdateReindex = %s", cmp.Diff(want, got))
	}
	refused := errors.New("no")
	if _, err := s.UpdateReindex(ctx, func(r *store.Reindex) error { r.Total = 99; return refused }); !errors.Is(err, refused) {
		t.Errorf("UpdateReindex that is refused = %v, want its error", err)
	}
	if got := must[store.Reindex](t, "Reindex")(s.Reindex(ctx)); !cmp.Equal(got, want) {
		t.Errorf("Reindex = %s", cmp.Diff(want, got))
	}
	many := strings.Split(strings.Repeat("x,", 2*store.MaxReindexNotes), ",")
	got := must[store.Reindex](t, "UpdateReindex")(s.UpdateReindex(ctx, func(r *store.Reindex) error {
		for _, name := range many {
			r.Notes = append(r.Notes, store.ReindexNote{Repository: name})
		}
		return nil
	}))
	if len(got.Notes) != store.MaxReindexNotes || got.Notes[0] != want.Notes[0] {
		t.Errorf("%d notes are kept, want the first %d", len(got.Notes), store.MaxReindexNotes)
	}
}

// reindexRace counts at once; nothing is lost.
func reindexRace(t *testing.T, s store.Store) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := s.UpdateReindex(t.Context(), func(r *store.Reindex) error { r.Total++; return nil }); err != nil {
				t.Errorf("UpdateReindex = %v", err)
			}
		})
	}
	wg.Wait()
	if got := must[store.Reindex](t, "Reindex")(s.Reindex(t.Context())).Total; got != 8 {
		t.Errorf("eight at once counted to %d, want 8", got)
	}
}
