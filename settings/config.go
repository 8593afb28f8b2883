// Package settings owns what an operator may set: the file sealock.yaml, the environment and the flags, read over
// defaults and checked as a whole. It does not act on any of it (cmd/sealock does).
package settings

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/store/robotdb"
	"github.com/sealock/sealock/store/workload"
)

// Config is everything that can be set. The doc tags are what docs/config.md says; the env names are SEALOCK_ and the
// key in upper case with dots as underscores.
type Config struct {
	Listen         string      `koanf:"listen" doc:"Address to listen on: host:port, :port, or unix:/path for a unix socket, whose clients count as 127.0.0.1."`
	SocketMode     string      `koanf:"socket_mode" doc:"Permissions of the unix socket, in octal without a leading 0."`
	DataDir        string      `koanf:"data_dir" doc:"Folder for the database, keys, policy and the embedded registry's blobs."`
	ExternalURLs   []string    `koanf:"external_urls" doc:"URLs under which clients reach this server. Realms and Locations follow the request's host if it is in the list, and else name the first entry. Default: made from listen."`
	TrustedProxies []string    `koanf:"trusted_proxies" doc:"Addresses or networks (CIDR) of proxies whose X-Forwarded-For, -Proto and -Host are believed."`
	ProxyProtocol  []string    `koanf:"proxy_protocol" doc:"Addresses or networks (CIDR) of load balancers that begin each connection with the PROXY protocol (version 1 or 2), which has to come from them and is refused from anybody else."`
	AdminPassword  secret.Text `koanf:"admin_password" doc:"Password of the administrator admin, set when the database is made. Default: a random one, printed once. Give it by the environment or by admin_password_file."`
	AdminFile      string      `koanf:"admin_password_file" doc:"File that holds the administrator's first password."`
	Only           string      `koanf:"only" doc:"Run one part only: auth (the token server and the REST API, without the front proxy). Default: everything."`

	Sources []Source `koanf:"sources" doc:"Where users come from, asked in this order: a list of name, type (database, htpasswd, ldap, oidc or external) and what the type needs, see sources.md. Default: the database."`

	Workloads []workload.Rule `koanf:"workloads" doc:"Whose JWTs are trusted instead of a password, such as those of CI jobs and pods: a list of rules, see keyless.md."`

	Store    Store    `koanf:"store"`
	TLS      TLS      `koanf:"tls"`
	Limits   Limits   `koanf:"limits"`
	Drain    Drain    `koanf:"drain"`
	Registry Registry `koanf:"registry"`

	Registries []Upstream `koanf:"registries" doc:"Further registries behind the same front proxy, for some projects or host names: a list of name, url, urls, ca_file, projects, hosts, service, redirects and storage_hosts, see proxy.md. The one above stays the default."`

	Upstreams Upstreams `koanf:"upstreams"`
	Token     Token     `koanf:"token"`
	Robot     Robot     `koanf:"robot"`
	PAT       PAT       `koanf:"pat"`
	Lockout   Lockout   `koanf:"lockout"`
	Pulls     Pulls     `koanf:"pulls"`
	Policy    Policy    `koanf:"policy"`
	Portal    Portal    `koanf:"portal"`
	Audit     Audit     `koanf:"audit"`
	Log       Log       `koanf:"log"`
}

// Store says where records are kept.
type Store struct {
	URL     secret.Text `koanf:"url" doc:"URL of a PostgreSQL or MySQL/MariaDB database, such as postgres://user:password@host/sealock or mysql://user:password@host:3306/sealock (docs/stores.md). Default: SQLite, in data_dir."`
	URLFile string      `koanf:"url_file" doc:"File that holds that URL."`
}

// TLS says how clients reach the listener.
type TLS struct {
	CertFile   string `koanf:"cert_file" doc:"Certificate chain in PEM form. With key_file, the listener speaks TLS. Both files are read again when they change."`
	KeyFile    string `koanf:"key_file" doc:"Private key in PEM form."`
	SelfSigned bool   `koanf:"self_signed" doc:"Speak TLS with a certificate of sealock's own CA, for the hosts of external_urls; 'sealock ca' says how clients come to trust it."`

	RedirectListen string `koanf:"redirect_listen" doc:"A second address, such as :80, where clients over plain HTTP are sent to the https URL among external_urls that has the host they ask for. Default: none."`

	Certificates []Certificate `koanf:"certificates" doc:"Further certificates, for other host names: a list of cert_file and key_file. A client gets the first one that has the name it asks for, cert_file's before these."`

	ACME ACME `koanf:"acme"`
}

