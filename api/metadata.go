package api

import (
	"context"
	"encoding/json"
	"maps"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/api/gen"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
)

func (h *handlers) ListProjectMetadatas(c echo.Context, ref gen.ProjectRef, params gen.ListProjectMetadatasParams) error {
	return h.metadata(c, projectRef(ref, params.XIsResourceName), "")
}

func (h *handlers) GetProjectMetadata(c echo.Context, ref gen.ProjectRef, name gen.MetaName, params gen.GetProjectMetadataParams) error {
	return h.metadata(c, projectRef(ref, params.XIsResourceName), name)
}

func (h *handlers) metadata(c echo.Context, ref project.Ref, name string) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.Metadata, error) {
		return h.Service.Metadata(ctx, who, ref, name)
	})
}

func (h *handlers) AddProjectMetadatas(c echo.Context, ref gen.ProjectRef, params gen.AddProjectMetadatasParams) error {
	return take(c, func(ctx context.Context, who Caller, values gen.Metadata) error {
		return h.Service.AddMetadata(ctx, who, projectRef(ref, params.XIsResourceName), values)
	})
}

// UpdateProjectMetadata takes the name in the path; the body has it a second time.
func (h *handlers) UpdateProjectMetadata(c echo.Context, ref gen.ProjectRef, name gen.MetaName, params gen.UpdateProjectMetadataParams) error {
	return take(c, func(ctx context.Context, who Caller, values gen.Metadata) error {
		value, there := values[name]
		if !there || len(values) != 1 {
			return errs.New(errs.Invalid, "the body is not about the metadata %s alone", quoted(name)).WithHint("send {%s: \"…\"}", quoted(name))
		}
		return h.Service.SetMetadata(ctx, who, projectRef(ref, params.XIsResourceName), name, value)
	})
}

func (h *handlers) DeleteProjectMetadata(c echo.Context, ref gen.ProjectRef, name gen.MetaName, params gen.DeleteProjectMetadataParams) error {
	return done(c, func(ctx context.Context, who Caller) error {
		return h.Service.DropMetadata(ctx, who, projectRef(ref, params.XIsResourceName), name)
	})
}

func (h *handlers) GetProjectDeletable(c echo.Context, ref gen.ProjectRef, params gen.GetProjectDeletableParams) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.ProjectDeletable, error) {
		why, err := h.Service.Deletable(ctx, who, projectRef(ref, params.XIsResourceName))
		return gen.ProjectDeletable{Deletable: why == "", Message: optional(why)}, err
	})
}

// metadataOf writes what a project is told.
func metadataOf(p store.Project) (m gen.ProjectMetadata, err error) {
	text, err := json.Marshal(project.MetadataOf(p))
	if err != nil {
		return m, err
	}
	return m, json.Unmarshal(text, &m)
}

// wantedMetadata reads what a project is to be told besides whether it is public. The number of a retention policy is not
// for clients to say, who send back what they read.
func wantedMetadata(m *gen.ProjectMetadata) (map[string]string, error) {
	values := map[string]string{}
	if m == nil {
		return values, nil
	}
	text, err := json.Marshal(m)
	if err == nil {
		err = json.Unmarshal(text, &values)
	}
	delete(values, "public")
	delete(values, "retention_id")
	maps.DeleteFunc(values, func(_, value string) bool { return value == "" }) // what clients have no word for
	return values, err
}
