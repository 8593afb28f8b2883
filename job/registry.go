package job

import (
	"crypto/x509"
	"maps"
	"slices"
	"strings"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// States of a registry.
const (
	Healthy   = "healthy"
	Unhealthy = "unhealthy"
)

// CredentialBasic is the only kind of credential that registries are asked with.
const CredentialBasic = "basic"

// Adapter is a kind of registry, named as in Harbor. All speak the protocol of the distribution specification.
type Adapter struct {
	Description string
	Endpoint    string // where all registries of the kind are; "" where each is somewhere else
	Labels      bool   // its artifacts have labels that a filter can ask for
}

// TypeHarbor is a registry with labels: Harbor, or a server like this one.
const TypeHarbor = "harbor"

// Adapters returns the kinds of registries by their names.
func Adapters() map[string]Adapter {
	return map[string]Adapter{
		"ali-acr":           {Description: "Alibaba Cloud Container Registry"},
		"aws-ecr":           {Description: "Amazon Elastic Container Registry"},
		"azure-acr":         {Description: "Azure Container Registry"},
		"docker-hub":        {Description: "Docker Hub", Endpoint: "https://hub.docker.com"},
		"docker-registry":   {Description: "any registry of the distribution specification"},
		"dtr":               {Description: "Docker Trusted Registry"},
		"github-ghcr":       {Description: "GitHub Container Registry", Endpoint: "https://ghcr.io"},
		"gitlab":            {Description: "GitLab Container Registry"},
		"google-gcr":        {Description: "Google Artifact Registry and Container Registry"},
		TypeHarbor:          {Description: "Harbor or sealock", Labels: true},
		"huawei-SWR":        {Description: "Huawei Cloud Software Repository for Container"},
		"jfrog-artifactory": {Description: "JFrog Artifactory"},
		"quay":              {Description: "Quay", Endpoint: "https://quay.io"},
		"tencent-tcr":       {Description: "Tencent Container Registry"},
		"volcengine-cr":     {Description: "Volcano Engine Container Registry"},
	}
}

// AdapterNames lists the kinds of registries.
func AdapterNames() []string { return slices.Sorted(maps.Keys(Adapters())) }

// FilterStyle is a filter that a registry can be asked with, and how it is chosen.
type FilterStyle struct {
	Type   string
	Style  string   // "input" or "radio"
	Values []string // of a radio
}

// Filters lists the filters that registries of the kind can be asked with.
func (a Adapter) Filters() []FilterStyle {
	list := []FilterStyle{{Type: FilterName, Style: "input"}, {Type: FilterTag, Style: "input"}}
	if a.Labels {
		list = append(list, FilterStyle{Type: FilterLabel, Style: "input"})
	}
	return append(list, FilterStyle{Type: FilterResource, Style: "radio", Values: resources()})
}

// Triggers lists what can start a copy from a registry; here says that it is this server.
func Triggers(here bool) []string {
	if here {
		return []string{TriggerManual, TriggerScheduled, TriggerEventBased}
	}
	return []string{TriggerManual, TriggerScheduled}
}

// CheckRegistry returns a registry as it is kept, or says what is wrong with it.
func CheckRegistry(r store.Registry) (store.Registry, error) {
	if err := CheckName("a registry", r.Name); err != nil {
		return r, err
	}
	if _, known := Adapters()[r.Type]; !known {
		return r, errs.New(errs.Invalid, "there are no registries of the type %s", clip(r.Type)).WithHint("write one of %s", strings.Join(AdapterNames(), ", "))
	}
	return CheckEndpoint(r)
}

// CheckEndpoint is CheckRegistry for what a ping needs: it asks for no name, and takes any type.
func CheckEndpoint(r store.Registry) (store.Registry, error) {
	r.URL = strings.TrimRight(r.URL, "/")
	u, err := checkURL("the url of the registry", r.URL)
	if err != nil {
		return r, err
	}
	if u.RawQuery != "" {
		return r, errs.New(errs.Invalid, "the url of the registry has a query").WithHint("leave away what follows the ?")
	}
	if r.CredentialType == "" {
		r.CredentialType = CredentialBasic
	}
	switch {
	case !slices.Contains([]string{CredentialBasic, "secret", "oauth"}, r.CredentialType):
		return r, errs.New(errs.Invalid, "there are no credentials of the type %s", clip(r.CredentialType)).WithHint("write basic")
	case strings.Contains(r.AccessKey, ":"):
		return r, errs.New(errs.Invalid, "the access_key has a colon in it, which no user name can").WithHint("give the secret as access_secret")
	case r.CACertificate != "" && !x509.NewCertPool().AppendCertsFromPEM([]byte(r.CACertificate)):
		return r, errs.New(errs.Invalid, "the ca_certificate is none").WithHint("give it in PEM, as in -----BEGIN CERTIFICATE-----…")
	}
	return r, nil
}

// Host is the host of the endpoint.
func (a Adapter) Host() string { return strings.TrimPrefix(a.Endpoint, "https://") }
