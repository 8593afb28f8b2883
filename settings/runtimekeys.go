package settings

import (
	"slices"
	"time"

	"github.com/sealock/sealock/internal/errs"
)

// The settings that something here asks for, by Harbor's names.
const (
	keyReadOnly        = "read_only"
	keyProjectCreation = "project_creation_restriction"
	keyStorage         = "storage_per_project"
	keyQuotas          = "quota_per_project_enable"
	keyNotifications   = "notification_enable"
	keyRobotDays       = "robot_token_duration"
	keySession         = "session_timeout"
	keyBanner          = "banner_message"
)

// What project_creation_restriction can be.
const (
	everyone  = "everyone"
	adminOnly = "adminonly"
)

// Where settings are set that are not set at run time.
const (
	inSources = "users come from the settings file: see sources there, and docs/sources.md"
	notHere   = "this server does not have it"
)

// runtimeKeys are Harbor's settings. Those that the file sets to something else than the default are the file's.
func runtimeKeys(cfg Config) map[string]runtimeKey {
	keys := map[string]runtimeKey{
		keyReadOnly:        {value: false},
		keyProjectCreation: {value: everyone, check: oneOf(everyone, adminOnly)},
		keyStorage:         {value: int64(-1), check: storage},
		keyQuotas:          {value: true},
		keyNotifications:   {value: true},
		keyRobotDays:       {value: int64(cfg.Robot.Duration), check: robotDays},
		keySession:         {value: int64(cfg.Portal.SessionIdle / time.Minute), check: between(1, 365*24*60, "minutes")},
		keyBanner:          {value: "", check: atMost(3000)},

		"robot_name_prefix":              {value: cfg.Robot.Prefix, where: "set robot.prefix in the settings file: it is part of names that clients hold"},
		"token_expiration":               {value: int64(cfg.Token.Life / time.Minute), where: "set token.life in the settings file"},
		"auth_mode":                      {value: authMode(cfg.Sources), where: inSources},
		"primary_auth_mode":              {value: false, where: inSources},
		"self_registration":              {value: false, where: "nobody makes an account for themselves: an administrator does, or a source of users"},
		"audit_log_forward_endpoint":     {value: "", where: "set it in the settings file, where this server can"},
		"skip_audit_log_database":        {value: false, where: "the audit trail is always kept"},
		"disabled_audit_log_event_types": {value: "", where: "the audit trail is complete"},
		"scanner_skip_update_pulltime":   {value: false, where: "there is no scanner that pulls"},
		"scan_all_policy":                {value: map[string]any{"type": "none"}, where: "this server has no vulnerability scanner"},
	}
	usual := Default()
	if cfg.Robot.Duration != usual.Robot.Duration {
		keys[keyRobotDays] = runtimeKey{value: int64(cfg.Robot.Duration), where: "the settings file decides it: robot.duration"}
	}
	if cfg.Portal.SessionIdle != usual.Portal.SessionIdle {
		keys[keySession] = runtimeKey{value: int64(cfg.Portal.SessionIdle / time.Minute), where: "the settings file decides it: portal.session_idle"}
	}
	for name, value := range sourceKeys() {
		keys[name] = runtimeKey{value: value, where: inSources}
	}
	for _, name := range []string{"ldap_search_password", "oidc_client_secret"} {
		keys[name] = runtimeKey{value: "", where: inSources, mute: true}
	}
	for name, value := range absentKeys() {
		keys[name] = runtimeKey{value: value, where: notHere}
	}
	return keys
}

// sourceKeys are the settings of directories and providers, and what they are without one.
func sourceKeys() map[string]any {
	return map[string]any{
		"ldap_url": "", "ldap_search_dn": "", "ldap_base_dn": "", "ldap_filter": "", "ldap_uid": "", "ldap_scope": int64(2), "ldap_timeout": int64(5),
		"ldap_verify_cert": true, "ldap_group_base_dn": "", "ldap_group_search_filter": "", "ldap_group_attribute_name": "",
		"ldap_group_search_scope": int64(2), "ldap_group_admin_dn": "", "ldap_group_membership_attribute": "", "ldap_group_attach_parallel": false,
		"oidc_name": "", "oidc_endpoint": "", "oidc_client_id": "", "oidc_groups_claim": "", "oidc_admin_group": "", "oidc_group_filter": "",
		"oidc_scope": "", "oidc_user_claim": "", "oidc_verify_cert": true, "oidc_auto_onboard": false, "oidc_extra_redirect_parms": "{}", "oidc_logout": false,
	}
}

// absentKeys are of what Harbor has and this server has not.
func absentKeys() map[string]any {
	return map[string]any{
		"uaa_client_id": "", "uaa_client_secret": "", "uaa_endpoint": "", "uaa_verify_cert": false,
		"http_authproxy_endpoint": "", "http_authproxy_tokenreview_endpoint": "", "http_authproxy_admin_groups": "",
		"http_authproxy_admin_usernames": "", "http_authproxy_verify_cert": false, "http_authproxy_skip_search": false,
		"http_authproxy_server_certificate": "",
	}
}

// authMode is what Harbor, which has one source of users, would call the first one besides the database.
func authMode(sources []Source) string {
	modes := map[string]string{"ldap": "ldap_auth", "oidc": "oidc_auth", "external": "http_auth"}
	for _, s := range sources {
		if mode, known := modes[s.Type]; known {
			return mode
		}
	}
	return "db_auth"
}

func oneOf(values ...string) func(any) error {
	return func(v any) error {
		if s, ok := v.(string); !ok || !slices.Contains(values, s) {
			return errs.New(errs.Invalid, "%q is none of the values that there are", cut(textOf(v))).WithHint("write one of %q", values)
		}
		return nil
	}
}

func textOf(v any) string { s, _ := v.(string); return s }

func numberOf(v any) int64 { n, _ := v.(int64); return n }

func between(low, high int64, of string) func(any) error {
	return func(v any) error {
		if n := numberOf(v); n < low || n > high {
			return errs.New(errs.Invalid, "%d %s are out of bounds", n, of).WithHint("write %d to %d", low, high)
		}
		return nil
	}
}

func robotDays(v any) error {
	if n := numberOf(v); n != -1 && (n < 1 || n > 36_500) {
		return errs.New(errs.Invalid, "a robot can't live for %d days", n).WithHint("write 1 to 36500, or -1 for ever")
	}
	return nil
}

func storage(v any) error {
	if n := numberOf(v); n != -1 && (n < 1 || n > 1<<50) {
		return errs.New(errs.Invalid, "%d bytes can't be a quota", n).WithHint("write 1 to %d, or -1 for any number", int64(1)<<50)
	}
	return nil
}

func atMost(bytes int) func(any) error {
	return func(v any) error {
		if len(textOf(v)) > bytes {
			return errs.New(errs.Invalid, "the text is longer than %d bytes", bytes).WithHint("shorten it")
		}
		return nil
	}
}
