package main

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"time"

	"github.com/sealock/sealock/api"
	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/policy"
	"github.com/sealock/sealock/store"
)

// policyAdmin lets the API speak to the policy engine.
type policyAdmin struct {
	engine   *policy.Engine
	members  policy.Membership
	holders  auth.Holders
	trail    store.Audit
	existing func(ctx context.Context) (policy.Existing, error)
}

func (p policyAdmin) Text(context.Context) (api.PolicyText, error) {
	t := p.engine.Text()
	return api.PolicyText{Model: t.Model, Policy: t.Rules, Fingerprint: t.Fingerprint()}, nil
}

func (p policyAdmin) Status(context.Context) (api.PolicyStatus, error) {
	st := p.engine.Status()
	return api.PolicyStatus{
		Dir: st.Dir, LoadedAt: st.LoadedAt, Fingerprint: st.Fingerprint, Rules: st.Rules, Members: st.Members,
		LastError: st.LastError, LastErrorAt: st.LastErrorAt, Findings: apiFindings(st.Findings),
	}, nil
}

func (p policyAdmin) Reload(ctx context.Context) (api.PolicyStatus, error) {
	if _, err := p.engine.Reload(ctx); err != nil {
		return api.PolicyStatus{}, err
	}
	return p.Status(ctx)
}

func (p policyAdmin) Try(ctx context.Context) (api.PolicyStatus, error) {
	r, err := p.engine.Try(ctx)
	if err != nil {
		return api.PolicyStatus{}, err
	}
	status, err := p.Status(ctx)
	status.Rules, status.Members, status.Findings = r.Rules, r.Members, apiFindings(r.Findings)
	return status, err
}

func (p policyAdmin) Replace(ctx context.Context, by api.PolicyEdit, text api.PolicyText, seen string) (api.PolicyStatus, error) {
	if err := p.keepsIn(ctx, by.Subject, text); err != nil {
		return api.PolicyStatus{}, err
	}
	if _, err := p.engine.Replace(ctx, policy.Text{Model: text.Model, Rules: text.Policy}, policy.Edit{Author: by.Subject.Name, Comment: by.Comment}, seen); err != nil {
		return api.PolicyStatus{}, err
	}
	return p.Status(ctx)
}

// keepsIn refuses a policy under which whoever puts it in force could not put another one.
func (p policyAdmin) keepsIn(ctx context.Context, sub auth.Subject, text api.PolicyText) error {
	draft, err := draftOf(text, p.engine.Text().Model)
	if err != nil {
		return nil //nolint:nilerr // what is wrong with it, the engine says
	}
	ruling, err := draft.Decide(ctx, p.members, sub, auth.Access{Resource: "policy", Action: "update"}, time.Now())
	if err != nil || ruling.Allowed {
		return err
	}
	return errs.New(errs.Precondition, "under this policy you could not change it again: %s", ruling.Reason).
		WithHint("leave yourself the action update on the resource policy at @system")
}

func (p policyAdmin) Check(ctx context.Context, text api.PolicyText) ([]api.PolicyFinding, error) {
	if text.Model == "" {
		text.Model = p.engine.Text().Model
	}
	there, err := p.existing(ctx)
	if err != nil {
		return nil, err
	}
	return apiFindings(policy.CheckAgainst(policy.Text{Model: text.Model, Rules: text.Policy}, there)), nil
}

func (p policyAdmin) Explain(ctx context.Context, sub auth.Subject, access auth.Access) (api.PolicyExplanation, error) {
	x, err := p.engine.Explain(ctx, sub, access)
	return apiExplanation(x), err
}

func apiExplanation(x policy.Explanation) api.PolicyExplanation {
	out := api.PolicyExplanation{
		Allowed: x.Allowed, Reason: x.Reason, Rule: x.Rule, More: x.More,
		Change: api.PolicyChange{Text: x.Change.Text, Role: x.Change.Role, Line: x.Change.Line, Remove: x.Change.Remove},
	}
	for _, r := range x.Roles {
		out.Roles = append(out.Roles, api.PolicyOrigin(r))
	}
	for _, r := range x.Rules {
		out.Rules = append(out.Rules, api.PolicyRule(r))
	}
	return out
}

