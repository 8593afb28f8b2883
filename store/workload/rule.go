package workload

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sealock/sealock/auth"
)

// Rule says whose JWTs are trusted, and as what. Of several that a JWT fits, the first decides.
type Rule struct {
	Name         string            `koanf:"name"`            // the subject is called ci~ and this
	Issuer       string            `koanf:"issuer"`          // the iss claim, exactly
	Audience     string            `koanf:"audience"`        // what the aud claim has to hold
	Conditions   map[string]Values `koanf:"conditions"`      // claims and what each may be; all of them have to hold
	Any          bool              `koanf:"any"`             // whatever the issuer signs for the audience fits: no condition is needed
	Roles        []Role            `koanf:"roles"`           // what the subject is, and where
	Repositories []string          `koanf:"repositories"`    // patterns of whole repository names: nothing else is in reach
	MaxLife      time.Duration     `koanf:"max_life"`        // tokens end after so long, and with the JWT in any case
	JWKSURL      string            `koanf:"jwks_url"`        // where the issuer's keys are; default: where its OIDC discovery says
	JWKSFile     string            `koanf:"jwks_file"`       // a file with the issuer's keys, where it can't be reached
	CAFile       string            `koanf:"ca_file"`         // CA certificates to trust for the issuer; default: the system's
	TokenFile    string            `koanf:"jwks_token_file"` // a file with the bearer token that the issuer wants to see
}

// Role is a role in one project.
type Role struct {
	Project string `koanf:"project"`
	Role    string `koanf:"role"`
}

// DefaultMaxLife is how long tokens live at most where a rule does not say.
const DefaultMaxLife = 15 * time.Minute

// longestLife bounds what a rule may say: a workload can always come again.
const longestLife = 24 * time.Hour

// The names that a rule's own may not be: they stand for any rule.
const (
	anyRuleJWT  = "jwt"
	anyRuleOIDC = "oidc"
)

// ruleName is what a rule may be called: it becomes a part of the subject's name.
var ruleName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// publicIssuers sign for everybody who has an account there.
func publicIssuers() []string {
	return []string{"https://token.actions.githubusercontent.com", "https://gitlab.com"}
}

// Check says what can't work, and what would let strangers in.
func (r Rule) Check(report func(key, what, remedy string)) {
	check := func(ok bool, key, what, remedy string) {
		if !ok {
			report(key, what, remedy)
		}
	}
	check(ruleName.MatchString(r.Name), "name", fmt.Sprintf("%q is no name of a rule", r.Name), "use small letters, digits and . _ -, at most 63")
	check(r.Name != anyRuleJWT && r.Name != anyRuleOIDC, "name", "stands for any rule", "choose another name")
	check(safeURL(r.Issuer), "issuer", "is no https URL", "write it like https://token.actions.githubusercontent.com (http: for this machine only)")
	check(r.Audience != "", "audience", "is missing", "ask the issuer for JWTs with an audience of this server's own, such as its URL")
	check(r.JWKSURL == "" || safeURL(r.JWKSURL), "jwks_url", "is no https URL", "write it like https://kubernetes.default.svc/openid/v1/jwks (http: for this machine only)")
	check(r.JWKSFile == "" || r.JWKSURL == "" && r.CAFile == "" && r.TokenFile == "", "jwks_file", "is set together with what a request needs", "leave jwks_url, ca_file and jwks_token_file away")
	check(r.MaxLife >= auth.MinTokenLife && r.MaxLife <= longestLife, "max_life", "is not between 1m and 24h", "use 15m")
	check(len(r.Roles) > 0, "roles", "is empty: the workload could do nothing", "give it a role, such as {project: team, role: developer}")
	for i, role := range r.Roles {
		check(role.Project != "" && role.Role != "" && !strings.ContainsAny(role.Project, "*/"), fmt.Sprintf("roles[%d]", i), "names no role in one project", "write it like {project: team, role: developer}")
	}
	for i, pattern := range r.Repositories {
		check(r.reaches(pattern), fmt.Sprintf("repositories[%d]", i), fmt.Sprintf("%q is no pattern for repositories of a project that has a role here", pattern), "write it like team/app-*")
	}
	r.checkConditions(check)
}

func (r Rule) reaches(pattern string) bool {
	project, name, ok := strings.Cut(pattern, "/")
	return ok && auth.ValidPattern(name) && slices.ContainsFunc(r.Roles, func(role Role) bool { return role.Project == project })
}

func (r Rule) checkConditions(check func(ok bool, key, what, remedy string)) {
	for claim, values := range r.Conditions {
		_, err := parsePath(claim)
		check(err == nil, "conditions", fmt.Sprintf("the claim %q %v", claim, err), "write it like repository, or /kubernetes.io/namespace for one inside of another")
		check(len(values) > 0, "conditions", fmt.Sprintf("the claim %q has no value", claim), "say what it may be")
		for _, v := range values {
			check(validValue(v), "conditions", fmt.Sprintf("the claim %q can't be %q", claim, v), "give a text, or a pattern with *, ** and ? only; a list stands for alternatives")
		}
	}
	public := slices.Contains(publicIssuers(), strings.TrimRight(r.Issuer, "/"))
	switch {
	case r.Any && len(r.Conditions) > 0:
		check(false, "any", "is set together with conditions", "choose one")
	case public:
		check(r.identifies(), "conditions", "would let in everybody who has an account at "+r.Issuer,
			"name the owner or the project: repository_owner_id, repository_id, namespace_id or project_id, or a repository, project_path or sub that is literal up to the owner's /")
	case !r.Any:
		check(len(r.Conditions) > 0, "conditions", "is empty: all that the issuer signs for the audience would fit", "add a condition, or say any: true")
	}
}

// identifies reports whether one of the conditions says whose project it is, in the words of GitHub and GitLab. What a
// job says of the workflow that it calls does not: everybody may call a public one.
func (r Rule) identifies() bool {
	ids := []string{"repository_id", "repository_owner_id", "repository_owner", "project_id", "namespace_id", "namespace_path"}
	paths := []string{"repository", "project_path", "sub"}
	for claim, values := range r.Conditions {
		claim = strings.TrimPrefix(claim, "/")
		fits := func(v string) bool {
			prefix, pattern := literalPrefix(v)
			return !pattern && (slices.Contains(ids, claim) || slices.Contains(paths, claim)) ||
				slices.Contains(paths, claim) && strings.Contains(prefix, "/")
		}
		if len(values) > 0 && !slices.ContainsFunc(values, func(v string) bool { return !fits(v) }) {
			return true
		}
	}
	return false
}

// safeURL reports whether what comes from there can be trusted to come from there.
func safeURL(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname())
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// bounds returns what the subject may do at most, or nil where its roles say all.
func (r Rule) bounds() *auth.Permissions {
	if len(r.Repositories) == 0 {
		return nil
	}
	var p auth.Permissions
	for _, pattern := range r.Repositories {
		project, name, _ := strings.Cut(pattern, "/")
		p = append(p, auth.Permission{Project: project, Repositories: []string{name}, Resource: "*", Actions: []string{"*"}})
	}
	return &p
}

func (r Rule) conditions() ([]condition, error) {
	var list []condition
	for claim, values := range r.Conditions {
		path, err := parsePath(claim)
		if err != nil {
			return nil, fmt.Errorf("the claim %q %w", claim, err)
		}
		list = append(list, condition{claim: claim, path: path, values: values})
	}
	return list, nil
}

// origin returns scheme, host and port.
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}
