package api

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/api/gen"
	"github.com/sealock/sealock/store"
)

func (h *handlers) GetReindex(c echo.Context) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.Reindex, error) {
		st, err := h.Service.Reindex(ctx, who)
		return reindexOf(st), err
	})
}

func (h *handlers) StartReindex(c echo.Context, params gen.StartReindexParams) error {
	r, err := asked(c)
	if err != nil {
		return err
	}
	if _, err := h.Service.StartReindex(r.ctx(), r.caller(), value(params.Fresh)); err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderLocation, "/api/v2.0/reindex")
	return c.NoContent(http.StatusAccepted)
}

func (h *handlers) StopReindex(c echo.Context) error {
	return done(c, func(ctx context.Context, who Caller) error { return h.Service.StopReindex(ctx, who) })
}

func reindexOf(st store.Reindex) gen.Reindex {
	state := string(st.State)
	if state == "" {
		state = "none"
	}
	notes := make([]gen.ReindexNote, len(st.Notes))
	for i, n := range st.Notes {
		notes[i] = gen.ReindexNote{Repository: n.Repository, Reason: n.Reason}
	}
	return gen.Reindex{
		State: state, Phase: optional(st.Phase), Total: st.Total, Repositories: st.Repositories, Artifacts: st.Artifacts, Tags: st.Tags,
		Projects: st.Projects, Removed: st.Gone, Skipped: st.Skipped, Notes: notes, Untagged: st.Untagged, Error: optional(st.Error),
		Username: optional(st.By), StartTime: perhaps(st.StartedAt), EndTime: perhaps(st.EndedAt),
	}
}