// Replay asks a recorded question once more, of the policy that was in force and about the subject as it is now.
func (p policyAdmin) Replay(ctx context.Context, r audit.Record, then api.PolicyText) (out api.PolicyReplay, err error) {
	asked, ok, err := p.askedIn(ctx, r, map[string]*auth.Subject{})
	if err != nil {
		return out, err
	}
	if !ok {
		return out, errs.New(errs.NotFound, "who asked is gone, or the record holds no scope, or only a part of it")
	}
	draft, err := draftOf(then, "")
	if errs.Is(err, errs.Invalid) {
		return out, errs.New(errs.NotFound, "the policy of then can't be read by this version").Because(err)
	}
	if err != nil {
		return out, err
	}
	d, actions, err := draft.Replay(ctx, p.members, asked.Subject, asked.Scope, r.Time)
	out.Granted, out.Reason = d.Granted, d.Reason
	for _, a := range actions {
		out.Actions = append(out.Actions, api.PolicyAction{Name: a.Name, Action: a.Action, Explanation: apiExplanation(a.Explanation)})
	}
	return out, err
}

// Compare holds two policies against what was asked for since then.
func (p policyAdmin) Compare(ctx context.Context, before, after api.PolicyText, since time.Time) ([]api.PolicyDifference, int, error) {
	now := p.engine.Text()
	if before.Policy == "" {
		before = api.PolicyText{Model: now.Model, Policy: now.Rules}
	}
	old, err := draftOf(before, now.Model)
	if err != nil {
		return nil, 0, err
	}
	fresh, err := draftOf(after, now.Model)
	if err != nil {
		return nil, 0, err
	}
	n := 0
	found, err := policy.Compare(ctx, p.members, old, fresh, p.asked(ctx, since, &n), time.Now())
	out := make([]api.PolicyDifference, len(found))
	for i, d := range found {
		out[i] = api.PolicyDifference(d)
	}
	return out, n, err
}

func draftOf(t api.PolicyText, model string) (*policy.Draft, error) {
	if t.Model == "" {
		t.Model = model
	}
	d, _, err := policy.NewDraft(policy.Text{Model: t.Model, Rules: t.Policy})
	return d, err
}

// mostAsked bounds how many records a comparison reads.
const mostAsked = 200_000

// asked reads from the audit trail who asked for which tokens, each subject as it is now. Who is gone by now loses nothing.
func (p policyAdmin) asked(ctx context.Context, since time.Time, n *int) iter.Seq2[policy.Asked, error] {
	return func(yield func(policy.Asked, error) bool) {
		known := map[string]*auth.Subject{}
		for r, err := range p.trail.ListAudit(ctx, store.Filter{Limit: mostAsked}) {
			if err != nil {
				yield(policy.Asked{}, err)
				return
			}
			if r.Time.Before(since) {
				return
			}
			asked, ok, err := p.askedIn(ctx, r, known)
			if err != nil {
				yield(policy.Asked{}, err)
				return
			}
			if !ok {
				continue
			}
			*n++
			if !yield(asked, nil) {
				return
			}
		}
	}
}

// askedIn reads one record. It is false for one that is about no token, or about somebody who is gone.
func (p policyAdmin) askedIn(ctx context.Context, r audit.Record, known map[string]*auth.Subject) (policy.Asked, bool, error) {
	scope, err := auth.ParseScope([]string{r.Resource})
	if r.Operation != "token" || r.JTI == "" || err != nil || len(scope) == 0 {
		return policy.Asked{}, false, nil //nolint:nilerr // a clipped scope says nothing any more
	}
	sub, seen := known[r.Actor]
	if !seen {
		if sub, err = p.subject(ctx, r.Actor); err != nil {
			return policy.Asked{}, false, err
		}
		known[r.Actor] = sub
	}
	if sub == nil {
		return policy.Asked{}, false, nil
	}
	asked := *sub
	asked.Remote = r.Remote
	return policy.Asked{Subject: asked, Scope: scope}, true, nil
}

