package e2e_test

import (
	"fmt"
	"strings"
)

// terraform does what Terraform's provider does: it makes each kind of resource, reads it back, changes it, reads it
// back, and takes it away. Numbers come from the Location.
func (s *harborScript) terraform() {
	project := s.tfProject()
	s.tfMembers(project)
	s.tfRobot()
	s.tfLabels(project)
	s.tfRetention(project)
	s.tfImmutable(project)
	s.tfWebhook(project)
	s.tfReplication()
	s.tfConfiguration()
	s.tfSchedules()
	s.call(200, "DELETE", project, nil)
	s.call(404, "GET", project, nil)
}

func (s *harborScript) tfProject() string {
	metadata := fields{
		"public": "false", "auto_scan": "false", "auto_sbom_generation": "false", "enable_content_trust": "false",
		"enable_content_trust_cosign": "false", "prevent_vul": "false", "severity": "", "reuse_sys_cve_allowlist": "true",
	}
	body := fields{"project_name": "tf", "metadata": metadata, "storage_limit": 1 << 30, "registry_id": nil, "cve_allowlist": fields{"items": []any{}}}
	project := s.create("/projects", body)
	s.call(409, "POST", "/projects", body)
	s.get(project).wantWritten(fields{"name": "tf", "project_id": id(project), "metadata": without(metadata, "severity")})
	s.get("/projects/tf", "X-Is-Resource-Name", "true").wantWritten(fields{"project_id": id(project)})
	s.call(200, "HEAD", "/projects?project_name=tf", nil)

	quota := s.get(fmt.Sprintf("/quotas?reference=project&reference_id=%.0f", id(project))).list()[0]
	if lacks("", fields{"hard": fields{"storage": 1 << 30}}, quota) != nil {
		s.t.Errorf("the quota of a new project = %v, want its storage_limit", quota)
	}
	at := fmt.Sprintf("/quotas/%.0f", quota["id"])
	s.call(200, "PUT", at, fields{"hard": fields{"storage": 5 << 30}})
	s.get(at).wantWritten(fields{"hard": fields{"storage": 5 << 30}, "ref": fields{"name": "tf", "id": id(project)}})

	metadata = with(metadata, fields{"public": "true", "prevent_vul": "true", "severity": "high"})
	s.call(200, "PUT", project, with(body, fields{"metadata": metadata, "storage_limit": -1}))
	s.get(project).wantWritten(fields{"metadata": metadata})
	s.get(project + "/metadatas/prevent_vul").wantWritten(fields{"prevent_vul": "true"})
	s.call(200, "PUT", project+"/metadatas/severity", fields{"severity": "low"})
	s.call(200, "DELETE", project+"/metadatas/severity", nil)
	s.call(200, "POST", project+"/metadatas/", fields{"severity": "critical"})
	s.get(project + "/metadatas/").wantWritten(fields{"severity": "critical", "public": "true"})
	s.get(project + "/summary").wantWritten(fields{"repo_count": 0, "quota": fields{"hard": fields{"storage": -1}}})
	s.get(project + "/_deletable").wantWritten(fields{"deletable": true})
	return project
}

func (s *harborScript) tfMembers(project string) {
	user := fields{"username": "tf-user", "email": "tf@example.com", "realname": "Terra Form", "comment": "", "password": "Terraform-12345"}
	person := s.create("/users", user)
	s.call(409, "POST", "/users", user)
	s.get(person).wantWritten(with(without(user, "password"), fields{"user_id": id(person), "sysadmin_flag": false}))
	s.call(200, "PUT", person, fields{"email": "tf2@example.com", "realname": "T", "comment": "changed"})
	s.get(person).wantWritten(fields{"email": "tf2@example.com", "realname": "T", "comment": "changed"})
	s.call(200, "PUT", person+"/sysadmin", fields{"sysadmin_flag": true})
	s.get(person).wantWritten(fields{"sysadmin_flag": true})
	s.call(200, "PUT", person+"/sysadmin", fields{"sysadmin_flag": false})
	s.call(200, "PUT", person+"/password", fields{"old_password": "", "new_password": "Terraform-54321"})

	member := s.create(project+"/members", fields{"role_id": 2, "member_user": fields{"username": "tf-user"}})
	s.call(409, "POST", project+"/members", fields{"role_id": 2, "member_user": fields{"username": "tf-user"}})
	s.get(member).wantWritten(fields{"id": id(member), "role_id": 2, "entity_name": "tf-user", "entity_type": "u", "project_id": id(project)})
	s.call(200, "PUT", member, fields{"role_id": 4})
	s.get(member).wantWritten(fields{"role_id": 4, "role_name": "maintainer"})

	group := s.create("/usergroups", fields{"group_name": "tf-group", "group_type": 0})
	s.get(group).wantWritten(fields{"id": id(group), "group_name": "tf-group"})
	s.call(200, "PUT", group, fields{"group_name": "tf-group-2"})
	s.wantNames("the groups of a name", s.get("/usergroups?group_name=tf-group-2").names("group_name"), "tf-group-2")
	of := s.create(project+"/members", fields{"role_id": 3, "member_group": fields{"id": id(group)}})
	s.get(of).wantWritten(fields{"role_id": 3, "entity_name": "tf-group-2", "entity_type": "g", "entity_id": id(group)})
	s.wantNames("members of a name", s.get(project+"/members?entityname=tf-group").names("entity_name"), "tf-group-2")
	for _, path := range []string{of, member, group, person} {
		s.call(200, "DELETE", path, nil)
		s.call(404, "GET", path, nil)
	}
}

