package settings_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/sealock/sealock/settings"
)

// acme returns settings of a server with a name, and more lines.
func acme(lines ...string) string {
	return "external_urls: [https://r.example.com]\n" + strings.Join(lines, "\n") + "\n"
}

func TestACMETakesWhatIsKnown(t *testing.T) {
	for _, tt := range []struct {
		name, yaml              string
		hosts, urls, challenges []string
	}{
		{
			"names of the URLs",
			"external_urls: ['https://R.example.com:8443', 'http://plain.example.com', 'https://r.example.com', 'https://s.example.com']\ntls: {acme: {agree_to_terms: true}}\n",
			[]string{"r.example.com", "s.example.com"},
			nil,
			[]string{settings.TLSALPN01},
		},
		{
			"URLs of the names",
			"listen: ':443'\ntls: {redirect_listen: ':80', acme: {agree_to_terms: true, hosts: [R.example.com]}}\n",
			[]string{"r.example.com"},
			[]string{"https://r.example.com"},
			[]string{settings.TLSALPN01, settings.HTTP01},
		},
		{
			"names beside an address",
			"external_urls: ['https://10.0.0.1', 'https://r.example.com']\ntls: {redirect_listen: ':80', acme: {agree_to_terms: true, hosts: [r.example.com], challenges: [http-01]}}\n",
			[]string{"r.example.com"},
			[]string{"https://10.0.0.1", "https://r.example.com"},
			[]string{settings.HTTP01},
		},
		{
			"a name of one's own CA",
			"listen: ':8443'\ntls: {acme: {agree_to_terms: true, hosts: [registry], directory: 'https://ca.internal/acme'}}\n",
			[]string{"registry"},
			[]string{"https://registry:8443"},
			[]string{settings.TLSALPN01},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg, err := load(t, tt.yaml, []string{"SEALOCK_TLS_ACME_EMAIL=admin@example.com"}, nil)
			if err != nil {
				t.Fatal(err)
			}
			a := cfg.TLS.ACME
			if !slices.Equal(a.Hosts, tt.hosts) || !slices.Equal(a.Challenges, tt.challenges) || tt.urls != nil && !slices.Equal(cfg.ExternalURLs, tt.urls) {
				t.Errorf("hosts %q, URLs %q, challenges %q, want %q, %q, %q", a.Hosts, cfg.ExternalURLs, a.Challenges, tt.hosts, tt.urls, tt.challenges)
			}
			if !cfg.TLS.Enabled() || a.Email != "admin@example.com" {
				t.Errorf("TLS = %v for %s, want it on", cfg.TLS.Enabled(), a.Email)
			}
		})
	}
}

// The key of an account is read from a file and printed nowhere.
func TestACMEKeyIsSecret(t *testing.T) {
	const key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
	_, err := load(t, acme("tls: {acme: {agree_to_terms: true, eab_key: "+key+"!, directory: 'ftp://x'}}"), nil, nil)
	if err == nil || strings.Contains(err.Error(), key) {
		t.Errorf("Load() = %v, want faults without the key", err)
	}
}
