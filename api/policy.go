package api

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/api/gen"
	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
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
		c.Response().Header().Set("ETag", etag(text.Fingerprint))
		return gen.Policy{Model: text.Model, Policy: text.Policy, Status: policyStatusOf(status)}, err
	})
}

func (h *handlers) ReloadPolicy(c echo.Context, params gen.ReloadPolicyParams) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.PolicyStatus, error) {
		reload, want := h.Policy.Reload, deed{resource: "policy", action: "operate", operation: "policy.reload", on: "policy:files"}
		if value(params.DryRun) {
			reload, want = h.Policy.Try, deed{resource: "policy", action: "read"}
		}
		if err := h.allow(ctx, who, want); err != nil {
			return gen.PolicyStatus{}, err
		}
		status, err := reload(ctx)
		return policyStatusOf(status), err
	})
}

func (h *handlers) ReplacePolicy(c echo.Context, params gen.ReplacePolicyParams) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.PolicyStatus, error) {
		err := h.allow(ctx, who, deed{resource: "policy", action: "update", operation: "policy.update", on: "policy:files"})
		if err != nil {
			return gen.PolicyStatus{}, err
		}
		body, err := bind[gen.PolicyEdit](c.Response(), c.Request(), "policy")
		if err != nil {
			return gen.PolicyStatus{}, err
		}
		edit := PolicyEdit{Subject: who.Subject, Comment: value(body.Comment)}
		return h.replacePolicy(ctx, c, edit, PolicyText{Model: value(body.Model), Policy: body.Policy}, fingerprintOf(value(params.IfMatch)))
	})
}

func (h *handlers) replacePolicy(ctx context.Context, c echo.Context, edit PolicyEdit, text PolicyText, seen string) (gen.PolicyStatus, error) {
	status, err := h.Policy.Replace(ctx, edit, text, seen)
	if err != nil {
		return gen.PolicyStatus{}, err
	}
	c.Response().Header().Set("ETag", etag(status.Fingerprint))
	return policyStatusOf(status), nil
}

// etag writes a fingerprint as an entity tag (RFC 9110 section 8.8.3), and fingerprintOf reads one.
func etag(fingerprint string) string { return `"` + fingerprint + `"` }

func fingerprintOf(tag string) string {
	switch fingerprint := strings.Trim(strings.TrimPrefix(tag, "W/"), `"`); {
	case tag == "" || tag == "*":
		return ""
	case fingerprint == "":
		return tag // a tag that no policy has
	default:
		return fingerprint
	}
}

func (h *handlers) ListPolicyRevisions(c echo.Context, params gen.ListPolicyRevisionsParams) error {
	return list(c, params.Page, params.PageSize, revisionOf, func(ctx context.Context, who Caller, w window) (l project.List[store.PolicyRevision], err error) {
		if err := h.allow(ctx, who, deed{resource: "policy", action: "read"}); err != nil {
			return l, err
		}
		if l.Total, err = h.History.CountPolicyRevisions(ctx, store.Filter{}); err != nil {
			return l, err
		}
		paging := w.paging("")
		for r, err := range h.History.ListPolicyRevisions(ctx, store.Filter{Offset: paging.Offset, Limit: paging.Limit}) {
			if err != nil {
				return l, err
			}
			l.Items = append(l.Items, r)
		}
		return l, nil
	})
}

func (h *handlers) GetPolicyRevision(c echo.Context, id gen.RevisionID) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.PolicyRevision, error) {
		if err := h.allow(ctx, who, deed{resource: "policy", action: "read"}); err != nil {
			return gen.PolicyRevision{}, err
		}
		r, err := h.History.PolicyRevision(ctx, id)
		out := revisionOf(r)
		out.Model, out.Policy = &r.Model, &r.Rules
		return out, err
	})
}

func (h *handlers) RollBackPolicy(c echo.Context, id gen.RevisionID) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.PolicyStatus, error) {
		err := h.allow(ctx, who, deed{resource: "policy", action: "update", operation: "policy.rollback", on: "policy:revision " + strconv.FormatInt(id, 10)})
		if err != nil {
			return gen.PolicyStatus{}, err
		}
		r, err := h.History.PolicyRevision(ctx, id)
		if err != nil {
			return gen.PolicyStatus{}, err
		}
		edit := PolicyEdit{Subject: who.Subject, Comment: "back to revision " + strconv.FormatInt(id, 10)}
		return h.replacePolicy(ctx, c, edit, PolicyText{Model: r.Model, Policy: r.Rules}, "")
	})
}

func revisionOf(r store.PolicyRevision) gen.PolicyRevision {
	return gen.PolicyRevision{ID: r.ID, Time: r.Time.UTC(), Author: r.Author, Comment: r.Comment, Fingerprint: r.Fingerprint}
}

// ExplainPolicy answers everybody about oneself: what one may do is no secret from oneself.
func (h *handlers) ExplainPolicy(c echo.Context) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.PolicyExplanation, error) {
		if who.Anonymous() {
			return gen.PolicyExplanation{}, errNobody
		}
		body, err := bind[gen.PolicyQuestion](c.Response(), c.Request(), "action")
		if err != nil {
			return gen.PolicyExplanation{}, err
		}
		sub, err := h.explained(ctx, who, body)
		if err != nil {
			return gen.PolicyExplanation{}, err
		}
		access := askedFor(body)
		x, err := h.Policy.Explain(ctx, sub, access)
		if err != nil {
			return gen.PolicyExplanation{}, err
		}
		ruling, err := h.Decider.Decide(ctx, who.Subject, auth.Access{Resource: "policy", Action: "read"})
		if err == nil && !ruling.Allowed {
			x, err = h.shortened(ctx, who, access, x)
		}
		return explanationOf(x), err
	})
}