func (s *harborScript) tfRobot() {
	access := []any{fields{"resource": "repository", "action": "pull"}, fields{"resource": "repository", "action": "push"}}
	body := fields{"name": "tf-robot", "description": "from terraform", "level": "system", "duration": -1, "disable": false, "permissions": []any{
		fields{"kind": "project", "namespace": "tf", "access": access},
		fields{"kind": "system", "namespace": "/", "access": []any{fields{"resource": "project", "action": "list"}}},
	}}
	made := s.call(201, "POST", "/robots", body)
	robot := strings.TrimPrefix(made.Header.Get("Location"), "/api/v2.0")
	if made.object()["secret"] == "" {
		s.t.Errorf("%s tells no secret: %s", made.what, made.Body)
	}
	prefix := fmt.Sprint(inner(s.get("/configurations").object(), "robot_name_prefix")["value"])
	read := s.get(robot)
	read.wantWritten(with(body, fields{"name": prefix + "tf-robot", "id": id(robot), "expires_at": -1}))
	if secret := read.object()["secret"]; secret != nil && secret != "" {
		s.t.Errorf("%s tells the secret a second time: %s", read.what, read.Body)
	}
	changed := with(body, fields{"name": prefix + "tf-robot", "id": id(robot), "description": "changed", "disable": true, "permissions": []any{
		fields{"kind": "project", "namespace": "tf", "access": access[:1]},
	}})
	s.call(200, "PUT", robot, changed)
	s.get(robot).wantWritten(changed)
	if sec := s.call(200, "PATCH", robot, fields{"secret": "Terraform-chose-1"}).object()["secret"]; sec != nil && sec != "" && sec != "Terraform-chose-1" {
		s.t.Errorf("a chosen secret is answered with %v", sec)
	}
	s.call(200, "DELETE", robot, nil)
	s.call(404, "GET", robot, nil)
}

func (s *harborScript) tfLabels(project string) {
	for _, body := range []fields{
		{"name": "tf-label", "description": "from terraform", "color": "#FF0000", "scope": "g", "project_id": 0},
		{"name": "tf-label", "description": "of the project", "color": "#00FF00", "scope": "p", "project_id": id(project)},
	} {
		label := s.create("/labels", body)
		s.call(409, "POST", "/labels", body)
		s.get(label).wantWritten(without(body, "project_id"))
		changed := with(body, fields{"description": "changed", "color": "#0000FF"})
		s.call(200, "PUT", label, changed)
		s.get(label).wantWritten(without(changed, "project_id"))
		s.wantNames("labels", s.get(fmt.Sprintf("/labels?name=tf-label&scope=%s&project_id=%.0f", body["scope"], body["project_id"])).names("description"), "changed")
		s.call(200, "DELETE", label, nil)
		s.call(404, "GET", label, nil)
	}
}

func selectors(repositories, tags string) (tag []any, scope fields) {
	return []any{fields{"kind": "doublestar", "decoration": "matches", "pattern": tags, "extras": `{"untagged":false}`}},
		fields{"repository": []any{fields{"kind": "doublestar", "decoration": "repoMatches", "pattern": repositories}}}
}

func (s *harborScript) tfRetention(project string) {
	tags, scope := selectors("**", "v*")
	rule := func(template string, n int) fields {
		return fields{"disabled": false, "action": "retain", "template": template, "params": fields{template: n}, "tag_selectors": tags, "scope_selectors": scope}
	}
	body := fields{
		"algorithm": "or", "rules": []any{rule("latestPushedK", 10), rule("nDaysSinceLastPull", 7)},
		"trigger": fields{"kind": "Schedule", "settings": fields{"cron": "0 0 0 * * *"}, "references": fields{}},
		"scope":   fields{"level": "project", "ref": id(project)},
	}
	retention := s.create("/retentions", body)
	s.get(retention).wantWritten(body)
	s.get(project).wantWritten(fields{"metadata": fields{"retention_id": fmt.Sprintf("%.0f", id(retention))}})
	body = with(body, fields{"id": id(retention), "rules": []any{rule("latestPulledN", 3)}, "trigger": fields{"kind": "Schedule", "settings": fields{"cron": ""}, "references": fields{}}})
	s.call(200, "PUT", retention, body)
	s.get(retention).wantWritten(body)
	s.call(501, "POST", retention+"/executions", fields{"dry_run": true})
	if n := s.get(retention + "/executions").total(); n != 0 {
		s.t.Errorf("there are %d executions of a policy that never ran", n)
	}
	s.call(404, "PATCH", retention+"/executions/1", fields{"action": "stop"})
	s.call(404, "GET", retention+"/executions/1/tasks", nil)
	s.call(404, "GET", retention+"/executions/1/tasks/1", nil)
	s.call(200, "DELETE", retention, nil)
	s.call(404, "GET", retention, nil)
}

