package api

import (
	"context"
	"slices"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/api/gen"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
)

// projectRef reads how a path names a project: digits are its number, unless the client says that they are its name.
func projectRef(s string, isName *bool) project.Ref {
	if id, err := strconv.ParseInt(s, 10, 64); err == nil && !value(isName) {
		return project.Ref{ID: id}
	}
	return project.Ref{Name: s}
}

func (h *handlers) ListProjects(c echo.Context, params gen.ListProjectsParams) error {
	asIs := func(p gen.Project) gen.Project { return p }
	return list(c, params.Page, params.PageSize, asIs, func(ctx context.Context, who Caller, w window) (l project.List[gen.Project], err error) {
		q, err := projectQuery(params, w)
		if err != nil {
			return l, err
		}
		return h.projects(ctx, who, q, params.WithDetail == nil || *params.WithDetail)
	})
}

// projects lists projects, in detail with the caller's role in each and what there is in it.
func (h *handlers) projects(ctx context.Context, who Caller, q project.Query, detail bool) (l project.List[gen.Project], err error) {
	found, err := h.Service.ListProjects(ctx, who, q)
	if err != nil {
		return l, err
	}
	l.Total, l.Last, l.Items = found.Total, found.Last, make([]gen.Project, len(found.Items))
	for i, p := range found.Items {
		if l.Items[i], err = projectOf(p); err != nil {
			return l, err
		}
	}
	if detail {
		if err := h.addDetail(ctx, who, l.Items); err != nil {
			return l, err
		}
	}
	return l, h.addRetention(ctx, l.Items)
}

func projectQuery(params gen.ListProjectsParams, w window) (q project.Query, err error) {
	q.Paging, err = paging(params.Q, params.Sort, fields{
		"name": {name: "name", kind: store.Written}, "project_id": numberField("id"), "owner_id": numberField("owner_id"),
		"public": {name: "public", kind: store.Truth}, "creation_time": timeField("creation_time"), "update_time": timeField("update_time"),
	}, map[string]string{
		"name": "name", "project_id": "id", "creation_time": "creation_time", "update_time": "update_time",
	}, w)
	q.Name, q.Owner, q.Public, q.After = value(params.Name), value(params.Owner), params.Public, value(params.After)
	public, others := taken(q.Where, "public")
	q.Where = others
	if len(public) > 0 {
		if one := truth(public[0]); one != nil {
			q.Public = one
		}
	}
	return q, err
}

// truth returns the truth value that a condition lets through, nil for both.
func truth(c store.Condition) *bool {
	yes, no := c.Match(store.Truth, true), c.Match(store.Truth, false)
	if yes && no {
		return nil
	}
	return &yes
}

// parseBool reads a truth value as Harbor writes it.
func parseBool(s string) (*bool, error) {
	if s != "true" && s != "false" {
		return nil, errs.New(errs.Invalid, "public can't be %s", quoted(s)).WithHint("write true or false")
	}
	return pointer(s == "true"), nil
}

// HeadProject is asked before a project is made, and by clients that look for a name.
func (h *handlers) HeadProject(c echo.Context, params gen.HeadProjectParams) error {
	return done(c, func(ctx context.Context, who Caller) error {
		if params.ProjectName == "" {
			return errs.New(errs.Invalid, "there is no project_name").WithHint("add ?project_name=team")
		}
		_, err := h.Service.Project(ctx, who, project.Ref{Name: params.ProjectName})
		return err
	})
}

func (h *handlers) CreateProject(c echo.Context, params gen.CreateProjectParams) error {
	return create(c, func(ctx context.Context, who Caller, req gen.ProjectReq) (string, error) {
		public, err := wantedPublic(req)
		if err != nil {
			return "", err
		}
		words, err := wantedMetadata(req.Metadata)
		if err != nil {
			return "", err
		}
		if value(req.RegistryID) != 0 {
			return "", errs.New(errs.Unsupported, "a project can't be a proxy cache here").WithHint("leave registry_id away; a replication policy can fetch what is needed")
		}
		p, err := h.Service.CreateProject(ctx, who, project.NewProject{
			Name: value(req.ProjectName), Public: value(public), Metadata: words, Storage: req.StorageLimit,
		})
		if value(params.XResourceNameInLocation) {
			return "/api/v2.0/projects/" + p.Name, err
		}
		return "/api/v2.0/projects/" + strconv.FormatInt(p.ID, 10), err
	})
}

// wantedPublic reads the two ways to say it; nil is neither.
func wantedPublic(req gen.ProjectReq) (*bool, error) {
	if req.Metadata == nil || req.Metadata.Public == nil {
		return req.Public, nil
	}
	return parseBool(*req.Metadata.Public)
}

