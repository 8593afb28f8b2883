package api

import (
	"context"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/api/gen"
	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/project"
)

// searchLimit is how many of each kind a search finds at most.
const searchLimit = 100

// Search finds what the caller may see.
func (h *handlers) Search(c echo.Context, params gen.SearchParams) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.Search, error) {
		part := value(params.Q)
		projects, err := h.projects(ctx, who, project.Query{Name: part, Paging: project.Paging{Limit: searchLimit, Sort: "name"}}, true)
		if err != nil {
			return gen.Search{}, err
		}
		repositories, err := h.repositories(ctx, who, part)
		return gen.Search{Project: projects.Items, Repository: repositories}, err
	})
}

func (h *handlers) repositories(ctx context.Context, who Caller, part string) ([]gen.SearchRepository, error) {
	found, err := h.Service.ListRepositories(ctx, who, project.RepositoryQuery{Name: part, Paging: project.Paging{Limit: searchLimit, Sort: "name"}})
	if err != nil {
		return nil, err
	}
	public, err := h.Service.PublicProjects(ctx, found.Items)
	out := make([]gen.SearchRepository, 0, len(found.Items))
	for _, r := range found.Items {
		of, _ := auth.Project(r.Name)
		out = append(out, gen.SearchRepository{
			ProjectID: r.ProjectID, ProjectName: of, ProjectPublic: public[r.ProjectID], RepositoryName: r.Name,
			PullCount: r.Pulls, ArtifactCount: int64(r.Artifacts),
		})
	}
	return out, err
}
