package web

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
)

// PersonalTokens makes, lists and revokes personal access tokens. A [project.Service] does.
type PersonalTokens interface {
	CreatePersonalToken(ctx context.Context, c project.Caller, n project.NewPersonalToken) (project.MadePersonalToken, error)
	ListPersonalTokens(ctx context.Context, c project.Caller, q project.PersonalTokenQuery) (project.List[store.PersonalAccessToken], error)
	RevokePersonalToken(ctx context.Context, c project.Caller, id string) error
}

// accountView is what the account page shows.
type accountView struct {
	Name     string
	Source   string
	SysAdmin bool
	Groups   []string
	Tokens   []tokenView
	Sessions []sessionView
	Made     *madeView // the token that was just made
	Asked    tokenForm // what the form is filled with
	Lives    []int     // days

	HasFactor, FactorPage bool // has a second factor; there is a page for it
}

type sessionView struct {
	store.Session
	Own bool // the one that looks
}

type tokenView struct {
	store.PersonalAccessToken
	Scopes []string
	Over   bool
}

// madeView holds the secret, which is shown this once.
type madeView struct{ Name, Secret string }

// tokenForm is what somebody asks for in the form for a new token.
type tokenForm struct {
	Name, Project, Access string
	Days                  int
}

// lives are how many days a new token may be given. 0 is for ever.
func lives() []int { return []int{7, 30, 90, 365, 0} }

func (p *Portal) account(ctx context.Context, v *Visit) (Answer, error) {
	return p.accountPage(ctx, v, tokenForm{Days: 90, Access: "all"}, nil, nil)
}

// accountPage shows who one is, the tokens that one has and where one is signed in.
func (p *Portal) accountPage(ctx context.Context, v *Visit, asked tokenForm, made *madeView, problem error) (Answer, error) {
	view := accountView{
		Name: v.Subject.Name, Source: v.Subject.Source, SysAdmin: v.Subject.SysAdmin, Groups: v.Subject.Groups,
		Made: made, Asked: asked, Lives: lives(), HasFactor: v.Subject.SecondFactor, FactorPage: p.pages[pathFactor] != nil,
	}
	tokens, err := p.Tokens.ListPersonalTokens(ctx, v.Caller(), project.PersonalTokenQuery{})
	if err != nil {
		return Answer{}, err
	}
	now := p.Now()
	for _, t := range tokens.Items {
		view.Tokens = append(view.Tokens, tokenView{PersonalAccessToken: t, Scopes: scopes(t.Scope), Over: !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt)})
	}
	for s, err := range p.Sessions.ListSessions(ctx, store.Filter{MemberID: v.Subject.ID}) {
		if err != nil {
			return Answer{}, err
		}
		if s.AliveAt(now) && s.Pending == "" {
			view.Sessions = append(view.Sessions, sessionView{Session: s, Own: s.ID == v.Session.ID})
		}
	}
	return Answer{Page: "account", Title: "Your account", Data: view, Problem: problem}, nil
}

// scopes writes a token's scope for people.
func scopes(p *auth.Permissions) (lines []string) {
	if p == nil {
		return nil
	}
	for _, one := range *p {
		where := one.Project
		switch {
		case where == "*":
			where = "all projects"
		case where == "":
			where = "system"
		case len(one.Repositories) > 0:
			where += "/" + strings.Join(one.Repositories, ", "+where+"/")
		}
		lines = append(lines, where+": "+one.Resource+" "+strings.Join(one.Actions, ", "))
	}
	return lines
}

// makeToken makes a personal access token and shows its secret, this once.
func (p *Portal) makeToken(ctx context.Context, v *Visit) (Answer, error) {
	asked := tokenForm{
		Name: v.Form.Get("name"), Project: strings.TrimSpace(v.Form.Get("project")), Access: v.Form.Get("access"), Days: 90,
	}
	days, err := strconv.Atoi(v.Form.Get("days"))
	if err != nil || !slices.Contains(lives(), days) {
		return p.accountPage(ctx, v, asked, nil, errs.New(errs.Invalid, "the token needs an end").WithHint("choose one of the list"))
	}
	asked.Days = days
	n := project.NewPersonalToken{Name: asked.Name, Never: days == 0}
	if days > 0 {
		n.ExpiresAt = p.Now().Add(time.Duration(days) * 24 * time.Hour)
	}
	if n.Scope, err = asked.scope(); err != nil {
		return p.accountPage(ctx, v, asked, nil, err)
	}
	made, err := p.Tokens.CreatePersonalToken(ctx, v.Caller(), n)
	if err != nil {
		return p.accountPage(ctx, v, asked, nil, err)
	}
	return p.accountPage(ctx, v, tokenForm{Days: 90, Access: "all"}, &madeView{Name: made.Name, Secret: made.Secret.Reveal()}, nil)
}

// scope reads what the form asks for: all that one may, or to pull or push images, everywhere, in a project, or below a
// part of it.
func (f tokenForm) scope() (*auth.Permissions, error) {
	where := auth.Permission{Resource: "repository"}
	switch f.Access {
	case "all":
		if f.Project != "" {
			return nil, errs.New(errs.Invalid, "a token for everything has no project").WithHint("choose pull or push, or leave the project empty")
		}
		return nil, nil //nolint:nilnil // no scope is a scope: all that one may
	case "pull":
		where.Actions = []string{"pull"}
	case "push":
		where.Actions = []string{"pull", "push"}
	default:
		return nil, errs.New(errs.Invalid, "say what the token is for").WithHint("choose one of the list")
	}
	name, pattern, below := strings.Cut(f.Project, "/")
	if where.Project = name; name == "" {
		where.Project = "*"
	}
	if below {
		where.Repositories = []string{pattern}
	}
	return &auth.Permissions{where}, nil
}

// revokeToken ends a personal access token.
func (p *Portal) revokeToken(ctx context.Context, v *Visit) (Answer, error) {
	if err := p.Tokens.RevokePersonalToken(ctx, v.Caller(), v.Form.Get("id")); err != nil && !errs.Is(err, errs.NotFound) {
		return Answer{}, err
	}
	return Answer{To: home}, nil
}

// endSessions ends one of the visitor's sessions, or all but the one that asks.
func (p *Portal) endSessions(ctx context.Context, v *Visit) (Answer, error) {
	id := v.Form.Get("id")
	if id != "" {
		s, err := p.Sessions.Session(ctx, id)
		if err == nil && s.UserID != v.Subject.ID || errs.Is(err, errs.NotFound) {
			return Answer{To: home}, nil // it has ended, or was never one's own: nobody learns which
		}
		if err != nil {
			return Answer{}, err
		}
	}
	if err := v.record(ctx, "session.end", v.Subject.Name, "session", audit.Allowed, "own session"); err != nil {
		return Answer{}, err
	}
	if id != "" {
		return Answer{To: home}, p.forget(ctx, id)
	}
	_, err := p.Sessions.DeleteSessionsOf(ctx, v.Subject.ID, v.Session.ID)
	return Answer{To: home}, err
}