// subject returns who has the name, or nil if nobody has it any more.
func (p policyAdmin) subject(ctx context.Context, name string) (*auth.Subject, error) {
	if name == "" {
		return &auth.Subject{}, nil
	}
	sub, err := p.holders.Holder(ctx, name, "")
	if errs.Is(err, errs.Unauthenticated) || errs.Is(err, errs.Unavailable) {
		return nil, nil // nobody is an answer
	}
	return &sub, err
}

func apiFindings(found []policy.Finding) []api.PolicyFinding {
	list := make([]api.PolicyFinding, len(found))
	for i, f := range found {
		list[i] = api.PolicyFinding{File: f.File, Line: f.Line, What: f.What, Remedy: f.Remedy, Warning: f.Warning}
	}
	return list
}

// mostRepositories bounds how many a check of patterns looks at.
const mostRepositories = 20_000

// existing lists the projects, repositories and groups that lines can be about.
func (s *system) existing(ctx context.Context) (policy.Existing, error) {
	var there policy.Existing
	for p, err := range s.store.ListProjects(ctx, store.Filter{}) {
		if err != nil {
			return there, err
		}
		there.Projects = append(there.Projects, p.Name)
	}
	for g, err := range s.store.ListGroups(ctx, store.Filter{}) {
		if err != nil {
			return there, err
		}
		if g.Local() {
			there.Groups = append(there.Groups, g.Name)
		}
	}
	var err error
	if there.Roles, err = s.store.CustomRoles(ctx); err != nil {
		return there, err
	}
	for _, src := range s.sources {
		there.Sources = append(there.Sources, src.Name)
	}
	if s.registry == nil {
		return there, nil
	}
	last := ""
	for len(there.Repositories) < mostRepositories {
		names, more, err := s.registry.CatalogPage(ctx, last, 1000)
		if err != nil {
			return there, err
		}
		there.Repositories = append(there.Repositories, names...)
		if !more || len(names) == 0 {
			break
		}
		last = names[len(names)-1]
	}
	return there, nil
}

// policyStore keeps the policy in the store, where all replicas find it.
type policyStore struct{ revisions store.PolicyRevisions }

func (policyStore) String() string { return "the store" }

// Read returns the newest revision; where there is none yet, the default policy.
func (p policyStore) Read(ctx context.Context) (policy.Text, error) {
	r, err := p.revisions.LatestPolicyRevision(ctx)
	if errs.Is(err, errs.NotFound) {
		return policy.DefaultText(), nil
	}
	return policy.Text{Model: r.Model, Rules: r.Rules}, err
}

// Write keeps a revision over the one that was seen.
func (p policyStore) Write(ctx context.Context, t policy.Text, over string, by policy.Edit) error {
	_, err := p.revisions.AppendPolicyRevision(ctx, revisionOf(t, by), over)
	return err
}

func revisionOf(t policy.Text, by policy.Edit) store.PolicyRevision {
	return store.PolicyRevision{Author: by.Author, Comment: by.Comment, Model: t.Model, Rules: t.Rules, Fingerprint: t.Fingerprint()}
}

// policyHistory keeps what came into force and is not in the history yet, such as edits of the files.
type policyHistory struct {
	revisions store.PolicyRevisions
	log       *slog.Logger
}

// begin keeps the default policy where the store has none yet.
func (h policyHistory) begin(ctx context.Context) error {
	_, err := h.revisions.LatestPolicyRevision(ctx)
	if errs.Is(err, errs.NotFound) {
		_, err = h.revisions.AppendPolicyRevision(ctx, revisionOf(policy.DefaultText(), policy.Edit{}), "")
	}
	return err
}

// keep is called whenever a policy has come into force. That it could not be kept is no reason to be without it.
func (h policyHistory) keep(ctx context.Context, t policy.Text, by policy.Edit) {
	last, err := h.revisions.LatestPolicyRevision(ctx)
	if err == nil && last.Fingerprint == t.Fingerprint() {
		return
	}
	if err == nil || errs.Is(err, errs.NotFound) {
		_, err = h.revisions.AppendPolicyRevision(ctx, revisionOf(t, by), "")
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		h.log.Warn("the policy's history has a gap", "error", err)
	}
}
