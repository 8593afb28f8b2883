package settings

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/sealock/sealock/internal/transport"
)

// completeACME takes the hosts from the URLs, or the URLs from the hosts.
func (c *Config) completeACME() {
	a := &c.TLS.ACME
	if !a.Enabled() {
		return
	}
	if len(a.Hosts) == 0 {
		a.Hosts = secureHosts(c.ExternalURLs)
	}
	for i := range a.Hosts {
		a.Hosts[i] = strings.ToLower(a.Hosts[i])
	}
	if _, port, err := net.SplitHostPort(c.Listen); err == nil && len(c.ExternalURLs) == 0 {
		for _, host := range a.Hosts {
			c.ExternalURLs = append(c.ExternalURLs, "https://"+strings.TrimSuffix(net.JoinHostPort(host, port), ":443"))
		}
	}
	if len(a.Challenges) == 0 {
		a.Challenges = []string{TLSALPN01}
		if c.TLS.RedirectListen != "" {
			a.Challenges = append(a.Challenges, HTTP01)
		}
	}
}

// secureHosts returns the hosts of URLs with https.
func secureHosts(urls []string) []string {
	var hosts []string
	for _, raw := range urls {
		u, err := url.Parse(raw)
		if err != nil || u.Scheme != "https" { // validate says what is wrong with it
			continue
		}
		if host := strings.ToLower(u.Hostname()); host != "" && !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

func (c *Config) validateACME(v *validator) {
	a := c.TLS.ACME
	if !a.Enabled() {
		v.check(c.TLS.ACME.empty(), "tls.acme", "is set without agree_to_terms", "read the terms of the CA, and set tls.acme.agree_to_terms to true")
		return
	}
	v.check(c.TLS.CertFile == "" && len(c.TLS.Certificates) == 0, "tls.acme", "is set together with cert_file or certificates", "choose one")
	v.check(!c.TLS.SelfSigned, "tls.acme", "is set together with self_signed", "choose one")
	_, unix := transport.UnixPath(c.Listen)
	v.check(!unix, "tls.acme", "is set, and listen is a unix socket, where no CA can look", "listen on an address, or let the proxy before it have the certificate")
	c.validateACMEHosts(v)
	c.validateChallenges(v)
	u, err := url.Parse(a.Directory)
	v.check(err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil, "tls.acme.directory", "is no https URL", "write it like "+LetsEncrypt)
	v.check(a.Email == "" || strings.Count(a.Email, "@") == 1 && !strings.ContainsAny(a.Email, " ,<>:"), "tls.acme.email", fmt.Sprintf("%q is no e-mail address", a.Email), "write it like admin@example.com")
	v.check((a.EABKeyID == "") == a.EABKey.Empty(), "tls.acme", "eab_key_id and eab_key (or eab_key_file) go together", "set both or none")
	_, err = base64.RawURLEncoding.DecodeString(a.EABKey.Reveal())
	v.check(err == nil, "tls.acme.eab_key", "is not in base64url", "copy it as the CA shows it")
}

// empty reports whether nothing is said.
func (a ACME) empty() bool {
	return a.Email == "" && len(a.Hosts) == 0 && len(a.Challenges) == 0 && (a.Directory == LetsEncrypt || a.Directory == "") && a.CAFile == "" &&
		a.Profile == "" && a.EABKeyID == "" && a.EABKey.Empty()
}

func (c *Config) validateACMEHosts(v *validator) {
	a := c.TLS.ACME
	v.check(len(a.Hosts) > 0, "tls.acme.hosts", "are not set, and no URL in external_urls begins with https://", "name the hosts, such as registry.example.com")
	for i, host := range a.Hosts {
		key := fmt.Sprintf("tls.acme.hosts[%d]", i)
		_, ipErr := netip.ParseAddr(host)
		switch {
		case ipErr == nil:
			v.check(false, key, fmt.Sprintf("%s is an address, for which no certificate is asked", host), "list the names alone in tls.acme.hosts")
		case strings.HasPrefix(host, "*"):
			v.check(false, key, fmt.Sprintf("%q stands for many names, which tls-alpn-01 and http-01 can't show", host), "list each name")
		case !isHostName(host):
			v.check(false, key, fmt.Sprintf("%q is no name of a host", host), "write it like registry.example.com, without scheme and port")
		case a.Directory == LetsEncrypt:
			v.check(strings.Contains(host, "."), key, fmt.Sprintf("%q is no name that Let's Encrypt could find", host), "use one that is in public DNS, or name a CA of your own in tls.acme.directory")
		}
		v.check(slices.Index(a.Hosts, host) == i, key, fmt.Sprintf("%q is there twice", host), "leave one away")
	}
}

// isHostName checks what could be in a certificate and in a file's name.
func isHostName(host string) bool {
	if len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return true
}

func (c *Config) validateChallenges(v *validator) {
	a := c.TLS.ACME
	for i, name := range a.Challenges {
		key := fmt.Sprintf("tls.acme.challenges[%d]", i)
		v.check(name == HTTP01 || name == TLSALPN01, key, fmt.Sprintf("%q is unknown", name), "use http-01 or tls-alpn-01")
	}
	if !a.Answers(HTTP01) {
		return
	}
	v.check(c.TLS.RedirectListen != "", "tls.acme.challenges", "http-01 is answered on tls.redirect_listen, which is not set", "set it, such as to :80, or use tls-alpn-01 alone")
	one, _, _ := net.SplitHostPort(c.Listen)
	other, _, _ := net.SplitHostPort(c.TLS.RedirectListen)
	v.check(!a.Answers(TLSALPN01) || one == other || everywhere(one) || everywhere(other), "tls.acme.challenges", "listen and tls.redirect_listen are at different hosts", "use one challenge, or one host")
}

// everywhere reports whether a listener's host is none.
func everywhere(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "" || err == nil && addr.IsUnspecified()
}
