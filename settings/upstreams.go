package settings

import (
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
)

// hasStock reports whether there is a registry in another process.
func (c *Config) hasStock() bool {
	return c.Registry.URL != "" || slices.ContainsFunc(c.Registries, func(u Upstream) bool { return u.URL != Embedded })
}

// embeddedOne returns what the settings say of the embedded registry; a URL of "" is that there is none.
func (c *Config) embeddedOne() Upstream {
	for _, u := range append([]Upstream{c.Registry.Default()}, c.Registries...) {
		if u.URL == Embedded {
			return u
		}
	}
	return Upstream{}
}

// hasEmbedded reports whether there is a registry in this process.
func (c *Config) hasEmbedded() bool { return c.embeddedOne().URL != "" }

// Default returns what registry says, as one of several.
func (r Registry) Default() Upstream {
	u := Upstream{URL: r.URL, URLs: r.URLs, CAFile: r.CAFile, Redirects: r.Redirects, StorageHosts: r.StorageHosts}
	if u.URL == "" {
		u.URL = Embedded
	}
	if u.Redirects == "" {
		u.Redirects = RedirectsPass
	}
	return u
}

func (c *Config) validateRegistries(v *validator) {
	c.validateUpstream(v, "registry", c.Registry.Default())
	embedded := c.Registry.URL == ""
	names, projects, hosts := map[string]bool{"default": true}, map[string]bool{}, map[string]bool{}
	for i, u := range c.Registries {
		key := fmt.Sprintf("registries[%d]", i)
		v.check(sourceName.MatchString(u.Name), key+".name", fmt.Sprintf("%q is no name of a registry", u.Name), "use small letters, digits and . _ -, at most 63")
		v.check(!names[u.Name], key+".name", fmt.Sprintf("the name %q is there already or reserved", u.Name), "give each registry a name of its own")
		names[u.Name] = true
		v.check(u.URL != Embedded || !embedded, key+".url", "is the embedded registry, which is there already", "there is one: set registry.url, or leave this one away")
		embedded = embedded || u.URL == Embedded
		v.check(len(u.Projects)+len(u.Hosts) > 0, key, "is for no projects and no hosts", "list projects that live there, or hosts under which clients read from it")
		c.validateUpstream(v, key, u)
		for j, p := range u.Projects {
			v.project(fmt.Sprintf("%s.projects[%d]", key, j), p, projects)
		}
		for j, h := range u.Hosts {
			c.validateUpstreamHost(v, fmt.Sprintf("%s.hosts[%d]", key, j), h, hosts)
		}
		other := slices.ContainsFunc(c.Token.Services, func(s Service) bool { return s.Name == u.Service })
		v.check(u.Service == "" || u.Service == c.Token.Service || other, key+".service", fmt.Sprintf("there is no service %q", u.Service), "add it under token.services")
	}
	h := c.Upstreams
	v.check(h.CheckEvery >= 0, "upstreams.check_every", "is negative", "use 0s for no checks")
	v.check(h.CheckTimeout > 0, "upstreams.check_timeout", "is no time to answer", "use 3s")
}

func (c *Config) validateUpstream(v *validator, key string, u Upstream) {
	v.check(slices.Contains([]string{RedirectsPass, RedirectsFollow}, u.Redirects), key+".redirects", fmt.Sprintf("%q is unknown", u.Redirects), "use pass or follow")
	if u.URL == Embedded {
		v.check(len(u.URLs) == 0, key+".urls", "are set for the embedded registry", "set url to the first of them")
		v.check(u.CAFile == "", key+".ca_file", "is set for a registry without https", "set url to an https URL")
		return
	}
	v.origin(key+".url", u.URL)
	for i, more := range u.URLs {
		k := fmt.Sprintf("%s.urls[%d]", key, i)
		v.origin(k, more)
		v.check(more != u.URL && !slices.Contains(u.URLs[:i], more), k, fmt.Sprintf("%q is there already", more), "leave it away")
	}
	secure := slices.ContainsFunc(append([]string{u.URL}, u.URLs...), func(s string) bool { return strings.HasPrefix(s, "https://") })
	v.check(u.CAFile == "" || secure, key+".ca_file", "is set for a registry without https", "set "+key+".url to an https URL")
	for i, h := range u.StorageHosts {
		_, prefixErr := netip.ParsePrefix(h)
		v.check(prefixErr == nil || h != "" && !strings.ContainsAny(h, "/ "), fmt.Sprintf("%s.storage_hosts[%d]", key, i), fmt.Sprintf("%q is no host, address or network", h), "write it like minio.internal or 10.0.0.0/8")
	}
}

// project holds a name or a pattern to what can be one, once.
func (v *validator) project(key, p string, seen map[string]bool) {
	_, err := path.Match(p, "")
	v.check(err == nil && p != "" && !strings.Contains(p, "/"), key, fmt.Sprintf("%q is no project and no pattern of projects", p), "write it like team or team-*")
	v.check(!seen[p], key, fmt.Sprintf("%q is there already", p), "a project lives in one registry")
	seen[p] = true
}

// validateUpstreamHost wants a name that clients can use: others are not this server's.
func (c *Config) validateUpstreamHost(v *validator, key, host string, seen map[string]bool) {
	host = strings.ToLower(host)
	known := slices.ContainsFunc(c.ExternalURLs, func(raw string) bool {
		u, err := url.Parse(raw)
		return err == nil && (strings.ToLower(u.Host) == host || strings.ToLower(u.Hostname()) == host)
	})
	v.check(known, key, fmt.Sprintf("%q is not the host of any of external_urls", host), "add https://"+host+" there")
	v.check(!seen[host], key, fmt.Sprintf("%q is there already", host), "a host name leads to one registry")
	seen[host] = true
}
