package proxy

import (
	"context"
	"slices"
	"strings"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/httpx"
)

// refuse says why a valid token does not open the door for want, whose first entry is the repository of the request.
// Where a wider token would do, or a login, the answer is the 401 on which clients ask for one; where the policy would
// never allow it, asking again is useless and the answer is a 403 that says what to do.
func (g *Gate) refuse(ctx context.Context, v *visit, sub auth.Subject, want auth.Scope) error {
	d, err := g.Authorizer.Authorize(ctx, sub, want)
	if err != nil {
		return err
	}
	switch {
	case d.Granted.Covers(want):
		g.challenge(v, want, "insufficient_scope")
		return errs.New(errs.Unauthenticated, "the token does not cover %s", want).WithHint("ask the token end-point for one that does")
	case sub.Anonymous():
		g.challenge(v, want, "insufficient_scope")
		return errs.New(errs.Unauthenticated, "you are not logged in, and %s needs it", v.Repository).WithHint("run docker login %s", v.origin.Host)
	}
	denial, err := g.denial(ctx, v, sub, d.Granted)
	if err != nil {
		return err
	}
	return g.deny(ctx, v, sub, d.Reason, denial, want)
}

// unseen is the form of a refusal that has no body to say why. Clients ask with HEAD before they push, and give up on a
// 403 with nothing but "Forbidden" on the screen; after a 404 they go on, and the request that follows says it in full.
// Clients that know the specification's header Warning show the reason at once.
func unseen(v *visit, denial *errs.Error) error {
	// Clients end the text at the first quote, escaped or not.
	v.w.Header().Set("Warning", `299 - "`+strings.ReplaceAll(denial.Public(), `"`, "'")+`"`)
	hidden := *denial
	hidden.Kind = errs.NotFound
	return &hidden
}

// denial explains a refusal to a subject that is logged in. What does not exist and what the subject may not see read
// the same, so that nobody learns names by trying; a system administrator sees everything, so there is one reading.
func (g *Gate) denial(ctx context.Context, v *visit, sub auth.Subject, granted auth.Scope) (*errs.Error, error) {
	action := missing(v.Method, v.Repository, granted)
	project, ok := auth.Project(v.Repository)
	if !ok {
		return errs.New(errs.Denied, "repository %q is in no project", v.Repository).
			WithHint("images live in a project: %s/PROJECT/%s", v.origin.Host, v.Repository), nil
	}
	all := auth.Scope{repositoryAccess(v.Repository, auth.ActionAll)}
	d, err := g.Authorizer.Authorize(ctx, sub, all)
	if err != nil {
		return nil, err
	}
	now, _, err := g.Projects.Known(ctx, project)
	if err != nil {
		return nil, err
	}
	switch {
	case len(d.Granted) > 0 && now != "" && now != project:
		return renamed(project, now), nil
	case len(d.Granted) > 0:
		return errs.New(errs.Denied, "you may not %s repository %q", phrase(action), v.Repository).
			WithHint("an administrator of project %q can give you a role that may", project), nil
	case sub.SysAdmin:
		return errs.New(errs.Denied, "project %q does not exist", project).
			WithHint("create it with \"sealock project create %s\"", project), nil
	}
	return errs.New(errs.Denied, "project %q does not exist or is not visible to you", project).
		WithHint("create it with \"sealock project create %s\" or ask its administrator to add you", project), nil
}

// renamed tells who may pull from a project that it has another name.
func renamed(project, now string) *errs.Error {
	return errs.New(errs.Denied, "project %q is called %q now", project, now).WithHint("push to %s/… instead: under its old name it can be pulled from alone", now)
}

// missing returns the action to name in a refusal: the strongest one that the method needs and that is not granted.
func missing(method, repository string, granted auth.Scope) auth.Action {
	for _, a := range slices.Backward(actions(method)) {
		if !granted.Allows(auth.TypeRepository, repository, a) {
			return a
		}
	}
	return actions(method)[0]
}

func phrase(a auth.Action) string {
	switch a {
	case auth.ActionPush:
		return "push to"
	case auth.ActionDelete:
		return "delete from"
	case auth.ActionPull, auth.ActionAll:
	}
	return "pull from"
}

// recordRefusal writes the refusal to the audit trail. What can't be recorded is not said.
func (g *Gate) recordRefusal(ctx context.Context, v *visit, sub auth.Subject, want auth.Scope, rules string, denial *errs.Error) error {
	reason := denial.Message
	if rules != "" {
		reason += " (" + rules + ")"
	}
	err := g.Recorder.Record(ctx, audit.Record{
		Time:      g.Now(),
		RequestID: httpx.RequestID(v.w),
		Actor:     sub.Name,
		Method:    "bearer",
		Remote:    g.Trusted.ClientIP(v.r),
		Operation: "registry." + string(missing(v.Method, v.Repository, nil)),
		Resource:  want.String(),
		Outcome:   audit.Refused,
		Reason:    reason,
		JTI:       v.claims.JTI,
	})
	if err != nil {
		return errs.New(errs.Unavailable, "the audit trail can't be written").WithHint("try again in a moment; the server's log has the cause").Because(err)
	}
	return nil
}

// admitMount decides about the mount of a blob. A source that the policy keeps from the subject turns the mount into a
// plain upload: clients guess sources from what they have seen, and a bad guess must not fail the push.
func (g *Gate) admitMount(ctx context.Context, v *visit, sub auth.Subject) error {
	both := v.Access()
	source := both[len(both)-1:]
	allowed, err := g.grants(ctx, sub, source)
	if err != nil {
		return err
	}
	if !allowed {
		v.Mount, v.From = "", ""
	}
	if v.claims.Access.Covers(v.Access()) {
		return nil
	}
	return g.refuse(ctx, v, sub, v.Access())
}
