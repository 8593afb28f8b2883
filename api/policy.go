package api

import (
	"context"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/api/gen"
)

func (h *handlers) GetPolicy(c echo.Context) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.Policy, error) {
		if err := h.allow(ctx, who, deed{resource: "policy", action: "read"}); err != nil {
			return gen.Policy{}, err
		}
		text, err := h.Policy.Text(ctx)
		if err != nil {
			return gen.Policy{}, err
		}
		status, err := h.Policy.Status(ctx)
		return gen.Policy{Model: text.Model, Policy: text.Policy, Status: policyStatusOf(status)}, err
	})
}

func (h *handlers) ReloadPolicy(c echo.Context) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.PolicyStatus, error) {
		err := h.allow(ctx, who, deed{resource: "policy", action: "operate", operation: "policy.reload", on: "policy:files"})
		if err != nil {
			return gen.PolicyStatus{}, err
		}
		status, err := h.Policy.Reload(ctx)
		return policyStatusOf(status), err
	})
}

func (h *handlers) CheckPolicy(c echo.Context) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.PolicyFindings, error) {
		if err := h.allow(ctx, who, deed{resource: "policy", action: "read"}); err != nil {
			return gen.PolicyFindings{}, err
		}
		body, err := bind[gen.PolicyText](c.Response(), c.Request(), "policy")
		if err != nil {
			return gen.PolicyFindings{}, err
		}
		findings, err := h.Policy.Check(ctx, PolicyText{Model: value(body.Model), Policy: body.Policy})
		return gen.PolicyFindings{Findings: findingsOf(findings)}, err
	})
}

func policyStatusOf(s PolicyStatus) gen.PolicyStatus {
	return gen.PolicyStatus{
		LoadedAt: s.LoadedAt.UTC(), Fingerprint: s.Fingerprint, Dir: optional(s.Dir), Rules: s.Rules, Members: s.Members,
		Error: optional(s.LastError), ErrorAt: optional(s.LastErrorAt.UTC()), Findings: findingsOf(s.Findings),
	}
}

func findingsOf(findings []PolicyFinding) []gen.PolicyFinding {
	out := make([]gen.PolicyFinding, 0, len(findings))
	for _, f := range findings {
		severity := "error"
		if f.Warning {
			severity = "warning"
		}
		out = append(out, gen.PolicyFinding{Severity: severity, File: f.File, Line: f.Line, Message: f.What, Hint: optional(f.Remedy)})
	}
	return out
}

// value returns what p points to, or the zero value.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