// shortened leaves of an explanation what somebody may know who may not read the policy: what it says of others is left
// out, and whether there is a project that they can't see.
func (h *handlers) shortened(ctx context.Context, who Caller, access auth.Access, x PolicyExplanation) (PolicyExplanation, error) {
	x.Rules, x.More = nil, 0
	if x.Allowed || access.Project == "" {
		return x, nil
	}
	_, err := h.Service.Project(ctx, who, project.Ref{Name: access.Project})
	if !errs.Is(err, errs.NotFound) {
		return x, err
	}
	return PolicyExplanation{
		Reason: fmt.Sprintf("project %q does not exist or is not visible to you", access.Project),
		Change: PolicyChange{Text: "ask its administrator to add you"},
	}, nil
}

// explained returns whom a question is about.
func (h *handlers) explained(ctx context.Context, who Caller, q gen.PolicyQuestion) (auth.Subject, error) {
	name := value(q.Username)
	sub := who.Subject
	if name != "" && store.NameKey(name) != store.NameKey(who.Name) {
		if err := h.allow(ctx, who, deed{resource: "policy", action: "read"}); err != nil {
			return auth.Subject{}, err
		}
		var err error
		sub = auth.Subject{}
		if name != "anonymous" {
			sub, err = h.Holders.Holder(ctx, name, "")
		}
		if errs.Is(err, errs.Unauthenticated) {
			return auth.Subject{}, errs.New(errs.NotFound, "there is no user or robot account %s", quoted(name)).WithHint("check the name")
		}
		if err != nil {
			return auth.Subject{}, err
		}
	}
	if remote := value(q.Remote); remote != "" {
		if _, err := netip.ParseAddr(remote); err != nil {
			return auth.Subject{}, errs.New(errs.Invalid, "%s is no address", quoted(remote)).WithHint("write it like 192.0.2.7")
		}
		sub.Remote = remote
	}
	return sub, nil
}

// askedFor reads what a question is about.
func askedFor(q gen.PolicyQuestion) auth.Access {
	name, resource := value(q.Name), value(q.Resource)
	if resource != "" && resource != string(auth.TypeRepository) {
		return auth.Access{Resource: resource, Project: name, Action: q.Action}
	}
	repository, tag, _ := strings.Cut(name, ":")
	project, ok := auth.Project(repository)
	if !ok {
		return auth.Access{Resource: string(auth.TypeRepository), Project: name, Action: q.Action}
	}
	return auth.Access{Resource: string(auth.TypeRepository), Project: project, Repository: repository, Tag: tag, Action: q.Action}
}

func explanationOf(x PolicyExplanation) gen.PolicyExplanation {
	out := gen.PolicyExplanation{Allowed: x.Allowed, Reason: x.Reason, Rule: optional(x.Rule), More: optional(x.More), Roles: []gen.PolicyRole{}, Rules: []gen.PolicyRule{}}
	for _, r := range x.Roles {
		out.Roles = append(out.Roles, gen.PolicyRole{Role: r.Role, From: r.From})
	}
	for _, r := range x.Rules {
		out.Rules = append(out.Rules, gen.PolicyRule{At: r.At, Text: r.Text, Outcome: r.Outcome})
	}
	if x.Change.Text != "" {
		out.Change = &gen.PolicyChange{Text: x.Change.Text, Role: optional(x.Change.Role), Line: optional(x.Change.Line)}
		out.Change.Remove = x.Change.Remove
	}
	return out
}

// mostDays bounds how far back a comparison looks.
const mostDays = 90

func (h *handlers) DiffPolicy(c echo.Context) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.PolicyDiff, error) {
		for _, want := range []deed{{resource: "policy", action: "read"}, {resource: "audit-log", action: "list"}} {
			if err := h.allow(ctx, who, want); err != nil {
				return gen.PolicyDiff{}, err
			}
		}
		body, err := bind[gen.PolicyDiffReq](c.Response(), c.Request(), "new")
		if err != nil {
			return gen.PolicyDiff{}, err
		}
		days := 7
		if body.Days != nil {
			days = *body.Days
		}
		if days < 1 || days > mostDays {
			return gen.PolicyDiff{}, errs.New(errs.Invalid, "days can't be %d", days).WithHint("give 1 to %d", mostDays)
		}
		old := value(body.Old)
		found, n, err := h.Policy.Compare(ctx, PolicyText{Model: value(old.Model), Policy: old.Policy},
			PolicyText{Model: value(body.New.Model), Policy: body.New.Policy}, h.Now().AddDate(0, 0, -days))
		if err != nil {
			return gen.PolicyDiff{}, err
		}
		out := gen.PolicyDiff{Decisions: n, Differences: make([]gen.PolicyDifference, 0, len(found))}
		for _, d := range found {
			out.Differences = append(out.Differences, gen.PolicyDifference{
				Subject: d.Subject, Repository: d.Repository, Gains: actionsOf(d.Gains), Loses: actionsOf(d.Loses), Old: d.Old, New: d.New,
			})
		}
		return out, nil
	})
}

func actionsOf(actions []auth.Action) []string {
	out := make([]string, len(actions))
	for i, a := range actions {
		out[i] = string(a)
	}
	return out
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
