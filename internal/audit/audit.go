// Package audit owns the audit record: who, from where, what, on what, with which outcome and why. It does not keep
// records (store does). Decisions are recorded by the function that takes them, before their effect is visible.
package audit

import (
	"context"
	"time"
)

// Record is one line of the audit trail. It never holds a secret.
type Record struct {
	ID        int64 // given by the store; 0 until then
	Time      time.Time
	RequestID string
	Actor     string // the subject's name; "" for anonymous
	Method    string // how the actor was authenticated: "password", "refresh_token", "bearer", "anonymous", "system"
	Remote    string // the address that asked, after trusted forwarders
	Operation string // "token", "login", "user.create", "project.delete", …
	Resource  string // what it was done to: a scope, "user:alice", "project:team", …
	Outcome   Outcome
	Reason    string // the rule or the error's public message
	JTI       string // the id of the token that was issued, if one was
	Project   string // whose trail it belongs to besides the server's; "" is what ProjectOf says
	Link      Link   // its place in a chain; given by the store
}

// Outcome is how a decision ended.
type Outcome string

// The outcomes.
const (
	Allowed  Outcome = "allowed"
	Narrowed Outcome = "narrowed" // a part of what was asked for
	Refused  Outcome = "refused"
	Failed   Outcome = "failed" // an error on our side
)

// Recorder keeps a record. When it returns nil the record is stored; an error means that the action must not happen.
type Recorder interface {
	Record(ctx context.Context, r Record) error
}
