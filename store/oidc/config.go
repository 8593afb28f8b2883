package oidc

import (
	"net"
	"net/url"
	"regexp"
	"slices"
	"time"

	"github.com/sealock/sealock/internal/secret"
)

// Config is what a source of this type has to set.
type Config struct {
	Title      string      `koanf:"title" doc:"What the sign-in page calls the provider. Default: the source's name."`
	Issuer     string      `koanf:"issuer" doc:"The provider's issuer URL; what it is made of comes from its /.well-known/openid-configuration."`
	ClientID   string      `koanf:"client_id" doc:"The client that sealock is registered as there."`
	Secret     secret.Text `koanf:"client_secret" doc:"Its secret. Leave it away for a public client: PKCE is always used."`
	SecretFile string      `koanf:"client_secret_file" doc:"File that holds the client's secret."`
	Scopes     []string    `koanf:"scopes" doc:"What is asked for. With offline_access, sealock asks the provider again and again whether the person is still there."`

	Username    string `koanf:"username_claim" doc:"Claim that holds a person's name here, such as preferred_username or email."`
	Groups      string `koanf:"groups_claim" doc:"Claim that holds the person's groups, a list of names; a dot leads into an object (realm_access.roles)."`
	GroupFilter string `koanf:"group_filter" doc:"Regular expression: only groups that it matches count."`
	AdminGroup  string `koanf:"admin_group" doc:"Group whose members are system administrators, as long as the provider says so."`
	AutoOnboard bool   `koanf:"auto_onboard" doc:"Whoever the provider lets in becomes a user. With false, only who is a user already can sign in."`

	CAFile     string            `koanf:"ca_file" doc:"CA certificates in PEM form to trust for the provider. Default: the system's."`
	Extra      map[string]string `koanf:"extra_params" doc:"Further parameters of the authorization request, such as {prompt: select_account}."`
	LoginValid time.Duration     `koanf:"login_valid" doc:"Without offline_access: how long a sign-in is believed, for personal access tokens and all else."`
	Recheck    time.Duration     `koanf:"recheck" doc:"With offline_access: how old the provider's word may be."`
	Timeout    time.Duration     `koanf:"timeout" doc:"How long each question to the provider may take."`
}

// Default returns the settings that were not given.
func Default() Config {
	return Config{
		Scopes: []string{"openid", "profile", "email"}, Username: "preferred_username", AutoOnboard: true,
		LoginValid: 30 * 24 * time.Hour, Recheck: 5 * time.Minute, Timeout: 10 * time.Second,
	}
}

// Check says what can't work.
func (c Config) Check(report func(key, what, remedy string)) {
	if err := checkIssuer(c.Issuer); err != "" {
		report("issuer", err, "write it like https://id.example.com, as the provider does in its openid-configuration")
	}
	if c.ClientID == "" {
		report("client_id", "is missing", "register sealock at the provider, with the redirect URL https://HOST/oidc/NAME/callback")
	}
	if !slices.Contains(c.Scopes, "openid") {
		report("scopes", "leave openid away", "add openid")
	}
	if c.Username == "" {
		report("username_claim", "is empty", "use preferred_username")
	}
	if _, err := regexp.Compile(c.GroupFilter); err != nil {
		report("group_filter", "is no regular expression", "write it like ^registry-")
	}
	if c.Groups == "" && (c.AdminGroup != "" || c.GroupFilter != "") {
		report("groups_claim", "is empty, so that nobody is in a group", "name the claim, such as groups")
	}
	for key := range c.Extra {
		if slices.Contains(ownParameters(), key) {
			report("extra_params", "holds "+key+", which sealock sets itself", "leave it away")
		}
	}
	if c.LoginValid < time.Minute {
		report("login_valid", "is shorter than 1m", "use 720h")
	}
	if c.Recheck < 10*time.Second || c.Recheck > 24*time.Hour {
		report("recheck", "is not between 10s and 24h", "use 5m")
	}
	if c.Timeout < time.Second || c.Timeout > time.Minute {
		report("timeout", "is not between 1s and 1m", "use 10s")
	}
}

// ownParameters are those of an authorization request that guard it.
func ownParameters() []string {
	return []string{
		"client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "code_challenge", "code_challenge_method",
		"request", "request_uri",
	}
}

// checkIssuer says what is wrong with an issuer; "" is nothing. Without TLS, anybody on the way could be the provider.
func checkIssuer(issuer string) string {
	u, err := url.Parse(issuer)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http":
		return "is no https URL without user, query and fragment"
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return "is no https URL"
	}
	return ""
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