// Certificate names the files of a certificate.
type Certificate struct {
	CertFile string `koanf:"cert_file"`
	KeyFile  string `koanf:"key_file"`
}

// Enabled reports whether the listener speaks TLS.
func (t TLS) Enabled() bool { return t.SelfSigned || t.CertFile != "" || t.ACME.Enabled() }

// ACME says which CA gives certificates by itself (docs/proxy.md).
type ACME struct {
	AgreeToTerms bool        `koanf:"agree_to_terms" doc:"true: you agree to the terms of the CA (Let's Encrypt: https://letsencrypt.org/repository/), and the listener speaks TLS with certificates that it gives. They and the account are kept in data_dir/acme."`
	Email        string      `koanf:"email" doc:"Where the CA writes to when something is wrong. Default: it has no address."`
	Hosts        []string    `koanf:"hosts" doc:"Names to have certificates for. Default: those in external_urls that begin with https://."`
	Challenges   []string    `koanf:"challenges" doc:"How the CA looks whether this server has a name: tls-alpn-01 (on port 443, which has to lead to listen) and http-01 (on port 80, which has to lead to tls.redirect_listen). Default: tls-alpn-01, and http-01 where tls.redirect_listen is set."`
	Directory    string      `koanf:"directory" doc:"URL of the CA's ACME directory. For trying out: https://acme-staging-v02.api.letsencrypt.org/directory."`
	CAFile       string      `koanf:"ca_file" doc:"CA certificates in PEM form to trust when asking that directory. Default: the system's."`
	Profile      string      `koanf:"profile" doc:"Kind of certificate, among those that the directory offers. Default: the CA's choice."`
	EABKeyID     string      `koanf:"eab_key_id" doc:"Key id of your account at a CA that asks for one (external account binding)."`
	EABKey       secret.Text `koanf:"eab_key" doc:"The key to it, in base64url. Give it by the environment or by eab_key_file."`
	EABKeyFile   string      `koanf:"eab_key_file" doc:"File that holds that key."`
}

// LetsEncrypt is the directory of the CA that is asked unless another one is named.
const LetsEncrypt = "https://acme-v02.api.letsencrypt.org/directory"

// Challenges of ACME.
const (
	HTTP01    = "http-01"
	TLSALPN01 = "tls-alpn-01"
)

// Enabled reports whether certificates come from a CA.
func (a ACME) Enabled() bool { return a.AgreeToTerms }

// Answers reports whether the CA may look in that way.
func (a ACME) Answers(challenge string) bool { return slices.Contains(a.Challenges, challenge) }

// Limits says how slow a client may be. There is no limit on how long a body takes as a whole: a layer of 20 GB may take hours.
type Limits struct {
	Header  time.Duration `koanf:"header" doc:"How long the head of a request may take to arrive."`
	Idle    time.Duration `koanf:"idle" doc:"A connection on which nothing is asked for so long is closed."`
	Stall   time.Duration `koanf:"stall" doc:"A body on its way in or out that comes on for so long at less than min_rate is cut off. Time in which sealock or the registry behind it keeps the client waiting does not count."`
	MinRate int           `koanf:"min_rate" doc:"In bytes a second."`
}

// Drain says how long requests under way may take to finish.
type Drain struct {
	Stop    time.Duration `koanf:"stop" doc:"How long requests under way, such as pushes, may take to finish when the server is told to stop (SIGTERM). Let the service manager wait a little longer before it kills."`
	Restart time.Duration `koanf:"restart" doc:"The same after a restart without a gap (SIGHUP), when the new process serves already."`
}

// Registry says which registry the front proxy stands before.
type Registry struct {
	URL    string `koanf:"url" doc:"URL of a stock registry (2.8 or 3.x) to stand before. Default: the embedded registry."`
	CAFile string `koanf:"ca_file" doc:"CA certificates in PEM form to trust for that registry."`

	URLs         []string `koanf:"urls" doc:"Further URLs of that registry: replicas with the same storage and http.secret. Requests go to those that are well, in turn."`
	Redirects    string   `koanf:"redirects" doc:"How clients get blobs that a registry keeps in an object store, such as S3: pass (they are sent there, with a URL that is good for minutes) or follow (sealock fetches the blob; clients need no way there). Default: pass, unless storage has redirect: {disable: true}."`
	StorageHosts []string `koanf:"storage_hosts" doc:"Hosts, addresses or networks (CIDR) that redirects are followed to even if they are on this machine, link-local or a cloud's metadata service."`
	Storage      Storage  `koanf:"storage" doc:"Where the embedded registry keeps images: the block storage: of a stock registry's config.yml, with one of the drivers filesystem, s3, azure and gcs (docs/proxy.md). In the environment: SEALOCK_REGISTRY_STORAGE_S3_SECRETKEY and the like; a secret also from a file, as secretkey_file. Default: the folder registry in data_dir."`

	Notifications Notifications `koanf:"notifications"`
}

