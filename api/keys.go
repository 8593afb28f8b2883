package api

import (
	"context"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/api/gen"
	"github.com/sealock/sealock/auth"
)

func (h *handlers) ListKeys(c echo.Context) error {
	return reply(c, func(ctx context.Context, who Caller) ([]gen.SigningKey, error) {
		if err := h.allow(ctx, who, deed{resource: "key", action: "list"}); err != nil {
			return nil, err
		}
		return keysOf(h.Keys.Keys()), nil
	})
}

func (h *handlers) RotateKeys(c echo.Context) error {
	return reply(c, func(ctx context.Context, who Caller) ([]gen.SigningKey, error) {
		err := h.allow(ctx, who, deed{resource: "key", action: "operate", operation: "key.rotate", on: "key:signing"})
		if err != nil {
			return nil, err
		}
		if _, err := h.Keys.Rotate(ctx); err != nil {
			return nil, err
		}
		return keysOf(h.Keys.Keys()), nil
	})
}

// keysOf turns the ring around: the newest key comes first.
func keysOf(keys []auth.Key) []gen.SigningKey {
	out := make([]gen.SigningKey, 0, len(keys))
	for _, k := range slices.Backward(keys) {
		s := gen.SigningKey{
			ID: k.ID, Algorithm: k.Algorithm, State: "current", CreationTime: k.CreatedAt.UTC(),
			ActiveTime: optional(k.ActiveAt.UTC()), RetiredTime: optional(k.RetiredAt.UTC()),
		}
		switch {
		case !k.RetiredAt.IsZero():
			s.State = "retired"
		case k.ActiveAt.IsZero():
			s.State = "next"
		}
		if k.Certificate != nil {
			s.CertificateEnds = k.Certificate.NotAfter.UTC()
		}
		out = append(out, s)
	}
	return out
}
