package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/api/gen"
	"github.com/sealock/sealock/internal/errs"
)

func (h *handlers) GetConfigurations(c echo.Context) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.ConfigurationsResponse, error) {
		if err := h.allow(ctx, who, deed{resource: "configuration", action: "read"}); err != nil {
			return nil, err
		}
		creation, err := h.projectCreation(ctx)
		if err != nil {
			return nil, err
		}
		out := gen.ConfigurationsResponse{}
		for name, item := range h.Configuration.All() {
			out[name] = gen.ConfigItem{Value: item.Value, Editable: item.Editable}
		}
		out["project_creation_restriction"] = gen.ConfigItem{Value: creation, Editable: out["project_creation_restriction"].Editable}
		return out, nil
	})
}

// UpdateConfigurations looks at what is sent before anything of it counts: it is changed as a whole, or not at all.
func (h *handlers) UpdateConfigurations(c echo.Context) error {
	return take(c, func(ctx context.Context, who Caller, fields map[string]json.RawMessage) error {
		change := deed{resource: "configuration", action: "update"}
		if err := h.allow(ctx, who, change); err != nil {
			return err
		}
		plan, err := h.Configuration.Plan(fields)
		if err != nil || len(plan.Names) == 0 {
			return err
		}
		change.operation, change.on = "configuration.update", "configuration:"+strings.Join(plan.Names, ",")
		if err := h.allow(ctx, who, change); err != nil {
			return err
		}
		return h.Configuration.Change(ctx, plan)
	})
}

// whileReadOnly refuses what would change a repository while the registry is read-only. Everything else goes on: whoever
// backs it up may still have to lock somebody out.
func whileReadOnly(d Deps) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			reads := c.Request().Method == http.MethodGet || c.Request().Method == http.MethodHead
			if reads || !strings.Contains(c.Path(), "/repositories/") || !d.Configuration.ReadOnly() {
				return next(c)
			}
			return errs.New(errs.Denied, "the registry is read-only at the moment").WithHint("ask an administrator of this server when it ends")
		}
	}
}
