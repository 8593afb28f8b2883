package audit

import (
	"slices"
	"strings"
)

// Operations lists what is recorded, as [Record] names it: what a reader of the trail can choose from.
func Operations() []string {
	return []string{
		"artifact.delete", "artifact.pull", "artifact.push", "audit.broken", "audit.drop", "audit.export", "blob.delete", "device.deny", "device.request", "group.create", "group.delete",
		"group.update", "key.rotate", "ldap.ping", "ldap.users.import", "lockout.delete", "login", "member.create", "member.delete",
		"member.update", "oidc.ping", "personal_access_token.create", "personal_access_token.delete", "policy.reload", "policy.rollback",
		"policy.update", "project.create", "project.delete", "project.update", "refresh_token.delete", "registry.delete", "registry.pull",
		"registry.push", "robot.create", "robot.delete", "robot.secret.replace", "robot.secret.retire", "robot.update",
		"second_factor.reset", "tag.delete", "token", "token.introspect", "token.revoke", "user.create", "user.delete",
		"user.password", "user.sign_out", "user.update",
	}
}

// Kinds lists what something is done to, as the names of operations begin.
func Kinds() []string {
	var all []string
	for _, o := range Operations() {
		if kind, _ := Split(o); !slices.Contains(all, kind) {
			all = append(all, kind)
		}
	}
	return all
}

// Split parts an operation into what it is done to and what is done: a word alone is both.
func Split(operation string) (kind, verb string) {
	kind, verb, ok := strings.Cut(operation, ".")
	if !ok {
		verb = kind
	}
	return kind, verb
}
