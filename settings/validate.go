package settings

import (
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/internal/transport"
	"github.com/sealock/sealock/store/robotdb"
	"github.com/sealock/sealock/store/workload"
)

// complete fills in what depends on other settings.
func (c *Config) complete() {
	if c.Policy.Dir == "" {
		c.Policy.Dir = filepath.Join(c.DataDir, "policy")
	}
	if len(c.ExternalURLs) == 0 {
		c.ExternalURLs = externalURLs(c.Listen, c.TLS.Enabled())
	}
	c.completeWorkloads()
	for i := range c.Token.Services {
		if c.Token.Services[i].KeyHeader == "" {
			c.Token.Services[i].KeyHeader = c.Token.KeyHeader
		}
	}
}

// externalURLs guesses how a listener is reached: by its host, and where that is this machine, by all its names.
func externalURLs(listen string, tls bool) []string {
	scheme := "http://"
	if tls {
		scheme = "https://"
	}
	host, port, err := net.SplitHostPort(listen)
	if _, unix := transport.UnixPath(listen); unix || err != nil {
		return nil // validate says so
	}
	var hosts []string
	addr, addrErr := netip.ParseAddr(host)
	switch {
	case host == "localhost" || addrErr == nil && addr.IsLoopback():
		hosts = []string{host, "localhost", "127.0.0.1", "::1"}
	case host == "" || addrErr == nil && addr.IsUnspecified():
		hosts = []string{"localhost", "127.0.0.1", "::1"}
		if name, err := os.Hostname(); err == nil {
			hosts = append(hosts, name)
		}
		hosts = append(hosts, interfaceAddresses()...)
	default:
		hosts = []string{host}
	}
	var urls []string
	for _, h := range hosts {
		if u := scheme + net.JoinHostPort(h, port); !slices.Contains(urls, u) {
			urls = append(urls, u)
		}
	}
	return urls
}

func interfaceAddresses() []string {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var list []string
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().IsGlobalUnicast() {
			list = append(list, p.Addr().String())
		}
	}
	return list
}

// readSecrets takes secrets from the files that stand for them.
func (c *Config) readSecrets() Faults {
	faults := readSecret(&c.AdminPassword, c.AdminFile, "admin_password")
	faults = append(faults, readSecret(&c.Registry.Notifications.Secret, c.Registry.Notifications.SecretFile, "registry.notifications.secret")...)
	return append(faults, readSecret(&c.Store.URL, c.Store.URLFile, "store.url")...)
}

func readSecret(to *secret.Text, file, key string) Faults {
	if file == "" {
		return nil
	}
	if !to.Empty() {
		return Faults{{key + "_file", "is set together with " + key, "give one of them"}}
	}
	text, err := os.ReadFile(file) //nolint:gosec // the operator chose the file
	if err != nil {
		return Faults{{key + "_file", fmt.Sprintf("can't read %q", file), "check the path and its permissions"}}
	}
	*to = secret.New(strings.TrimRight(string(text), "\r\n"))
	return nil
}