func (s *harborScript) tfImmutable(project string) {
	tags, scope := selectors("app/**", "v*")
	body := fields{"disabled": false, "action": "immutable", "template": "immutable_template", "tag_selectors": tags, "scope_selectors": scope}
	rule := s.create(project+"/immutabletagrules", body)
	find := func() reply {
		all := s.get(project + "/immutabletagrules?page=1&page_size=100")
		list := all.list()
		if len(list) != 1 || list[0]["id"] != id(rule) {
			s.t.Fatalf("%s = %s, want the one rule", all.what, all.Body)
		}
		all.Body = all.Body[strings.Index(string(all.Body), "{") : strings.LastIndex(string(all.Body), "}")+1]
		return all
	}
	find().wantWritten(body)
	tags, scope = selectors("**", "release-*")
	body = with(body, fields{"id": id(rule), "tag_selectors": tags, "scope_selectors": scope})
	s.call(200, "PUT", rule, body)
	find().wantWritten(body)
	s.call(200, "PUT", rule, with(body, fields{"disabled": true}))
	find().wantWritten(fields{"disabled": true})
	s.call(200, "DELETE", rule, nil)
	s.call(404, "DELETE", rule, nil)
}

func (s *harborScript) tfWebhook(project string) {
	target := fields{"type": "http", "address": "https://hooks.example.com/tf", "skip_cert_verify": true, "payload_format": "CloudEvents"}
	body := fields{
		"name": "tf-hook", "description": "from terraform", "enabled": true, "event_types": []any{"PUSH_ARTIFACT", "DELETE_ARTIFACT"},
		"project_id": id(project), "targets": []any{with(target, fields{"auth_header": "Bearer of-the-hook"})},
	}
	hook := s.create(project+"/webhook/policies", body)
	s.call(409, "POST", project+"/webhook/policies", body)
	s.get(hook).wantWritten(with(body, fields{"targets": []any{target}}))
	body = with(body, fields{"description": "changed", "enabled": false, "event_types": []any{"PULL_ARTIFACT"}})
	s.call(200, "PUT", hook, body)
	s.get(hook).wantWritten(with(body, fields{"targets": []any{target}}))
	s.wantNames("webhook policies", s.get(project+"/webhook/policies").names("name"), "tf-hook")
	for _, path := range []string{hook + "/executions", project + "/webhook/jobs?policy_id=" + fmt.Sprintf("%.0f", id(hook))} {
		if n := s.get(path).total(); n != 0 {
			s.t.Errorf("%s has %d, want none: nothing was sent", path, n)
		}
	}
	s.call(404, "GET", hook+"/executions/1/tasks", nil)
	s.call(404, "GET", hook+"/executions/1/tasks/1/log", nil)
	s.get(project + "/webhook/lasttrigger")
	s.get(project + "/webhook/events")
	s.call(200, "DELETE", hook, nil)
	s.call(404, "GET", hook, nil)
}

