package api

import (
	"context"
	"fmt"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/api/gen"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/job"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
)

// recordSorts are the orders of lists of records that have names.
func recordSorts() map[string]string {
	return map[string]string{"id": "id", "name": "name", "creation_time": "creation_time", "update_time": "update_time"}
}

// recordPaging reads the parameters of a list of records that have names.
func recordPaging(q, sort *string, w window) (project.Paging, error) {
	return paging(q, sort, recordFields(fields{"name": {name: "name", kind: store.Written}}), recordSorts(), w)
}

// byName reads the parameters of a list that is narrowed by names; name is Harbor's older way to say name=~….
func byName(q, sort, name *string, w window) (out project.RegistryQuery, err error) {
	out.Name = value(name)
	out.Paging, err = recordPaging(q, sort, w)
	return out, err
}

func (h *handlers) ListRegistries(c echo.Context, params gen.ListRegistriesParams) error {
	return list(c, params.Page, params.PageSize, registryOf, func(ctx context.Context, who Caller, w window) (l project.List[store.Registry], err error) {
		q, err := byName(params.Q, params.Sort, params.Name, w)
		if err != nil {
			return l, err
		}
		return h.Service.ListRegistries(ctx, who, q)
	})
}

func (h *handlers) CreateRegistry(c echo.Context) error {
	return create(c, func(ctx context.Context, who Caller, req gen.Registry) (string, error) {
		change := project.RegistryChange{
			Name: req.Name, Description: req.Description, URL: req.URL, Type: req.Type, Insecure: req.Insecure, CACertificate: req.CaCertificate,
		}
		if req.Credential != nil {
			change.CredentialType, change.AccessKey, change.AccessSecret = req.Credential.Type, req.Credential.AccessKey, secretText(req.Credential.AccessSecret)
		}
		r, err := h.Service.CreateRegistry(ctx, who, change)
		return fmt.Sprintf("/api/v2.0/registries/%d", r.ID), err
	})
}

func secretText(s *string) *secret.Text {
	if s == nil {
		return nil
	}
	return pointer(secret.New(*s))
}

func (h *handlers) PingRegistry(c echo.Context) error {
	return take(c, func(ctx context.Context, who Caller, req gen.RegistryPing) error {
		return h.Service.PingRegistry(ctx, who, value(req.ID), project.RegistryChange{
			URL: req.URL, Type: req.Type, CredentialType: req.CredentialType, AccessKey: req.AccessKey, AccessSecret: secretText(req.AccessSecret),
			Insecure: req.Insecure, CACertificate: req.CaCertificate,
		})
	})
}

func (h *handlers) GetRegistry(c echo.Context, id gen.RegistryID) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.Registry, error) {
		r, err := h.Service.Registry(ctx, who, id)
		return registryOf(r), err
	})
}

func (h *handlers) UpdateRegistry(c echo.Context, id gen.RegistryID) error {
	return take(c, func(ctx context.Context, who Caller, req gen.RegistryUpdate) error {
		return h.Service.UpdateRegistry(ctx, who, id, project.RegistryChange{
			Name: req.Name, Description: req.Description, URL: req.URL, CredentialType: req.CredentialType, AccessKey: req.AccessKey,
			AccessSecret: secretText(req.AccessSecret), Insecure: req.Insecure, CACertificate: req.CaCertificate,
		})
	})
}

func (h *handlers) DeleteRegistry(c echo.Context, id gen.RegistryID) error {
	return done(c, func(ctx context.Context, who Caller) error { return h.Service.DeleteRegistry(ctx, who, id) })
}

func (h *handlers) GetRegistryInfo(c echo.Context, id gen.RegistryInfoID) error {
	return reply(c, func(ctx context.Context, who Caller) (gen.RegistryInfo, error) {
		kind, here, err := h.Service.RegistryKind(ctx, who, id)
		if err != nil {
			return gen.RegistryInfo{}, err
		}
		adapter := job.Adapters()[kind]
		info := gen.RegistryInfo{
			Type: kind, Description: adapter.Description, SupportedTriggers: job.Triggers(here), SupportedResourceFilters: []gen.FilterStyle{},
		}
		for _, f := range adapter.Filters() {
			info.SupportedResourceFilters = append(info.SupportedResourceFilters, gen.FilterStyle{Type: f.Type, Style: f.Style, Values: f.Values})
		}
		return info, nil
	})
}

func (h *handlers) ListReplicationAdapters(c echo.Context) error {
	return reply(c, func(ctx context.Context, who Caller) ([]string, error) {
		return job.AdapterNames(), h.Service.RequireAdapters(ctx, who)
	})
}

func (h *handlers) ListReplicationAdapterInfos(c echo.Context) error {
	return reply(c, func(ctx context.Context, who Caller) (map[string]gen.RegistryProviderInfo, error) {
		infos := map[string]gen.RegistryProviderInfo{}
		for name, a := range job.Adapters() {
			if a.Endpoint != "" {
				infos[name] = gen.RegistryProviderInfo{EndpointPattern: gen.RegistryProviderEndpointPattern{
					EndpointType: "EndpointPatternTypeFix", Endpoints: []gen.RegistryEndpoint{{Key: a.Host(), Value: a.Endpoint}},
				}}
			}
		}
		return infos, h.Service.RequireAdapters(ctx, who)
	})
}

func registryOf(r store.Registry) gen.Registry {
	out := gen.Registry{
		ID: &r.ID, Name: &r.Name, Description: &r.Description, URL: &r.URL, Type: &r.Type, Insecure: &r.Insecure, Status: &r.Status,
		CreationTime: pointer(r.CreatedAt.UTC()), UpdateTime: pointer(r.UpdatedAt.UTC()),
	}
	if r.CACertificate != "" {
		out.CaCertificate = &r.CACertificate
	}
	if r.AccessKey != "" || r.AccessSecret != "" {
		out.Credential = &gen.RegistryCredential{Type: &r.CredentialType, AccessKey: &r.AccessKey, AccessSecret: &r.AccessSecret}
	}
	return out
}
