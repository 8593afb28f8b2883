package api_test

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// ownedByServer are fields that no client decides about, whatever it sends: most are in what the server answers, the others
// are columns.
func ownedByServer() map[string]any {
	return map[string]any{
		"id": 990001, "user_id": 1, "owner_id": 1, "owner_name": admin, "owner": admin, "creation_time": "2001-02-03T04:05:06Z", "update_time": "2001-02-03T04:05:06Z",
		"created_at": "2001-02-03T04:05:06Z", "sysadmin_flag": true, "sys_admin": true, "SysAdmin": true, "admin_role_in_auth": true, "has_admin_role": true, "deleted": true,
		"creator": admin, "creator_type": "local", "creator_ref": 1, "creator_id": 1, "password_hash": "assigned", "salt": "assigned", "reset_uuid": "assigned", "secret_hash": "assigned",
		"editable": true, "repo_count": 990001, "used": map[string]any{"storage": 990001}, "status": "healthy", "pull_count": 990001, "artifact_count": 990001,
		"source": "assigned", "subject": admin, "second_factor": false, "disabled_at": "2001-02-03T04:05:06Z", "level": "system", "togglable": true, "current_user_role_id": 1,
		"expires_at": 990001, "quota_id": 990001, "retention_id": 990001, "storage_limit": 990001,
	}
}

// decides lists the fields of the list above that an operation's caller does decide about.
func (op operation) decides() []string {
	return map[string][]string{
		"createPersonalAccessToken": {"expires_at"},
		"createRobot":               {"level", "secret"}, // the level is checked against the permissions
		"addMember":                 {"user_id"},
	}[op.OperationID]
}

// strongest is who of those that are no administrator may do most and may do this, or nobody.
func (op operation) strongest() string {
	for _, name := range []string{alice, mia, dave, bob} {
		if slices.Contains(allowed(op.who), name) {
			return name
		}
	}
	return nobody
}

// TestBodiesAssignNothingElse sends every body that somebody may send who is no administrator, once as the document has it
// and once with fields that are not theirs to decide: what is kept afterwards is the same, or nothing of it is. (Harbor:
// CVE-2019-16097, CVE-2019-19023.)
func TestBodiesAssignNothingElse(t *testing.T) {
	for _, op := range operations(t, loadDocument(t)) {
		name := op.strongest()
		if op.RequestBody == nil || name == nobody {
			continue
		}
		t.Run(op.String(), func(t *testing.T) {
			more := ownedByServer()
			for _, field := range op.decides() {
				delete(more, field)
			}
			plain, assigned := newWorld(t), newWorld(t)
			untouched := assigned.state()
			body := op.example(t)
			want, got := plain.tryWith(op, name, body), assigned.tryWith(op, name, joined(t, body, more))
			state := assigned.state()
			for _, text := range []string{"990001", "2001-02-03", "assigned", "981173106"} { // the last is that time in seconds
				if strings.Contains(state, text) || strings.Contains(got.body, text) && got.status < 400 {
					t.Errorf("%s with fields of the server's keeps one of them: %s", op, difference(untouched, state))
				}
			}
			if refused := got.status == 400 && state == untouched; got.status != want.status && !refused {
				t.Errorf("%s with fields of the server's = %d %s, want %d, or 400", op, got.status, got.body, want.status)
			}
			if a, b := fixed(plain.state()), fixed(state); a != b && state != untouched {
				t.Errorf("%s with fields of the server's changed something else: %s", op, difference(a, b))
			}
		})
	}
}

// tryWith is try with another body.
func (w *world) tryWith(op operation, name, body string) answer {
	w.t.Helper()
	if op.OperationID == "createPersonalAccessToken" || op.OperationID == "setCliSecret" { // no access token is good for it
		return w.send(op.method, w.path(op), body, "Authorization", basic(name, password))
	}
	return w.as(name, op.method, w.path(op), body)
}

// joined is a JSON object with more fields, at each level.
func joined(t *testing.T, body string, more map[string]any) string {
	t.Helper()
	var v any
	must(t, body, json.Unmarshal([]byte(body), &v))
	text, err := json.Marshal(join(v, more))
	return string(must(t, text, err))
}

func join(v any, more map[string]any) any {
	switch v := v.(type) {
	case map[string]any:
		out := maps.Clone(more)
		for name, value := range v {
			out[name] = join(value, more)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, value := range v {
			out[i] = join(value, more)
		}
		return out
	default:
		return v
	}
}

var changing = regexp.MustCompile(`\b(\w+_at|\w*hash|secret\w*|salt|uuid|\w*time|seed|token\w*|updated|created|id)=(\[[^\]]*\]|\S*)|("auth_header"):"[^"]*"`)

// fixed is a state without what differs between two worlds that did the same: times and what is random.
func fixed(state string) string { return changing.ReplaceAllString(state, "$1$3=…") }
