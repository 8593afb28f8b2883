package api

import (
	"context"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/api/gen"
	"github.com/sealock/sealock/internal/errs"
)

// PingOIDC is for system administrators: it lets the server send a request to where the caller says.
func (h *handlers) PingOIDC(c echo.Context) error {
	return done(c, func(ctx context.Context, who Caller) error {
		err := h.allow(ctx, who, deed{resource: "configuration", action: "update", operation: "oidc.ping", on: "oidc:provider"})
		if err != nil {
			return err
		}
		body, err := bind[gen.OIDCPing](c.Response(), c.Request(), "url")
		if err != nil {
			return err
		}
		verify := body.VerifyCert == nil || *body.VerifyCert
		if err := h.ProviderPing(ctx, body.URL, verify); err != nil {
			return errs.New(errs.Invalid, "no OpenID Connect provider answers at this URL").
				WithHint("give the issuer as the provider writes it in its openid-configuration; the server's log has the cause").Because(err)
		}
		return nil
	})
}
