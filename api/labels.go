package api

import (
	"context"
	"fmt"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/api/gen"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
)

// Harbor's scopes of labels.
const (
	scopeGlobal  = "g"
	scopeProject = "p"
)

func (h *handlers) ListLabels(c echo.Context, params gen.ListLabelsParams) error {
	return list(c, params.Page, params.PageSize, labelOf, func(ctx context.Context, who Caller, w window) (l project.List[store.Label], err error) {
		of, err := labelScope(params.Scope, params.ProjectID)
		if err != nil {
			return l, err
		}
		q, err := byName(params.Q, params.Sort, params.Name, w)
		if err != nil {
			return l, err
		}
		return h.Service.ListLabels(ctx, who, project.LabelQuery{ProjectID: of, Name: q.Name, Paging: q.Paging})
	})
}

// labelScope returns the project that labels are of; 0 for global ones.
func labelScope(scope *string, id *int64) (int64, error) {
	switch s := value(scope); {
	case s == "" || s == scopeGlobal:
		if value(id) != 0 && s == "" {
			return 0, errs.New(errs.Invalid, "there is a project_id and no scope").WithHint("add the scope p")
		}
		return 0, nil
	case s != scopeProject:
		return 0, errs.New(errs.Invalid, "there is no scope %s", quoted(s)).WithHint("write g for global labels, p for those of a project")
	case value(id) < 1:
		return 0, errs.New(errs.Invalid, "the project_id is missing").WithHint("give the number of the project")
	}
	return *id, nil
}

func (h *handlers) CreateLabel(c echo.Context) error {
	return create(c, func(ctx context.Context, who Caller, req gen.Label) (string, error) {
		of, err := labelScope(req.Scope, req.ProjectID)
		if err != nil {
			return "", err
		}
		l, err := h.Service.CreateLabel(ctx, who, of, labelChange(req))
		return fmt.Sprintf("/api/v2.0/labels/%d", l.ID), err
	})
}

func (h *handlers) GetLabel(c echo.Context, id gen.LabelID) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.Label, error) {
		l, err := h.Service.Label(ctx, who, id)
		return labelOf(l), err
	})
}

func (h *handlers) UpdateLabel(c echo.Context, id gen.LabelID) error {
	return take(c, func(ctx context.Context, who Caller, req gen.Label) error {
		return h.Service.UpdateLabel(ctx, who, id, labelChange(req))
	})
}

func (h *handlers) DeleteLabel(c echo.Context, id gen.LabelID) error {
	return done(c, func(ctx context.Context, who Caller) error { return h.Service.DeleteLabel(ctx, who, id) })
}

func labelChange(l gen.Label) project.LabelChange {
	return project.LabelChange{Name: value(l.Name), Description: value(l.Description), Color: value(l.Color)}
}

func labelOf(l store.Label) gen.Label {
	scope := scopeGlobal
	if l.ProjectID != 0 {
		scope = scopeProject
	}
	return gen.Label{
		ID: &l.ID, Name: &l.Name, Description: &l.Description, Color: &l.Color, Scope: &scope, ProjectID: &l.ProjectID,
		CreationTime: pointer(l.CreatedAt.UTC()), UpdateTime: pointer(l.UpdatedAt.UTC()),
	}
}
