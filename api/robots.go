package api

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/api/gen"
	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
)

// Harbor's levels of robots, and kinds of their permissions.
const (
	levelSystem  = "system"
	levelProject = "project"
)

func (h *handlers) GetPermissions(c echo.Context) error {
	return reply(c, func(_ context.Context, who Caller) (gen.Permissions, error) {
		if who.Anonymous() {
			return gen.Permissions{}, errs.New(errs.Unauthenticated, "nobody may list permissions without signing in").WithHint("sign in and try again")
		}
		d := project.RobotDictionary()
		return gen.Permissions{System: accessOf(d.System), Project: accessOf(d.Project)}, nil
	})
}

func accessOf(words []project.Word) (list []gen.Access) {
	for _, w := range words {
		for _, action := range w.Actions {
			list = append(list, gen.Access{Resource: w.Resource, Action: action})
		}
	}
	return list
}

func (h *handlers) ListRobots(c echo.Context, params gen.ListRobotsParams) error {
	return list(c, params.Page, params.PageSize, robotOf, func(ctx context.Context, who Caller, w window) (l project.List[store.Robot], err error) {
		allowed := robotFields()
		allowed["Level"], allowed["ProjectID"] = textField("level"), numberField("project_id")
		q, err := robotQuery(params.Q, params.Sort, allowed, w)
		if err != nil {
			return l, err
		}
		if q, err = robotsOf(q); err != nil {
			return l, err
		}
		return h.Service.ListRobots(ctx, who, q)
	})
}

func (h *handlers) ListProjectRobots(c echo.Context, ref gen.ProjectRef, params gen.ListProjectRobotsParams) error {
	return list(c, params.Page, params.PageSize, robotOf, func(ctx context.Context, who Caller, w window) (l project.List[store.Robot], err error) {
		q, err := robotQuery(params.Q, params.Sort, robotFields(), w)
		if err != nil {
			return l, err
		}
		q.Project = projectRef(ref, params.XIsResourceName)
		return h.Service.ListRobots(ctx, who, q)
	})
}

func robotFields() fields { return recordFields(fields{"name": {name: "name", kind: store.Name}}) }

func robotQuery(query, sort *string, allowed fields, w window) (q project.RobotQuery, err error) {
	q.Paging, err = paging(query, sort, allowed, recordSorts(), w)
	return q, err
}

// robotsOf reads whose robots are wanted, as Harbor's clients say it: Level=project,ProjectID=1. Without a level it is
// those at system level. A list is of one level, and of one project.
func robotsOf(q project.RobotQuery) (project.RobotQuery, error) {
	levels, others := taken(q.Where, "level")
	projects, others := taken(others, "project_id")
	q.Where = others
	level := levelSystem
	if len(levels) > 0 {
		one, ok := levels[0].One()
		if level, _ = one.(string); !ok {
			return q, errs.New(errs.Invalid, "Level is one of system and project").WithHint("ask for each by itself")
		}
	}
	if len(projects) > 0 {
		one, ok := projects[0].One()
		if q.Project.ID, _ = one.(int64); !ok || q.Project.ID < 1 {
			return q, errs.New(errs.Invalid, "ProjectID is the number of one project").WithHint("write q=Level=project,ProjectID=1")
		}
	}
	switch {
	case level == levelSystem && q.Project.ID == 0, level == levelProject && q.Project.ID != 0:
		return q, nil
	case level == levelProject, level == levelSystem:
		return q, errs.New(errs.Invalid, "q is to have Level=project and ProjectID together").WithHint("write q=Level=project,ProjectID=1")
	default:
		return q, errs.New(errs.Invalid, "there is no level %s", quoted(level)).WithHint("write system or project")
	}
}

func (h *handlers) CreateRobot(c echo.Context) error {
	return h.createRobot(c, "/api/v2.0/robots/%d", func(req gen.RobotCreate) (project.Ref, error) {
		switch level := value(req.Level); level {
		case levelSystem, "":
			return project.Ref{}, nil
		case levelProject:
			if len(req.Permissions) == 0 || req.Permissions[0].Namespace == "" {
				return project.Ref{}, errs.New(errs.Invalid, "the robot is of no project").WithHint("name it as the namespace of the permissions")
			}
			return project.Ref{Name: req.Permissions[0].Namespace}, nil
		default:
			return project.Ref{}, errs.New(errs.Invalid, "there is no level %s", quoted(level)).WithHint("write system or project")
		}
	})
}