// Redirects of a registry to its storage.
const (
	RedirectsPass   = "pass"
	RedirectsFollow = "follow"
)

// Embedded is the URL of the embedded registry where it is one of several.
const Embedded = "embedded"

// Upstream is a further registry behind the front proxy.
type Upstream struct {
	Name         string   `koanf:"name"`
	URL          string   `koanf:"url"` // or embedded
	URLs         []string `koanf:"urls"`
	CAFile       string   `koanf:"ca_file"`
	Projects     []string `koanf:"projects"`
	Hosts        []string `koanf:"hosts"`
	Service      string   `koanf:"service"` // of token.services; "" for token.service
	Redirects    string   `koanf:"redirects"`
	StorageHosts []string `koanf:"storage_hosts"`
}

// Upstreams says how stock registries are looked after.
type Upstreams struct {
	CheckEvery   time.Duration `koanf:"check_every" doc:"How often each address of a registry is asked whether it is well (GET /v2/). 0s: never; then it counts only whether it takes connections."`
	CheckTimeout time.Duration `koanf:"check_timeout" doc:"How long it may take to answer. Two bad answers in a row, and it is left out until it answers well."`
}

// Notifications says how a stock registry that clients reach without the front proxy tells what it has (docs/index-of-images.md).
type Notifications struct {
	Secret     secret.Text `koanf:"secret" doc:"What that registry shows when it tells of pushes, pulls and deletes, at least 16 characters: 'sealock registry-config' prints the block for its config.yml. Without it nobody may tell."`
	SecretFile string      `koanf:"secret_file" doc:"File that holds that secret."`
}

// Token says what tokens look like and how long they live.
type Token struct {
	Issuer          string        `koanf:"issuer" doc:"The iss claim: auth.token.issuer of the registries."`
	Service         string        `koanf:"service" doc:"The aud claim of tokens for the registry behind the front proxy: its auth.token.service."`
	Services        []Service     `koanf:"services" doc:"Further registries that use this token server: a list of name and key_header."`
	Life            time.Duration `koanf:"life" doc:"How long an access token lives, at least 60s."`
	Algorithm       string        `koanf:"algorithm" doc:"ES256, RS256 or EdDSA. Registries up to 2.8 refuse EdDSA."`
	KeyHeader       auth.Header   `koanf:"key_header" doc:"What a token's header names its key by: x5c for registries with a rootcertbundle, kid for registries 3.x with a jwks file."`
	RotateEvery     time.Duration `koanf:"rotate_every" doc:"How often the signing key changes by itself; 0s: by 'sealock keys rotate' only."`
	CertLife        time.Duration `koanf:"cert_life" doc:"How long a leaf certificate is good for; it is renewed in the last third."`
	RefreshIdle     time.Duration `koanf:"refresh_idle" doc:"A refresh token dies when it is unused for so long."`
	RefreshAbsolute time.Duration `koanf:"refresh_absolute" doc:"A refresh token dies in any case after so long."`
	UploadGrace     time.Duration `koanf:"upload_grace" doc:"So long after an upload last came with a valid token, it may go on with the one that has ended meanwhile; 0s: an upload ends with its token."`
}

// Service is a further registry.
type Service struct {
	Name      string      `koanf:"name"`
	KeyHeader auth.Header `koanf:"key_header"`
}

// Robot says how robot accounts are named and how long they live.
type Robot struct {
	Prefix   string `koanf:"prefix" doc:"What the names of robot accounts begin with. It holds a character that no user's name can, such as ~ or $. robot~ and robot$ (Harbor's, which shells eat) are accepted besides."`
	Duration int    `koanf:"duration" doc:"How many days a robot account lives when its maker does not say; -1 is for ever."`
}

// PAT says what personal access tokens may be.
type PAT struct {
	MaxLife time.Duration `koanf:"max_life" doc:"How long a personal access token may live at most, such as 8760h for a year; 0s: as long as its user says, who has to say never. It counts for new ones."`
}

