package api

import (
	"context"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
)

// deed is something that a caller wants to do at system level.
type deed struct {
	resource  string // in the policy's words
	action    string
	operation string // in the audit trail's words; "" for what is not worth a record when it is allowed
	on        string // what it is done to, for the audit trail
}

// allow decides and records in one step for what no service decides: keys, the policy and the audit trail. It returns
// nil when the caller may do the deed, which then is on record.
func (d Deps) allow(ctx context.Context, who Caller, want deed) error {
	if who.Anonymous() {
		return errNobody
	}
	ruling, err := d.Decider.Decide(ctx, who.Subject, auth.Access{Resource: want.resource, Action: want.action})
	if err != nil {
		return err
	}
	if ruling.Allowed && want.operation == "" {
		return nil
	}
	if err := d.record(ctx, who, want, ruling); err != nil {
		return errNoRecord(err)
	}
	if !ruling.Allowed {
		return errs.New(errs.Denied, "you may not do this").WithHint("ask an administrator of this server")
	}
	return nil
}

func errNoRecord(err error) error {
	return errs.New(errs.Unavailable, "this can't be recorded, so it can't be done").WithHint("try again soon").Because(err)
}

func (d Deps) record(ctx context.Context, who Caller, want deed, ruling auth.Ruling) error {
	outcome := audit.Allowed
	if !ruling.Allowed {
		outcome = audit.Refused
	}
	if want.operation == "" {
		want.operation = want.resource + "." + want.action
	}
	return d.Recorder.Record(ctx, audit.Record{
		Time: d.Now(), RequestID: who.RequestID, Actor: who.Name, Method: who.Method, Remote: who.Remote,
		Operation: want.operation, Resource: want.on, Outcome: outcome, Reason: ruling.Reason,
	})
}

// errNobody answers callers that would have to be somebody.
var errNobody = errs.New(errs.Unauthenticated, "nobody is signed in").WithHint("send a user name and a password, or an access token")