func (h *handlers) GetProject(c echo.Context, ref gen.ProjectRef, params gen.GetProjectParams) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.Project, error) {
		p, err := h.Service.Project(ctx, who, projectRef(ref, params.XIsResourceName))
		if err != nil {
			return gen.Project{}, err
		}
		shown, err := projectOf(p)
		if err != nil {
			return shown, err
		}
		one := []gen.Project{shown}
		if err := h.addDetail(ctx, who, one); err != nil {
			return shown, err
		}
		err = h.addRetention(ctx, one)
		return one[0], err
	})
}

func (h *handlers) UpdateProject(c echo.Context, ref gen.ProjectRef, params gen.UpdateProjectParams) error {
	return take(c, func(ctx context.Context, who Caller, req gen.ProjectReq) error {
		public, err := wantedPublic(req)
		if err != nil {
			return err
		}
		words, err := wantedMetadata(req.Metadata)
		if err != nil {
			return err
		}
		change := project.Change{Public: public, Metadata: words, Storage: req.StorageLimit}
		return h.Service.UpdateProject(ctx, who, projectRef(ref, params.XIsResourceName), change)
	})
}

func (h *handlers) RenameProject(c echo.Context, ref gen.ProjectRef, params gen.RenameProjectParams) error {
	return take(c, func(ctx context.Context, who Caller, req gen.ProjectName) error {
		_, err := h.Service.RenameProject(ctx, who, projectRef(ref, params.XIsResourceName), req.Name)
		return err
	})
}

func (h *handlers) ListFormerNames(c echo.Context, ref gen.ProjectRef, params gen.ListFormerNamesParams) error {
	return reply(c, func(ctx context.Context, who Caller) ([]gen.ProjectName, error) {
		names, err := h.Service.FormerNames(ctx, who, projectRef(ref, params.XIsResourceName))
		out := make([]gen.ProjectName, len(names))
		for i, name := range names {
			out[i] = gen.ProjectName{Name: name}
		}
		return out, err
	})
}

func (h *handlers) ForgetFormerName(c echo.Context, ref gen.ProjectRef, name string, params gen.ForgetFormerNameParams) error {
	return done(c, func(ctx context.Context, who Caller) error {
		return h.Service.ForgetName(ctx, who, projectRef(ref, params.XIsResourceName), name)
	})
}

func (h *handlers) DeleteProject(c echo.Context, ref gen.ProjectRef, params gen.DeleteProjectParams) error {
	return done(c, func(ctx context.Context, who Caller) error {
		return h.Service.DeleteProject(ctx, who, projectRef(ref, params.XIsResourceName))
	})
}

// addDetail adds what projects hold, and what the caller is in them.
func (h *handlers) addDetail(ctx context.Context, who Caller, projects []gen.Project) error {
	of := make([]store.Project, len(projects))
	for i, p := range projects {
		of[i] = store.Project{ID: p.ProjectID, Name: p.Name}
	}
	repositories, err := h.Service.RepositoriesIn(ctx, who, of)
	if err != nil {
		return err
	}
	for i, p := range projects {
		projects[i].RepoCount = pointer(repositories[p.ProjectID])
		roles, err := h.Service.RolesIn(ctx, who, p.ProjectID)
		if err != nil {
			return err
		}
		addRoles(&projects[i], who, roles)
	}
	return nil
}

// addRoles adds what the caller is in a project; the strongest role comes first.
func addRoles(p *gen.Project, who Caller, roles []store.MemberRole) {
	numbers, names := make([]int64, len(roles)), make([]string, len(roles))
	for i, role := range roles {
		numbers[i], names[i] = int64(role.Role), role.Name()
	}
	p.CurrentUserRoleIds, p.CurrentUserRoleNames, p.CurrentUserRoleID = &numbers, &names, pointer(int64(0))
	if len(numbers) > 0 {
		p.CurrentUserRoleID = &numbers[0]
	}
	p.Togglable = pointer(who.SysAdmin || slices.Contains(roles, store.MemberRole{Role: store.RoleProjectAdmin}))
}

// projectOf writes a project, without what depends on who asks.
func projectOf(p store.Project) (gen.Project, error) {
	words, err := metadataOf(p)
	if err != nil {
		return gen.Project{}, err
	}
	return gen.Project{
		ProjectID: p.ID, Name: p.Name, OwnerID: p.OwnerID, OwnerName: p.OwnerName,
		Metadata:     words,
		CveAllowlist: gen.CVEAllowlist{ProjectID: p.ID, Items: []map[string]any{}},
		CreationTime: p.CreatedAt.UTC(), UpdateTime: p.UpdatedAt.UTC(),
	}, nil
}