func (h *handlers) CreateProjectRobot(c echo.Context, ref gen.ProjectRef, params gen.CreateProjectRobotParams) error {
	return h.createRobot(c, "/api/v2.0/projects/"+ref+"/robots/%d", func(gen.RobotCreate) (project.Ref, error) {
		return projectRef(ref, params.XIsResourceName), nil
	})
}

func (h *handlers) createRobot(c echo.Context, location string, of func(gen.RobotCreate) (project.Ref, error)) error {
	return createAndTell(c, func(ctx context.Context, who Caller, req gen.RobotCreate) (string, gen.RobotCreated, error) {
		n := project.NewRobot{
			Name: value(req.Name), Description: value(req.Description), Disabled: value(req.Disable), Days: int(value(req.Duration)),
			Secret: secret.New(value(req.Secret)),
		}
		var err error
		if n.Project, err = of(req); err != nil {
			return "", gen.RobotCreated{}, err
		}
		if n.Permissions, err = permissionsOf(req.Permissions); err != nil {
			return "", gen.RobotCreated{}, err
		}
		r, key, err := h.Service.CreateRobot(ctx, who, n)
		return fmt.Sprintf(location, r.ID), gen.RobotCreated{
			ID: r.ID, Name: r.Name, Secret: key.Reveal(), CreationTime: r.CreatedAt.UTC(), ExpiresAt: unixOrNever(r.ExpiresAt),
		}, err
	})
}

// permissionsOf reads permissions as Harbor writes them.
func permissionsOf(list []gen.RobotPermission) (out auth.Permissions, err error) {
	for _, p := range list {
		namespace := p.Namespace
		switch {
		case p.Kind == levelSystem && (namespace == "/" || namespace == ""):
			namespace = ""
		case p.Kind == levelProject && namespace != "" && namespace != "/":
		default:
			return nil, errs.New(errs.Invalid, "there is no namespace %s of the kind %s", quoted(namespace), quoted(p.Kind)).
				WithHint("write kind project and the name of the project (or *), or kind system and /")
		}
		for _, a := range p.Access {
			if e := value(a.Effect); e != "" && e != "allow" {
				return nil, errs.New(errs.Invalid, "a permission can't have the effect %s", quoted(e)).WithHint("leave out what the robot may not do")
			}
			out = withAction(out, auth.Permission{Project: namespace, Repositories: p.Repositories, Resource: a.Resource, Actions: []string{a.Action}})
		}
	}
	return out, nil
}

// withAction adds a permission for one action, to the last one if that is about the same.
func withAction(list auth.Permissions, p auth.Permission) auth.Permissions {
	if i := len(list) - 1; i >= 0 && list[i].Project == p.Project && list[i].Resource == p.Resource && slices.Equal(list[i].Repositories, p.Repositories) {
		if !slices.Contains(list[i].Actions, p.Actions[0]) {
			list[i].Actions = append(list[i].Actions, p.Actions[0])
		}
		return list
	}
	return append(list, p)
}

func (h *handlers) GetRobot(c echo.Context, id gen.RobotID) error {
	return h.getRobot(c, project.Ref{}, id)
}

func (h *handlers) GetProjectRobot(c echo.Context, ref gen.ProjectRef, id gen.RobotID, params gen.GetProjectRobotParams) error {
	return h.getRobot(c, projectRef(ref, params.XIsResourceName), id)
}

func (h *handlers) getRobot(c echo.Context, within project.Ref, id int64) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.Robot, error) {
		r, err := h.Service.Robot(ctx, who, within, id)
		return robotOf(r), err
	})
}

func (h *handlers) UpdateRobot(c echo.Context, id gen.RobotID) error {
	return h.updateRobot(c, project.Ref{}, id)
}

func (h *handlers) UpdateProjectRobot(c echo.Context, ref gen.ProjectRef, id gen.RobotID, params gen.UpdateProjectRobotParams) error {
	return h.updateRobot(c, projectRef(ref, params.XIsResourceName), id)
}

