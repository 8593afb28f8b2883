package api

import (
	"context"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/api/gen"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/project"
)

func (h *handlers) PingLdap(c echo.Context, params gen.PingLdapParams) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.LdapPingResult, error) {
		var given *project.LDAPSettings
		if c.Request().ContentLength != 0 {
			conf, err := bind[gen.LdapConf](c.Response(), c.Request())
			if err != nil {
				return gen.LdapPingResult{}, err
			}
			if given, err = ldapSettings(conf); err != nil {
				return gen.LdapPingResult{}, err
			}
		}
		ailment, err := h.Service.PingLDAP(ctx, who, value(params.Source), given)
		return gen.LdapPingResult{Success: ailment == "", Message: ailment}, err
	})
}

// ldapSettings reads settings to be tried; nil stands for those of the server, which Harbor's clients ask for by an
// empty object.
func ldapSettings(conf gen.LdapConf) (*project.LDAPSettings, error) {
	if conf == (gen.LdapConf{}) {
		return nil, nil //nolint:nilnil // as said above
	}
	if conf.LdapVerifyCert != nil && !*conf.LdapVerifyCert {
		return nil, errs.New(errs.Invalid, "certificates of directories are always verified").WithHint("set ca_file of the source to the CA's certificate")
	}
	return &project.LDAPSettings{
		URL: value(conf.LdapURL), BindDN: value(conf.LdapSearchDn), Password: secret.New(value(conf.LdapSearchPassword)),
		UserBase: value(conf.LdapBaseDn), Filter: value(conf.LdapFilter), UserName: value(conf.LdapUID),
		Timeout: time.Duration(min(value(conf.LdapConnectionTimeout), 3600)) * time.Second,
	}, nil
}

func (h *handlers) SearchLdapUser(c echo.Context, params gen.SearchLdapUserParams) error {
	return reply(c, func(ctx context.Context, who Caller) ([]gen.LdapUser, error) {
		found, err := h.Service.SearchLDAPUsers(ctx, who, value(params.Source), value(params.Username))
		users := make([]gen.LdapUser, 0, len(found))
		for _, u := range found {
			users = append(users, gen.LdapUser{Username: u.Name, Realname: u.RealName, Email: u.Email})
		}
		return users, err
	})
}

func (h *handlers) ImportLdapUser(c echo.Context, params gen.ImportLdapUserParams) error {
	return take(c, func(ctx context.Context, who Caller, req gen.LdapImportUsers) error {
		return h.Service.ImportLDAPUsers(ctx, who, value(params.Source), req.LdapUIDList)
	})
}

func (h *handlers) SearchLdapGroup(c echo.Context, params gen.SearchLdapGroupParams) error {
	return reply(c, func(ctx context.Context, who Caller) ([]gen.UserGroup, error) {
		found, err := h.Service.SearchLDAPGroups(ctx, who, value(params.Source), value(params.Groupname), value(params.Groupdn))
		groups := make([]gen.UserGroup, 0, len(found))
		for _, g := range found {
			groups = append(groups, groupOf(g))
		}
		return groups, err
	})
}
