package main

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/sealock/sealock/api"
	"github.com/sealock/sealock/policy"
	"github.com/sealock/sealock/settings"
	"github.com/sealock/sealock/store/ldap"
	"github.com/sealock/sealock/store/oidc"
)

// runtimePoll is how often the configuration in the store is looked at: another replica's change counts within seconds.
const runtimePoll = 2 * time.Second

// openRuntime reads what an administrator changed.
func (s *system) openRuntime(ctx context.Context) (err error) {
	s.runtime, err = settings.NewRuntime(ctx, s.store, s.cfg, shownSettings(s.cfg), s.log)
	return err
}

// shownSettings are the settings of the first directory and the first provider by Harbor's names, which has one of each.
// No secret is among them.
func shownSettings(cfg settings.Config) map[string]any {
	shown := map[string]any{}
	for i := len(cfg.Sources) - 1; i >= 0; i-- {
		switch c := cfg.Sources[i].Config.(type) {
		case ldap.Config:
			showDirectory(shown, c)
		case oidc.Config:
			showProvider(shown, cfg.Sources[i].Name, c)
		}
	}
	return shown
}

func showDirectory(shown map[string]any, c ldap.Config) {
	if len(c.URLs) > 0 {
		shown["ldap_url"] = c.URLs[0]
	}
	shown["ldap_search_dn"], shown["ldap_base_dn"], shown["ldap_filter"], shown["ldap_uid"] = c.BindDN, c.UserBase, c.UserFilter, c.UserAttribute
	shown["ldap_timeout"] = int64(c.Timeout / time.Second)
	shown["ldap_group_base_dn"], shown["ldap_group_search_filter"] = c.GroupBase, c.GroupFilter
	shown["ldap_group_admin_dn"], shown["ldap_group_membership_attribute"] = c.AdminGroup, c.GroupsAttribute
}

func showProvider(shown map[string]any, name string, c oidc.Config) {
	if c.Title != "" {
		name = c.Title
	}
	shown["oidc_name"], shown["oidc_endpoint"], shown["oidc_client_id"] = name, c.Issuer, c.ClientID
	shown["oidc_groups_claim"], shown["oidc_admin_group"], shown["oidc_group_filter"] = c.Groups, c.AdminGroup, c.GroupFilter
	shown["oidc_scope"], shown["oidc_user_claim"], shown["oidc_auto_onboard"] = strings.Join(c.Scopes, ","), c.Username, c.AutoOnboard
	if extra, err := json.Marshal(c.Extra); err == nil && len(c.Extra) > 0 {
		shown["oidc_extra_redirect_parms"] = string(extra)
	}
}

// info is what the API tells about this server.
func (s *system) info() api.Info {
	info := api.Info{Version: buildVersion(), HasCA: s.tlsRoot != nil}
	if s.tlsRoot != nil {
		info.CA = s.tlsRoot.PEM()
	}
	if s.registry != nil {
		info.Storage = s.cfg.StorageDriver()
	}
	return info
}

// policyWords are the words that the policy has.
func policyWords() []api.Word {
	words := policy.Words()
	list := make([]api.Word, len(words))
	for i, w := range words {
		list[i] = api.Word(w)
	}
	return list
}
