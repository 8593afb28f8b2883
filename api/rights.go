package api

import (
	"context"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/api/gen"
	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
)

// Word is a resource that the policy has a word for.
type Word struct {
	Resource        string
	Actions         []string
	System, Project bool // where it is asked about
}

const (
	systemScope  = "/system"
	projectScope = "/project/"
)

// GetCurrentUserPermissions asks the policy about everything that it has words for.
func (h *handlers) GetCurrentUserPermissions(c echo.Context, params gen.GetCurrentUserPermissionsParams) error {
	return reply(c, func(ctx context.Context, who Caller) ([]gen.UserPermission, error) {
		if who.Anonymous() {
			return nil, errNobody
		}
		scope, name, err := h.scope(ctx, who, value(params.Scope))
		if err != nil {
			return nil, err
		}
		rights := []gen.UserPermission{}
		for _, w := range h.Words {
			if name == "" && !w.System || name != "" && !w.Project {
				continue
			}
			for _, action := range w.Actions {
				ruling, err := h.Decider.Decide(ctx, who.Subject, auth.Access{Resource: w.Resource, Project: name, Action: action})
				if err != nil {
					return nil, err
				}
				if ruling.Allowed {
					rights = append(rights, gen.UserPermission{Resource: resourceIn(scope, name, w.Resource, value(params.Relative)), Action: action})
				}
			}
		}
		return rights, nil
	})
}

// scope reads Harbor's way to write where a right is asked for. The name of a project is "" at system level.
func (h *handlers) scope(ctx context.Context, who Caller, s string) (scope, name string, err error) {
	ref, inProject := strings.CutPrefix(s, projectScope)
	switch {
	case s == "" || s == systemScope:
		return systemScope, "", nil
	case !inProject || ref == "" || strings.Contains(ref, "/"):
		return "", "", errs.New(errs.Invalid, "the scope can't be %s", quoted(s)).WithHint("write /project/NUMBER or /system")
	}
	p, err := h.Service.Project(ctx, who, projectRef(ref, nil))
	return projectScope + strconv.FormatInt(p.ID, 10), p.Name, err
}

// resourceIn names a resource in its scope. The project itself is the scope, or a dot in it.
func resourceIn(scope, name, resource string, relative bool) string {
	switch itself := name != "" && resource == "project"; {
	case itself && relative:
		return "."
	case itself:
		return scope
	case relative:
		return resource
	}
	return scope + "/" + resource
}

// SetCliSecret makes the token that stands for Harbor's CLI secret.
func (h *handlers) SetCliSecret(c echo.Context, id gen.UserID) error {
	r, err := asked(c)
	if err != nil {
		return err
	}
	req, err := bind[gen.CliSecretReq](c.Response(), c.Request())
	if err != nil {
		return err
	}
	made, err := h.Service.ReplaceCLIToken(r.ctx(), r.caller(), id, func() error { return chosen(req) })
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return c.JSON(200, gen.CliSecret{Name: made.Name, Secret: made.Secret.Reveal(), ExpiresAt: perhaps(made.ExpiresAt)})
}

func chosen(req gen.CliSecretReq) error {
	if value(req.Secret) == "" {
		return nil
	}
	return errs.New(errs.Invalid, "the secret can't be chosen").WithHint("leave it away: the answer has one that nobody can guess")
}
