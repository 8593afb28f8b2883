package web

import (
	"context"

	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// accountView is what the account page shows.
type accountView struct {
	Name     string
	Source   string
	SysAdmin bool
	Groups   []string
	Sessions []sessionView
}

type sessionView struct {
	store.Session
	Own bool // the one that looks
}

// account shows who one is and where one is signed in.
func (p *Portal) account(ctx context.Context, v *Visit) (Answer, error) {
	view := accountView{Name: v.Subject.Name, Source: v.Subject.Source, SysAdmin: v.Subject.SysAdmin, Groups: v.Subject.Groups}
	now := p.Now()
	for s, err := range p.Sessions.ListSessions(ctx, store.Filter{MemberID: v.Subject.ID}) {
		if err != nil {
			return Answer{}, err
		}
		if s.AliveAt(now) && s.Pending == "" {
			view.Sessions = append(view.Sessions, sessionView{Session: s, Own: s.ID == v.Session.ID})
		}
	}
	return Answer{Page: "account", Title: "Your account", Data: view}, nil
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
