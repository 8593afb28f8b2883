package api

import (
	"context"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/api/gen"
	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/project"
)

// searchLimit is how many of each kind a search finds at most.
const searchLimit = 100

// Search finds what the caller may see.
func (h *handlers) Search(c echo.Context, params gen.SearchParams) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.Search, error) {
		part := value(params.Q)
		projects, err := h.projects(ctx, who, project.Query{Name: part, Paging: project.Paging{Limit: searchLimit, Sort: "name"}})
		if err != nil {
			return gen.Search{}, err
		}
		repositories, err := h.repositories(ctx, who, part)
		return gen.Search{Project: projects.Items, Repository: repositories}, err
	})
}

func (h *handlers) repositories(ctx context.Context, who Caller, part string) ([]gen.SearchRepository, error) {
	names, err := h.Repositories.SearchRepositories(ctx, who.Subject, part, searchLimit)
	if err != nil {
		return nil, err
	}
	out := make([]gen.SearchRepository, 0, len(names))
	for _, name := range names {
		of, _ := auth.Project(name)
		p, err := h.Service.Project(ctx, who, project.Ref{Name: of})
		if errs.Is(err, errs.NotFound) || errs.Is(err, errs.Unauthenticated) {
			continue // may be pulled from, but not be seen: the policy has its reasons
		}
		if err != nil {
			return nil, err
		}
		out = append(out, gen.SearchRepository{ProjectID: p.ID, ProjectName: p.Name, ProjectPublic: p.Public, RepositoryName: name})
	}
	return out, nil
}