// validate lists what can't work.
func (c *Config) validate() Faults {
	var v validator
	c.validateListen(&v)
	v.check(c.DataDir != "", "data_dir", "is empty", "name a folder")
	v.check(c.Only == "" || c.Only == "auth", "only", fmt.Sprintf("%q is no part", c.Only), "use auth, or leave it away for everything")
	for i, u := range c.ExternalURLs {
		v.origin(fmt.Sprintf("external_urls[%d]", i), u)
	}
	v.networks("trusted_proxies", c.TrustedProxies)
	v.networks("proxy_protocol", c.ProxyProtocol)
	if n := len(c.AdminPassword.Reveal()); n > 0 {
		v.check(n >= 8 && n <= 128, "admin_password", "is not 8 to 128 characters long", "choose another")
	}
	c.validateStore(&v)
	c.validateTLS(&v)
	c.validateToken(&v)
	p := c.Portal
	v.check(p.SessionIdle >= time.Minute, "portal.session_idle", "is shorter than 1m", "use 12h")
	v.check(p.SessionAbsolute >= p.SessionIdle, "portal.session_absolute", "is shorter than session_idle", "let it be longer")
	if err := robotdb.CheckPrefix(c.Robot.Prefix); err != nil {
		v.check(false, "robot.prefix", fmt.Sprintf("can't be %q: %s", c.Robot.Prefix, errs.As(err).Message), errs.As(err).Hint)
	}
	v.check(!workload.Named(strings.ToLower(c.Robot.Prefix)), "robot.prefix", fmt.Sprintf("%q begins the names of workloads", c.Robot.Prefix), "choose another, such as robot~")
	v.check(c.Robot.Duration == -1 || c.Robot.Duration >= 1 && c.Robot.Duration <= 36500, "robot.duration", fmt.Sprintf("%d is no number of days", c.Robot.Duration), "use 1 to 36500, or -1 for robots that do not end")
	c.validateWorkloads(&v)
	v.check(c.PAT.MaxLife >= 0, "pat.max_life", "is negative", "use 0s for no bound")
	c.validateLockout(&v)
	c.validatePulls(&v)
	v.check(slices.Contains([]string{PolicyInFile, PolicyInStore}, c.Policy.In), "policy.in", fmt.Sprintf("%q is unknown", c.Policy.In), "use file or store")
	c.validateAudit(&v)
	v.check(slices.Contains([]string{"debug", "info", "warn", "error"}, c.Log.Level), "log.level", fmt.Sprintf("%q is no level", c.Log.Level), "use debug, info, warn or error")
	v.check(slices.Contains([]string{"text", "json"}, c.Log.Format), "log.format", fmt.Sprintf("%q is no format", c.Log.Format), "use text or json")
	return v.faults
}

func (c *Config) validateListen(v *validator) {
	if path, ok := transport.UnixPath(c.Listen); ok {
		v.check(path != "", "listen", "names no path", "write it like unix:/run/sealock/sealock.sock")
		v.check(len(c.ExternalURLs) > 0, "external_urls", "are not set, and a unix socket does not say them", "name the URL of the proxy before it, such as https://registry.example.com")
	} else {
		v.address("listen", c.Listen)
	}
	mode, err := c.SocketPermissions()
	v.check(err == nil && mode&0o600 == 0o600, "socket_mode", fmt.Sprintf("%q is no mode of a socket that its owner can use", c.SocketMode),
		"write it like 660: YAML reads a number with a leading 0 as another one")
	l := c.Limits
	for _, limit := range []struct {
		key string
		d   time.Duration
	}{{"header", l.Header}, {"idle", l.Idle}, {"stall", l.Stall}} {
		v.check(limit.d >= time.Second, "limits."+limit.key, fmt.Sprintf("%s is under a second", limit.d), "give clients some time")
	}
	v.check(l.MinRate >= 1 && l.MinRate <= 1<<20, "limits.min_rate", fmt.Sprintf("%d is no rate to ask of a client", l.MinRate), "use 1 to 1048576 bytes a second")
	v.check(c.Drain.Stop >= 0, "drain.stop", "is negative", "use 0s to cut off what is under way")
	v.check(c.Drain.Restart >= 0, "drain.restart", "is negative", "use 0s to cut off what is under way")
}

// SocketPermissions reads SocketMode.
func (c *Config) SocketPermissions() (fs.FileMode, error) {
	mode, err := strconv.ParseUint(c.SocketMode, 8, 9)
	return fs.FileMode(mode), err
}

// validateStore quotes nothing of the URL: there is a password inside.
func (c *Config) validateStore(v *validator) {
	if c.Store.URL.Empty() {
		return
	}
	const form = "write it like postgres://user:password@host/sealock or mysql://user:password@host:3306/sealock; a special character in the password is written as %40 (@), %2F (/), …"
	u, err := url.Parse(c.Store.URL.Reveal())
	if err != nil {
		v.check(false, "store.url", "is no URL", form)
		return
	}
	v.check(slices.Contains([]string{"postgres", "postgresql", "mysql", "mariadb"}, u.Scheme), "store.url", "names no kind of database that is known", form)
	v.check(strings.Trim(u.Path, "/") != "", "store.url", "names no database", form)
}

