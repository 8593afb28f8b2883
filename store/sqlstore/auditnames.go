package sqlstore

import (
	"context"
	"iter"
	"strings"

	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/store"
)

// auditParts parts the trail of a project that had several names into one for each, from when it had the name.
func auditParts(f store.Filter) []store.Filter {
	formerly := f.Audit.Formerly
	f.Audit.Formerly = nil
	parts := []store.Filter{f}
	if formerly == nil {
		return parts
	}
	for _, name := range *formerly {
		part := f
		part.Audit.Project = name.Name
		if part.Audit.Since.Before(name.Since) {
			part.Audit.Since = name.Since
		}
		parts = append(parts, part)
	}
	return parts
}

// mergedAudit lists the records of all parts in one order. Each part is read by its own index and no further than it is
// needed.
func (s *Store) mergedAudit(ctx context.Context, f store.Filter, parts []store.Filter) iter.Seq2[audit.Record, error] {
	return func(yield func(audit.Record, error) bool) {
		var heads []*auditHead
		for _, part := range parts {
			if part.Limit > 0 {
				part.Limit += part.Offset
			}
			part.Offset = 0
			h := &auditHead{}
			var stop func()
			h.next, stop = iter.Pull2(s.ListAudit(ctx, part))
			defer stop()
			if h.advance() {
				heads = append(heads, h)
			}
		}
		rising := f.Sort != "" && !strings.HasPrefix(f.Sort, "-")
		for n := 0; len(heads) > 0 && (f.Limit == 0 || n < f.Offset+f.Limit); n++ {
			at := first(heads, rising)
			h := heads[at]
			if h.err != nil {
				yield(audit.Record{}, h.err)
				return
			}
			if n >= f.Offset && !yield(h.record, nil) {
				return
			}
			if !h.advance() {
				heads = append(heads[:at], heads[at+1:]...)
			}
		}
	}
}

// auditHead is the next record of a part.
type auditHead struct {
	next   func() (audit.Record, error, bool)
	record audit.Record
	err    error
}

func (h *auditHead) advance() (ok bool) {
	h.record, h.err, ok = h.next()
	return ok
}

// first returns which of the heads comes first; an error comes before all.
func first(heads []*auditHead, rising bool) int {
	best := 0
	for i, h := range heads {
		if h.err != nil {
			return i
		}
		if before := h.record.ID < heads[best].record.ID; h.record.ID != heads[best].record.ID && before == rising {
			best = i
		}
	}
	return best
}
