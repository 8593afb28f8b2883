package audit

import (
	"slices"
	"strings"
)

// Operations lists what is recorded, as [Record] names it: what a reader of the trail can choose from.
func Operations() []string {
	return []string{
		"artifact-label.create", "artifact-label.delete", "artifact.create", "artifact.delete", "artifact.pull", "artifact.push", "audit.broken", "audit.drop", "audit.export",
		"blob.delete", "configuration.update", "device.approve", "device.deny", "device.request", "group.create", "group.delete",
		"group.member.create", "group.member.delete", "group.update", "immutable-rule.create", "immutable-rule.delete",
		"immutable-rule.update", "key.rotate", "label.create", "label.delete", "label.update", "ldap.ping", "ldap.users.import",
		"lockout.delete", "login", "logout", "member.create", "member.delete", "member.update", "metadata.create",
		"metadata.delete", "metadata.update", "oidc.ping", "personal_access_token.create", "personal_access_token.delete",
		"policy.reload", "policy.rollback", "policy.update", "project.create", "project.delete", "project.forget-name",
		"project.rename", "project.update", "quota.update", "refresh_token.delete", "registry.create", "registry.delete",
		"registry.ping", "registry.pull", "registry.push", "registry.update", "reindex.start", "reindex.stop",
		"replication-policy.create", "replication-policy.delete", "replication-policy.update", "replication.start",
		"replication.stop", "repository.delete", "repository.update", "retention.create", "retention.delete", "retention.operate", "retention.update",
		"robot.create", "robot.delete", "robot.secret.replace", "robot.secret.retire", "robot.update", "schedule.create",
		"schedule.update", "second_factor.app.add", "second_factor.app.begin", "second_factor.app.remove", "second_factor.code",
		"second_factor.passkey", "second_factor.passkey.add", "second_factor.passkey.remove", "second_factor.passkey.rename",
		"second_factor.recovery_code", "second_factor.recovery_codes", "second_factor.reset", "session.end", "tag.create",
		"tag.delete", "token", "token.introspect", "token.revoke", "user.create", "user.delete", "user.password", "user.sign_out",
		"user.sysadmin.grant", "user.sysadmin.revoke", "user.update", "webhook.create", "webhook.delete", "webhook.update",
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
