package api

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/api/gen"
	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
)

// spoken is the version of Harbor's API that is spoken here: clients read features from it.
const spoken = "v2.15.0"

// handlers implements the generated interface.
type handlers struct {
	Deps
	document func() ([]byte, error)
}

// That every operation of the document has its handler is for the compiler to see.
var _ gen.ServerInterface = (*handlers)(nil)

func (h *handlers) GetAPIVersion(c echo.Context) error {
	return c.JSON(http.StatusOK, gen.APIVersion{Version: "v2.0"})
}

func (h *handlers) GetDocument(c echo.Context) error {
	text, err := h.document()
	if err != nil {
		return err
	}
	return c.JSONBlob(http.StatusOK, text)
}

func (h *handlers) Ping(c echo.Context) error { return c.String(http.StatusOK, "Pong") }

func (h *handlers) GetHealth(c echo.Context) error {
	return reply(c, func(ctx context.Context, _ Caller) (gen.OverallHealthStatus, error) {
		return healthOf(h.Health.Health(ctx)), nil
	})
}

func healthOf(components []Component) gen.OverallHealthStatus {
	const healthy, unhealthy = "healthy", "unhealthy"
	out := gen.OverallHealthStatus{Status: healthy, Components: []gen.ComponentHealthStatus{}}
	for _, c := range components {
		s := gen.ComponentHealthStatus{Name: c.Name, Status: healthy}
		if c.Waits != "" {
			s.Status, s.Error = "waiting", pointer(c.Waits)
		}
		if c.Note != "" {
			s.Error = pointer(c.Note)
		}
		if !c.Healthy {
			s.Status, s.Error, out.Status = unhealthy, pointer("does not answer as it should"), unhealthy
		}
		out.Components = append(out.Components, s)
	}
	return out
}

func (h *handlers) GetSystemInfo(c echo.Context) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.GeneralInfo, error) {
		creation, err := h.projectCreation(ctx)
		if err != nil {
			return gen.GeneralInfo{}, err
		}
		origin := h.Origins.Of(c.Request())
		info := gen.GeneralInfo{
			AuthMode: h.Configuration.AuthMode(), ExternalURL: origin.String(), RegistryURL: origin.Host,
			ProjectCreationRestriction: creation, HasCaRoot: h.Info.HasCA, CurrentTime: h.Now().UTC(), ReadOnly: h.Configuration.ReadOnly(),
			PrimaryAuthMode: pointer(false), NotificationEnable: pointer(h.Configuration.Notifies()),
			BannerMessage: optional(h.Configuration.Banner()), OidcProviderName: optional(h.Configuration.ProviderName()),
		}
		if !who.Anonymous() {
			info.RegistryStorageProviderName = optional(h.Info.Storage)
			info.HarborVersion = pointer(spoken + "-sealock-" + h.Info.Version)
		}
		return info, nil
	})
}

func (h *handlers) GetVolumes(c echo.Context) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.SystemInfo, error) {
		if err := h.allow(ctx, who, deed{resource: "system-volumes", action: "read"}); err != nil {
			return gen.SystemInfo{}, err
		}
		v, err := h.Volumes()
		return gen.SystemInfo{Storage: []gen.Volume{{Total: v.Total, Free: v.Free}}}, err
	})
}

func (h *handlers) GetCert(c echo.Context) error {
	if len(h.Info.CA) == 0 {
		return errs.New(errs.NotFound, "this server has no certificate authority of its own").WithHint("its certificate is of another one, which has it")
	}
	c.Response().Header().Set(echo.HeaderContentDisposition, `attachment; filename="ca.crt"`)
	return c.Blob(http.StatusOK, echo.MIMEOctetStream, h.Info.CA)
}

// projectCreation says in Harbor's words what the policy says of somebody who is signed in and nothing besides. No user
// can have that name.
func (h *handlers) projectCreation(ctx context.Context) (string, error) {
	if h.Configuration.AdminsCreateProjects() {
		return "adminonly", nil
	}
	ruling, err := h.Decider.Decide(ctx, auth.Subject{Name: "@anybody"}, auth.Access{Resource: "project", Action: "create"})
	if err != nil {
		return "", err
	}
	if ruling.Allowed {
		return "everyone", nil
	}
	return "adminonly", nil
}

func pointer[T any](v T) *T { return &v }

// optional returns a pointer to v, or nil for the zero value, which then is left out of the answer.
func optional[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
