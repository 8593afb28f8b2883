package store

import (
	"time"
)

// AuditFilter narrows a list of audit records. The zero value is everything.
type AuditFilter struct {
	Project string // of the trail of this project
	// Formerly are other names that the project had: what was recorded of them since then belongs to its trail, too.
	Formerly  *[]NamedSince
	Kind      string    // what it was done to: "project" of "project.create"
	Operation string    // what was done: "create" of "project.create"; "token" is both of itself
	Exactly   string    // what was done, as a whole: "project.create"
	Resource  string    // to which thing, with its kind before it or without
	Part      string    // to things whose names contain this
	Since     time.Time // at this time or later
	Born      time.Time // not before this; unlike Since it is not looked for in the trail, since hardly any record is older
	Until     time.Time // at this time or earlier
	From, To  int64     // with these ids or such in between; 0 is no bound
}

// AuditCounted is how many audit records are counted at most where a filter is set: a trail may have millions.
const AuditCounted = 1000
