package api

import (
	"context"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/api/gen"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
)

// repositoryRef reads how a path names a repository. Clients written for Harbor encode the slashes in the name twice, and
// whoever decodes on the way may have left one or none; no name has a % of its own.
func repositoryRef(of, name string) project.RepositoryRef {
	if once, err := url.PathUnescape(name); err == nil {
		name = once
	}
	return project.RepositoryRef{Project: project.Ref{Name: of}, Name: name}
}

// repositoryPath is where a repository is in the API, with its name encoded as Harbor does.
func repositoryPath(repository string) string {
	of, name, _ := strings.Cut(repository, "/")
	return "/api/v2.0/projects/" + url.PathEscape(of) + "/repositories/" + url.PathEscape(url.PathEscape(name))
}

func (h *handlers) ListAllRepositories(c echo.Context, params gen.ListAllRepositoriesParams) error {
	return list(c, params.Page, params.PageSize, repositoryOf, func(ctx context.Context, who Caller, w window) (l project.List[store.Repository], err error) {
		q, err := repositoryQuery(params.Q, params.Sort, w)
		if err != nil {
			return l, err
		}
		q.After = value(params.After)
		return h.Service.ListRepositories(ctx, who, q)
	})
}

func (h *handlers) ListRepositories(c echo.Context, of gen.NamedProject, params gen.ListRepositoriesParams) error {
	return list(c, params.Page, params.PageSize, repositoryOf, func(ctx context.Context, who Caller, w window) (l project.List[store.Repository], err error) {
		q, err := repositoryQuery(params.Q, params.Sort, w)
		if err != nil {
			return l, err
		}
		q.After = value(params.After)
		return h.Service.ListProjectRepositories(ctx, who, project.Ref{Name: of}, q)
	})
}

func repositoryQuery(query, order *string, w window) (q project.RepositoryQuery, err error) {
	q.Paging, err = paging(query, orderOr(order, "-creation_time"), recordFields(fields{
		"name": textField("name"), "project_id": numberField("project_id"), "pull_count": numberField("pull_count"),
	}), map[string]string{
		"id": "id", "name": "name", "creation_time": "creation_time", "update_time": "update_time", "pull_count": "pull_count",
	}, w)
	return q, err
}

func (h *handlers) GetRepository(c echo.Context, of gen.NamedProject, name gen.RepositoryName) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.Repository, error) {
		r, err := h.Service.Repository(ctx, who, repositoryRef(of, name))
		return repositoryOf(r), err
	})
}

func (h *handlers) UpdateRepository(c echo.Context, of gen.NamedProject, name gen.RepositoryName) error {
	return take(c, func(ctx context.Context, who Caller, body gen.RepositoryUpdate) error {
		return h.Service.DescribeRepository(ctx, who, repositoryRef(of, name), value(body.Description))
	})
}

func (h *handlers) DeleteRepository(c echo.Context, of gen.NamedProject, name gen.RepositoryName) error {
	return done(c, func(ctx context.Context, who Caller) error {
		return h.Service.DeleteRepository(ctx, who, repositoryRef(of, name))
	})
}

func repositoryOf(r store.Repository) gen.Repository {
	return gen.Repository{
		ID: r.ID, ProjectID: r.ProjectID, Name: r.Name, Description: r.Description, ArtifactCount: int64(r.Artifacts), PullCount: r.Pulls,
		CreationTime: r.CreatedAt.UTC(), UpdateTime: r.UpdatedAt.UTC(),
	}
}
