package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/api/gen"
	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// lineTimeout is how long a client may take for what is sent until the next flush.
const lineTimeout = time.Minute

// flushEvery is how many records are sent, or looked at, before the client is sure to see it.
const flushEvery = 1000

// lines writes JSON lines. After the first one an error can't be an answer of its own any more: it is the last line.
type lines struct {
	c       echo.Context
	encoder *json.Encoder
	n       int
}

func newLines(c echo.Context) *lines {
	c.Response().Header().Set(echo.HeaderContentType, "application/jsonl")
	l := &lines{c: c, encoder: json.NewEncoder(c.Response())}
	l.encoder.SetEscapeHTML(false)
	return l
}

func (l *lines) write(v any) error {
	if l.n++; l.n%flushEvery == 0 {
		l.flush()
	}
	return l.encoder.Encode(v)
}

// flush sends what is written. A writer that knows no deadlines is a test's.
func (l *lines) flush() {
	control := http.NewResponseController(l.c.Response())
	_ = control.SetWriteDeadline(time.Now().Add(lineTimeout))
	_ = control.Flush()
}

// close lets the connection serve other requests for longer.
func (l *lines) close() {
	_ = http.NewResponseController(l.c.Response()).SetWriteDeadline(time.Time{})
}

// brokenOff is the last line of an answer that is not whole.
type brokenOff struct {
	Error string `json:"error"`
}

func (l *lines) end(err error) error {
	if err != nil && l.n > 0 {
		return l.encoder.Encode(brokenOff{errs.As(err).Public()})
	}
	return err
}

// ExportAuditLogs streams records. That somebody took the trail with them is on record, too.
func (h *handlers) ExportAuditLogs(c echo.Context, params gen.ExportAuditLogsParams) error {
	r, err := asked(c)
	if err != nil {
		return err
	}
	ctx := r.ctx()
	f := store.Filter{Sort: "id", Audit: store.AuditFilter{Since: value(params.Since), Until: value(params.Until)}, After: max(value(params.After), 0)}
	if err := h.allow(ctx, r.caller(), deed{resource: "audit-log", action: "list", operation: "audit.export", on: "audit:all"}); err != nil {
		return err
	}
	total, err := h.Audit.CountAudit(ctx, store.Filter{})
	if err != nil {
		return err
	}
	c.Response().Header().Set("X-Total-Count", strconv.Itoa(total))
	out := newLines(c)
	defer out.close()
	for record, err := range h.Audit.ListAudit(ctx, f) {
		if err == nil {
			err = out.write(record.Export())
		}
		if err != nil {
			return out.end(err)
		}
	}
	if out.n == 0 {
		return c.NoContent(http.StatusOK)
	}
	return nil
}

// verifying is a line on how far a verification is.
type verifying struct {
	Checked int64 `json:"checked"`
	Of      int   `json:"of"`
}

// VerifyAuditLogs follows the chains of the trail.
func (h *handlers) VerifyAuditLogs(c echo.Context) error {
	r, err := asked(c)
	if err != nil {
		return err
	}
	if err := h.allow(r.ctx(), r.caller(), deed{resource: "audit-log", action: "list"}); err != nil {
		return err
	}
	body, err := bind[gen.AuditVerificationReq](c.Response(), c.Request())
	if err != nil {
		return err
	}
	var marks []audit.Mark
	for _, m := range body.Marks {
		marks = append(marks, audit.Mark{Chain: m.Chain, Seq: m.Seq, Hash: m.Hash})
	}
	return h.verify(r.ctx(), c, marks)
}

func (h *handlers) verify(ctx context.Context, c echo.Context, marks []audit.Mark) error {
	total, err := h.Audit.CountAudit(ctx, store.Filter{})
	if err != nil {
		return err
	}
	out := newLines(c)
	defer out.close()
	report, err := h.Audit.Verify(ctx, marks, func(n int64) {
		if n%flushEvery == 0 {
			_ = out.write(verifying{n, total}) // a client that is gone ends ctx
			out.flush()
		}
	})
	if err != nil {
		return out.end(err)
	}
	return out.write(report)
}
