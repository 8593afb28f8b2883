package audit

import "time"

// Exported is a record as it leaves the server: the same in each line of an export.
type Exported struct {
	ID        int64     `json:"id,omitempty"`
	Time      time.Time `json:"op_time"`
	Actor     string    `json:"actor"`
	Method    string    `json:"method"`
	Remote    string    `json:"remote"`
	Operation string    `json:"operation"`
	Resource  string    `json:"resource"`
	Outcome   Outcome   `json:"outcome"`
	Reason    string    `json:"reason"`
	RequestID string    `json:"request_id,omitempty"`
	JTI       string    `json:"jti,omitempty"`
	Project   string    `json:"project,omitempty"`
	Chain     int64     `json:"chain,omitempty"`
	Seq       int64     `json:"seq,omitempty"`
	Hash      string    `json:"hash,omitempty"`
}

// Export returns the record as it leaves the server.
func (r Record) Export() Exported {
	return Exported{
		ID: r.ID, Time: r.Time.UTC().Truncate(time.Microsecond), Actor: r.Actor, Method: r.Method, Remote: r.Remote, Operation: r.Operation, Resource: r.Resource,
		Outcome: r.Outcome, Reason: r.Reason, RequestID: r.RequestID, JTI: r.JTI, Project: r.Project,
		Chain: r.Link.Chain, Seq: r.Link.Seq, Hash: r.Link.Hash,
	}
}