func (s *harborScript) tfReplication() {
	credential := fields{"type": "basic", "access_key": "admin", "access_secret": s.password}
	body := fields{"name": "tf-hub", "url": s.server.URL, "type": "harbor", "insecure": true, "description": "from terraform", "credential": credential}
	registry := s.create("/registries", body)
	s.call(409, "POST", "/registries", body)
	s.get(registry).wantWritten(with(body, fields{"credential": without(credential, "access_secret"), "status": "healthy", "id": id(registry)}))
	s.call(200, "PUT", registry, fields{
		"name": "tf-hub", "url": s.server.URL, "description": "changed", "insecure": false, "credential_type": "basic", "access_key": "admin", "access_secret": s.password,
	})
	s.get(registry).wantWritten(fields{"description": "changed", "insecure": false, "credential": without(credential, "access_secret")})
	s.wantNames("registries of a name", s.get("/registries?q=name%3Dtf-hub").names("name"), "tf-hub")
	s.call(200, "POST", "/registries/ping", fields{"id": id(registry)})
	s.call(400, "POST", "/registries/ping", fields{"type": "harbor", "url": "http://" + deadAddr(s.t), "access_key": "", "access_secret": ""})
	s.get(registry + "/info").wantWritten(fields{"type": "harbor"})
	s.get("/replication/adapters")
	s.get("/replication/adapterinfos")

	policy := fields{
		"name": "tf-pull", "description": "from terraform", "enabled": true, "override": true, "deletion": false, "src_registry": fields{"id": id(registry)},
		"dest_namespace": "mirror", "dest_namespace_replace_count": -1, "speed": 1024, "copy_by_chunk": false,
		"trigger": fields{"type": "scheduled", "trigger_settings": fields{"cron": "0 0 3 * * *"}},
		"filters": []any{fields{"type": "name", "value": "library/**"}, fields{"type": "tag", "decoration": "matches", "value": "v*"}, fields{"type": "resource", "value": "image"}},
	}
	at := s.create("/replication/policies", policy)
	s.call(409, "POST", "/replication/policies", policy)
	s.get(at).wantWritten(policy)
	policy = with(without(policy, "src_registry"), fields{
		"description": "changed", "dest_registry": fields{"id": id(registry)}, "trigger": fields{"type": "event_based", "trigger_settings": fields{"cron": ""}},
	})
	s.call(200, "PUT", at, policy)
	s.get(at).wantWritten(policy)
	s.wantNames("policies of a name", s.get("/replication/policies?name=tf-pull").names("name"), "tf-pull")
	s.call(412, "DELETE", registry, nil)
	s.call(501, "POST", "/replication/executions", fields{"policy_id": id(at)})
	if n := s.get(fmt.Sprintf("/replication/executions?policy_id=%.0f", id(at))).total(); n != 0 {
		s.t.Errorf("there are %d executions of a policy that never ran", n)
	}
	for _, path := range []string{"/replication/executions/1", "/replication/executions/1/tasks", "/replication/executions/1/tasks/1/log"} {
		s.call(404, "GET", path, nil)
	}
	s.call(404, "PUT", "/replication/executions/1", nil)
	for _, path := range []string{at, registry} {
		s.call(200, "DELETE", path, nil)
		s.call(404, "GET", path, nil)
	}
}

// tfConfiguration is harbor_config_system and harbor_config_auth.
func (s *harborScript) tfConfiguration() {
	system := fields{
		"project_creation_restriction": "adminonly", "read_only": false, "robot_token_duration": 30, "banner_message": "",
		"storage_per_project": -1, "notification_enable": true, "scanner_skip_update_pulltime": false, "session_timeout": 60,
	}
	s.call(200, "PUT", "/configurations", system)
	got := s.get("/configurations")
	for name, value := range system {
		got.wantWritten(fields{name: fields{"value": value}})
	}
	s.call(200, "PUT", "/configurations", with(system, fields{"project_creation_restriction": "everyone"}))
	auth := inner(got.object(), "auth_mode")
	s.call(200, "PUT", "/configurations", fields{"auth_mode": auth["value"]})
}

// tfSchedules is harbor_garbage_collection and harbor_purge_audit_log: cron has six fields.
func (s *harborScript) tfSchedules() {
	for path, parameters := range map[string]fields{
		"/system/gc/schedule":         {"delete_untagged": true, "workers": 2},
		"/system/purgeaudit/schedule": {"audit_retention_hour": 24, "include_event_types": "create_artifact,delete_artifact"},
	} {
		s.get(path)
		daily := fields{"schedule": fields{"type": "Daily", "cron": "0 0 0 * * *"}, "parameters": parameters}
		s.call(201, "POST", path, daily)
		s.call(409, "POST", path, daily)
		s.get(path).wantWritten(fields{"schedule": fields{"type": "Daily", "cron": "0 0 0 * * *"}})
		s.call(200, "PUT", path, fields{"schedule": fields{"type": "Custom", "cron": "0 15 3 * * 1"}, "parameters": parameters})
		s.get(path).wantWritten(fields{"schedule": fields{"type": "Custom", "cron": "0 15 3 * * 1"}})
		for name, value := range parameters {
			if text := fmt.Sprint(s.get(path).object()["job_parameters"]); !strings.Contains(text, fmt.Sprintf("%q:", name)) || !strings.Contains(text, fmt.Sprint(value)) {
				s.t.Errorf("the parameters of %s = %s, want %s as it was written", path, text, name)
			}
		}
		s.call(400, "PUT", path, fields{"schedule": fields{"type": "Custom", "cron": "15 3 * * 1"}, "parameters": parameters})
		s.call(501, "POST", path, fields{"schedule": fields{"type": "Manual"}, "parameters": parameters})
		s.call(200, "PUT", path, fields{"schedule": fields{"type": "None", "cron": ""}, "parameters": fields{}})
	}
}