// Lockout says when failed logins lock (docs/lockout.md).
type Lockout struct {
	AccountFailures int           `koanf:"account_failures" doc:"So many wrong passwords lock an account, except where it signed in from in the last 30 days; there, so many at that address. 0: never."`
	AddressFailures int           `koanf:"address_failures" doc:"So many wrong passwords lock an address (IPv6: a /64 network), except for accounts that signed in from there. 0: never."`
	First           time.Duration `koanf:"first" doc:"How long the first lock is; each failure after it doubles it."`
	Max             time.Duration `koanf:"max" doc:"No lock is longer."`
	Forget          time.Duration `koanf:"forget" doc:"After so long without a failure all are forgotten; below the limit they are forgiven one by one in that time."`
	Trusted         []string      `koanf:"trusted" doc:"Addresses or networks (CIDR) that are never locked as an address, such as the one that CI jobs come from."`
}

// Pulls says how many manifests may be pulled (docs/proxy.md). Each process counts for itself.
type Pulls struct {
	PerUser    int           `koanf:"per_user" doc:"So many manifests may a user or robot account pull in the window. 0: any number."`
	PerAddress int           `koanf:"per_address" doc:"So many may be pulled from an address (IPv6: a /64 network) without a login. 0: any number."`
	Window     time.Duration `koanf:"window" doc:"The time that these numbers are for. What was pulled comes back evenly over it."`
	Exempt     []string      `koanf:"exempt" doc:"Addresses or networks (CIDR) from which pulls are not counted."`
}

// Policy says where the rules are.
type Policy struct {
	In  string `koanf:"in" doc:"Where the policy is kept: file (in dir) or store (in the database, one for all replicas, edited by the API and sealock policy edit)."`
	Dir string `koanf:"dir" doc:"Folder with model.conf and policy.csv, watched for changes. Default: policy in data_dir, made on first start."`
}

// Portal says how people use the web pages.
type Portal struct {
	SessionIdle     time.Duration `koanf:"session_idle" doc:"Who does nothing for so long has to sign in again."`
	SessionAbsolute time.Duration `koanf:"session_absolute" doc:"Everybody has to sign in again after so long."`
}

// Audit says what is kept of the audit trail, and who gets a copy.
type Audit struct {
	Keep   time.Duration `koanf:"keep" doc:"How long audit records are kept. 0: for ever."`
	Pulls  string        `koanf:"pulls" doc:"Which pulls are recorded: all, none, or 1/N for one in N at random. Tokens, pushes and deletions always are."`
	Syslog string        `koanf:"syslog" doc:"Syslog server (RFC 5424) that gets a copy of each record: udp://host:514, tcp://host:601 or tls://host:6514. Default: none."`
}

// PullsEvery reads Pulls: one in so many is recorded, 0 is none.
func (a Audit) PullsEvery() (n int, ok bool) {
	switch a.Pulls {
	case "all":
		return 1, true
	case "none":
		return 0, true
	}
	text, ok := strings.CutPrefix(a.Pulls, "1/")
	n, err := strconv.Atoi(text)
	return n, ok && err == nil && n > 0
}

// Where a policy is kept.
const (
	PolicyInFile  = "file"
	PolicyInStore = "store"
)

// Log says what is logged.
type Log struct {
	Level  string `koanf:"level" doc:"debug, info, warn or error."`
	Format string `koanf:"format" doc:"text or json."`
}

const day = 24 * time.Hour

// Default returns the settings of a server that was told nothing.
func Default() Config {
	return Config{
		Listen: "localhost:8080", SocketMode: "660",
		DataDir: "./sealock-data",
		Token: Token{
			Issuer:          "sealock",
			Service:         "sealock",
			Life:            5 * time.Minute,
			Algorithm:       auth.ES256,
			KeyHeader:       auth.HeaderX5C,
			RotateEvery:     30 * day,
			CertLife:        90 * day,
			RefreshIdle:     30 * day,
			RefreshAbsolute: 365 * day,
			UploadGrace:     12 * time.Hour,
		},
		TLS:       TLS{ACME: ACME{Directory: LetsEncrypt}},
		Upstreams: Upstreams{CheckEvery: 10 * time.Second, CheckTimeout: 3 * time.Second},
		Portal:    Portal{SessionIdle: 12 * time.Hour, SessionAbsolute: 7 * day},
		Lockout:   Lockout{AccountFailures: 5, AddressFailures: 50, First: 10 * time.Second, Max: time.Hour, Forget: day},
		Limits:    Limits{Header: 20 * time.Second, Idle: 2 * time.Minute, Stall: time.Minute, MinRate: 1024},
		Drain:     Drain{Stop: 30 * time.Second, Restart: 12 * time.Hour},
		Pulls:     Pulls{Window: 6 * time.Hour},
		Robot:     Robot{Prefix: robotdb.DefaultPrefix, Duration: 30},
		Policy:    Policy{In: PolicyInFile},
		Audit:     Audit{Keep: 365 * day, Pulls: "all"},
		Log:       Log{Level: "info", Format: "text"},
	}
}