func (h *handlers) updateRobot(c echo.Context, within project.Ref, id int64) error {
	return take(c, func(ctx context.Context, who Caller, req gen.RobotCreate) (err error) {
		change := project.RobotChange{Level: req.Level, Description: req.Description, Disabled: req.Disable}
		if value(req.Name) != "" {
			change.Name = req.Name
		}
		if d := value(req.Duration); d != 0 {
			change.Days = pointer(int(d))
		}
		if change.Permissions, err = permissionsOf(req.Permissions); err != nil {
			return err
		}
		return h.Service.UpdateRobot(ctx, who, within, id, change)
	})
}

func (h *handlers) ReplaceRobotSecret(c echo.Context, id gen.RobotID) error {
	return reply(c, func(ctx context.Context, who Caller) (out gen.RobotSec, err error) {
		req, err := bind[gen.RobotSecRequest](c.Response(), c.Request())
		if err != nil {
			return out, err
		}
		keep := value(req.KeepOldSeconds)
		if keep < 0 || keep > int64(project.MaxKeepOld/time.Second) {
			return out, errs.New(errs.Invalid, "the old secret can't be kept for %d seconds", keep).WithHint("keep it for at most %d", int64(project.MaxKeepOld/time.Second))
		}
		if value(req.RetireOld) {
			if value(req.Secret) != "" || keep != 0 {
				return out, errs.New(errs.Invalid, "retire_old makes no other secret").WithHint("send it alone")
			}
			return out, h.Service.RetireRobotSecret(ctx, who, project.Ref{}, id)
		}
		key, err := h.Service.ReplaceRobotSecret(ctx, who, project.Ref{}, id, project.NewRobotSecret{
			Chosen: secret.New(value(req.Secret)), KeepOld: time.Duration(keep) * time.Second,
		})
		out.Secret = key.Reveal()
		return out, err
	})
}

func (h *handlers) DeleteRobot(c echo.Context, id gen.RobotID) error {
	return h.deleteRobot(c, project.Ref{}, id)
}

func (h *handlers) DeleteProjectRobot(c echo.Context, ref gen.ProjectRef, id gen.RobotID, params gen.DeleteProjectRobotParams) error {
	return h.deleteRobot(c, projectRef(ref, params.XIsResourceName), id)
}

func (h *handlers) deleteRobot(c echo.Context, within project.Ref, id int64) error {
	return done(c, func(ctx context.Context, who Caller) error { return h.Service.DeleteRobot(ctx, who, within, id) })
}

func robotOf(r store.Robot) gen.Robot {
	out := gen.Robot{
		ID: r.ID, Name: r.Name, Description: r.Description, Level: levelSystem, Duration: int64(r.Days), Editable: true, Disable: r.Disabled,
		ExpiresAt: unixOrNever(r.ExpiresAt), Permissions: robotPermissions(r.Permissions), Creator: r.Creator,
		CreationTime: r.CreatedAt.UTC(), UpdateTime: r.UpdatedAt.UTC(),
	}
	if r.ProjectID != 0 {
		out.Level = levelProject
	}
	if !r.LastUsedAt.IsZero() {
		out.LastUsedTime, out.LastUsedFrom = pointer(r.LastUsedAt.UTC()), pointer(r.LastUsedFrom)
	}
	if r.Old.ID != "" {
		out.OldSecretExpiresAt = pointer(r.Old.Ends.Unix())
	}
	return out
}

// robotPermissions writes permissions as Harbor does: what is in one namespace, together.
func robotPermissions(list auth.Permissions) []gen.RobotPermission {
	out := []gen.RobotPermission{}
	for _, p := range list {
		group := gen.RobotPermission{Kind: levelProject, Namespace: p.Project, Repositories: p.Repositories}
		if p.Project == "" {
			group.Kind, group.Namespace = levelSystem, "/"
		}
		i := slices.IndexFunc(out, func(g gen.RobotPermission) bool {
			return g.Namespace == group.Namespace && slices.Equal(g.Repositories, group.Repositories)
		})
		if i < 0 {
			out, i = append(out, group), len(out)
		}
		for _, action := range p.Actions {
			out[i].Access = append(out[i].Access, gen.Access{Resource: p.Resource, Action: action, Effect: pointer("allow")})
		}
	}
	return out
}

// unixOrNever is how Harbor writes the end of a robot.
func unixOrNever(t time.Time) int64 {
	if t.IsZero() {
		return -1
	}
	return t.Unix()
}