// minNotificationSecret is how long a secret must be that can be guessed at without end.
const minNotificationSecret = 16

func (c *Config) validateTLS(v *validator) {
	t := c.TLS
	v.check((t.CertFile == "") == (t.KeyFile == ""), "tls", "cert_file and key_file go together", "set both or none")
	v.check(!t.SelfSigned || t.CertFile == "", "tls.self_signed", "is set together with cert_file", "choose one")
	v.check(len(t.Certificates) == 0 || t.CertFile != "", "tls.certificates", "are set without a first one", "set tls.cert_file and tls.key_file too")
	if t.RedirectListen != "" {
		v.address("tls.redirect_listen", t.RedirectListen)
		v.check(t.RedirectListen != c.Listen, "tls.redirect_listen", "is the same as listen", "choose another port, such as :80")
		secure := slices.ContainsFunc(c.ExternalURLs, func(u string) bool { return strings.HasPrefix(u, "https://") })
		v.check(secure, "tls.redirect_listen", "is set, and no URL in external_urls begins with https://", "name the one that clients are to use")
	}
	for i, c := range t.Certificates {
		v.check(c.CertFile != "" && c.KeyFile != "", fmt.Sprintf("tls.certificates[%d]", i), "cert_file and key_file go together", "set both")
	}
	if c.Registry.URL != "" {
		v.origin("registry.url", c.Registry.URL)
	}
	v.check(slices.Contains([]string{"", RedirectsPass, RedirectsFollow}, c.Registry.Redirects), "registry.redirects", fmt.Sprintf("%q is unknown", c.Registry.Redirects), "use pass or follow")
	if told := c.Registry.Notifications.Secret; !told.Empty() {
		v.check(c.Registry.URL != "", "registry.notifications", "is set without a registry that could tell", "set registry.url to where sealock reaches it")
		plain := !strings.ContainsFunc(told.Reveal(), func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' })
		v.check(len(told.Reveal()) >= minNotificationSecret && plain, "registry.notifications.secret", "is short, or holds blanks, quotes or other than ASCII",
			fmt.Sprintf("use at least %d letters and digits, such as from openssl rand -hex 32", minNotificationSecret))
	}
	v.check(c.Registry.CAFile == "" || strings.HasPrefix(c.Registry.URL, "https://"), "registry.ca_file", "is set for a registry without https", "set registry.url to an https URL")
}

func (c *Config) validateToken(v *validator) {
	t := c.Token
	v.check(t.Life >= auth.MinTokenLife, "token.life", fmt.Sprintf("%s is under a minute, which clients do not believe", t.Life), "use 60s or more; 300s is a good value")
	v.check(slices.Contains([]string{auth.ES256, auth.RS256, auth.EdDSA}, t.Algorithm), "token.algorithm", fmt.Sprintf("%q is unknown", t.Algorithm), "use ES256, RS256 or EdDSA")
	v.header("token.key_header", t.KeyHeader)
	v.check(t.Issuer != "", "token.issuer", "is empty", "use the registries' auth.token.issuer")
	v.check(t.RotateEvery >= 0, "token.rotate_every", "is negative", "use 0s for rotation by hand")
	v.check(t.CertLife >= 24*t.Life, "token.cert_life", fmt.Sprintf("%s is short beside a token's life of %s", t.CertLife, t.Life), "use a day or more")
	v.check(t.UploadGrace >= 0 && t.UploadGrace <= 7*day, "token.upload_grace", fmt.Sprintf("%s is negative or over a week", t.UploadGrace), "use 12h, or 0s for none")
	v.check(t.RefreshIdle > 0 && t.RefreshAbsolute >= t.RefreshIdle, "token.refresh_absolute", "is shorter than refresh_idle", "let it be longer")
	names := []string{auth.APIService}
	add := func(key, name string) {
		v.check(name != "", key, "is empty", "use the registry's auth.token.service")
		v.check(!slices.Contains(names, name), key, fmt.Sprintf("the service %q is there already or reserved", name), "choose another name")
		names = append(names, name)
	}
	add("token.service", t.Service)
	for i, s := range t.Services {
		key := fmt.Sprintf("token.services[%d]", i)
		add(key+".name", s.Name)
		v.header(key+".key_header", s.KeyHeader)
	}
}

func (c *Config) validateAudit(v *validator) {
	a := c.Audit
	v.check(a.Keep == 0 || a.Keep >= time.Hour, "audit.keep", fmt.Sprintf("%s is no time to keep a record", a.Keep), "use 1h or more, or 0s for ever")
	_, ok := a.PullsEvery()
	v.check(ok, "audit.pulls", fmt.Sprintf("%q is no choice of pulls", a.Pulls), "use all, none, or 1/10 for one in ten")
	if a.Syslog != "" {
		if _, _, err := audit.ParseSyslog(a.Syslog); err != nil {
			v.check(false, "audit.syslog", errs.As(err).Message, errs.As(err).Hint) // there may be a password inside
		}
	}
}

func (c *Config) validateLockout(v *validator) {
	l := c.Lockout
	v.check(l.AccountFailures >= 0, "lockout.account_failures", "is negative", "use 0 to lock no account")
	v.check(l.AddressFailures >= 0, "lockout.address_failures", "is negative", "use 0 to lock no address")
	v.check(l.First >= time.Second, "lockout.first", fmt.Sprintf("%s is under a second", l.First), "use 1s or more; account_failures: 0 and address_failures: 0 turn the lockout off")
	v.check(l.Max >= l.First, "lockout.max", fmt.Sprintf("%s is shorter than lockout.first", l.Max), "let it be longer")
	v.check(l.Forget >= l.Max, "lockout.forget", fmt.Sprintf("%s is shorter than lockout.max", l.Forget), "let it be longer")
	v.networks("lockout.trusted", l.Trusted)
}

func (c *Config) validatePulls(v *validator) {
	p := c.Pulls
	v.check(p.PerUser >= 0, "pulls.per_user", "is negative", "use 0 for any number")
	v.check(p.PerAddress >= 0, "pulls.per_address", "is negative", "use 0 for any number")
	v.check(p.Window >= time.Second, "pulls.window", fmt.Sprintf("%s is under a second", p.Window), "use 1s or more; per_user: 0 and per_address: 0 turn the limits off")
	v.networks("pulls.exempt", p.Exempt)
}

// ListsHosts reports whether external_urls were listed, rather than made from listen: a guess may miss names.
func (c Config) ListsHosts() bool {
	return !slices.Equal(c.ExternalURLs, externalURLs(c.Listen, c.TLS.Enabled()))
}

// validator collects faults.
type validator struct{ faults Faults }

func (v *validator) check(ok bool, key, what, remedy string) {
	if !ok {
		v.faults = append(v.faults, Fault{key, what, remedy})
	}
}

func (v *validator) address(key, address string) {
	_, port, err := net.SplitHostPort(address)
	_, portErr := strconv.ParseUint(port, 10, 16)
	v.check(err == nil && portErr == nil, key, fmt.Sprintf("%q is no host:port", address), "write it like localhost:8080 or :8080")
}

func (v *validator) networks(key string, list []string) {
	for i, p := range list {
		_, addrErr := netip.ParseAddr(p)
		_, prefixErr := netip.ParsePrefix(p)
		v.check(addrErr == nil || prefixErr == nil, fmt.Sprintf("%s[%d]", key, i), fmt.Sprintf("%q is no address or network", p), "write it like 10.0.0.7 or 10.0.0.0/8")
	}
}

func (v *validator) header(key string, h auth.Header) {
	v.check(h == auth.HeaderX5C || h == auth.HeaderKeyID, key, fmt.Sprintf("%q is unknown", h), "use x5c or kid")
}

func (v *validator) origin(key, raw string) {
	u, err := url.Parse(raw)
	ok := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && strings.Trim(u.Path, "/") == "" && u.User == nil && u.RawQuery == ""
	if err == nil {
		raw = u.Redacted()
	}
	v.check(ok, key, fmt.Sprintf("%q is no URL of a host", raw), "write it like https://registry.example.com:8443, without a user and a path")
}
