package settings_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/settings"
)

var update = flag.Bool("update", false, "write the generated files anew")

func load(t *testing.T, yaml string, environ []string, flags map[string]string) (settings.Config, error) {
	t.Helper()
	file := ""
	if yaml != "" {
		file = filepath.Join(t.TempDir(), "sealock.yaml")
		if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return settings.Load(settings.Sources{File: file, Environ: environ, Flags: flags})
}

func TestDefaultsNeedNothing(t *testing.T) {
	cfg, err := load(t, "", nil, nil)
	if err != nil {
		t.Fatalf("Load() of nothing: %v", err)
	}
	want := []string{"http://localhost:8080", "http://127.0.0.1:8080", "http://[::1]:8080"}
	if !slices.Equal(cfg.ExternalURLs, want) {
		t.Errorf("external URLs = %v, want %v", cfg.ExternalURLs, want)
	}
	if cfg.Policy.Dir != "sealock-data/policy" || cfg.Token.Life != 5*time.Minute {
		t.Errorf("policy in %s, life %s, want sealock-data/policy and 5m", cfg.Policy.Dir, cfg.Token.Life)
	}
}

func TestLaterSourcesWin(t *testing.T) {
	yaml := "token:\n  life: 2m\n  issuer: file\n  services: [{name: other}]\ntrusted_proxies: [10.0.0.1]\n"
	cfg, err := load(t, yaml, []string{"SEALOCK_TOKEN_LIFE=3m", "SEALOCK_TOKEN_ISSUER=env", "SEALOCK_TRUSTED_PROXIES=10.0.0.0/8,::1"}, map[string]string{"token.life": "4m"})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Token.Life != 4*time.Minute || cfg.Token.Issuer != "env" || len(cfg.TrustedProxies) != 2 {
		t.Errorf("life %s, issuer %s, proxies %v, want 4m by flag, env, two", cfg.Token.Life, cfg.Token.Issuer, cfg.TrustedProxies)
	}
	if len(cfg.Token.Services) != 1 || cfg.Token.Services[0].KeyHeader != "x5c" {
		t.Errorf("services = %+v, want other with the header of the rest", cfg.Token.Services)
	}
}

func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		name, yaml string
		environ    []string
		want       []string // a part of each fault, in order
	}{
		{"unknown key", "tokn: {life: 2m}\n", nil, []string{`tokn: is no setting: did you mean "token"?`}},
		{"unknown inner key", "token: {lif: 2m}\n", nil, []string{`token.lif: is no setting: did you mean "life"?`}},
		{"unknown key in a list", "token: {services: [{nam: x}]}\n", nil, []string{`token.services[0].nam`, `token.services[0].name: is empty`}},
		{"misspelled variable", "", []string{"SEALOCK_LISTN=:1"}, []string{`did you mean "SEALOCK_LISTEN"?`}},
		{"all at once", "listen: nowhere\ntoken: {life: 5s, algorithm: HS256}\nlog: {level: loud}\n", nil, []string{"listen: ", "token.life: ", "token.algorithm: ", "log.level: "}},
		{"no YAML", "listen: [\n", nil, []string{"is no YAML"}},
		{"no duration", "token: {life: soon}\n", nil, []string{"token.life"}},
		{"half TLS", "tls: {cert_file: x}\n", nil, []string{"tls: cert_file and key_file go together"}},
		{"a socket without a name", "listen: 'unix:/run/x.sock'\n", nil, []string{"external_urls: "}},
		{"a socket's mode", "socket_mode: 0660\n", nil, []string{"socket_mode: "}},
		{"half a certificate", "tls: {cert_file: x, key_file: y, certificates: [{cert_file: z}]}\n", nil, []string{"tls.certificates[0]: "}},
		{"a second certificate alone", "tls: {certificates: [{cert_file: z, key_file: z}]}\n", nil, []string{"tls.certificates: "}},
		{"a redirect to nowhere", "tls: {redirect_listen: ':80'}\n", nil, []string{"tls.redirect_listen: "}},
		{"a redirect to itself", "listen: ':443'\ntls: {self_signed: true, redirect_listen: ':443'}\n", nil, []string{"tls.redirect_listen: "}},
		{"limits", "limits: {header: 0s, stall: 1ms, min_rate: 0}\ndrain: {stop: -1s}\n", nil, []string{"limits.header: ", "limits.stall: ", "limits.min_rate: ", "drain.stop: "}},
		{"a load balancer", "proxy_protocol: [lb.example]\n", nil, []string{"proxy_protocol[0]: "}},
		{"two kinds of TLS", "tls: {cert_file: x, key_file: y, self_signed: true}\n", nil, []string{"tls.self_signed"}},
		{"a CA without its terms", "tls: {acme: {email: admin@example.com}}\n", nil, []string{"tls.acme: is set without agree_to_terms"}},
		{"a CA without names", "listen: ':443'\ntls: {acme: {agree_to_terms: true}}\n", nil, []string{"tls.acme.hosts: are not set"}},
		{"a CA and files", acme("tls: {cert_file: x, key_file: y, acme: {agree_to_terms: true}}"), nil, []string{"tls.acme: is set together with cert_file"}},
		{"a CA and a CA of our own", acme("tls: {self_signed: true, acme: {agree_to_terms: true}}"), nil, []string{"tls.acme: is set together with self_signed"}},
		{"a CA that can't look", "listen: 'unix:/run/x.sock'\nexternal_urls: [https://r.example.com]\ntls: {acme: {agree_to_terms: true}}\n", nil, []string{"tls.acme: is set, and listen is a unix socket"}},
		{"a CA for addresses", "external_urls: [https://r.example.com, 'https://10.0.0.1', 'https://[::1]:8443']\ntls: {acme: {agree_to_terms: true}}\n", nil, []string{"tls.acme.hosts[1]: 10.0.0.1 is an address", "tls.acme.hosts[2]: ::1 is an address"}},
		{
			"a CA for odd names", acme("tls: {acme: {agree_to_terms: true, hosts: ['*.example.com', 'https://x.example.com', localhost, a.example.com, A.example.com, ../x.example.com]}}"), nil,
			[]string{"hosts[0]", "hosts[1]", "hosts[2]: \"localhost\" is no name that Let's Encrypt", "hosts[4]: \"a.example.com\" is there twice", "hosts[5]"},
		},
		{"http-01 without port 80", acme("tls: {acme: {agree_to_terms: true, challenges: [http-01]}}"), nil, []string{"tls.acme.challenges: http-01 is answered on tls.redirect_listen, which is not set"}},
		{"two challenges at two hosts", acme("tls: {redirect_listen: '10.0.0.2:80', acme: {agree_to_terms: true}}", "listen: '10.0.0.1:443'"), nil, []string{"tls.acme.challenges: listen and tls.redirect_listen are at different hosts"}},
		{"an unknown challenge", acme("tls: {acme: {agree_to_terms: true, challenges: [dns-01]}}"), nil, []string{"tls.acme.challenges[0]: \"dns-01\" is unknown"}},
		{"a directory that can't be believed", acme("tls: {acme: {agree_to_terms: true, directory: 'http://ca.example.com/dir', email: nobody}}"), nil, []string{"tls.acme.directory: is no https URL", "tls.acme.email: \"nobody\" is no e-mail address"}},
		{"half an account", acme("tls: {acme: {agree_to_terms: true, eab_key_id: x}}"), nil, []string{"tls.acme: eab_key_id and eab_key"}},
		{"an odd key", acme("tls: {acme: {agree_to_terms: true, eab_key_id: x, eab_key: 'not base64'}}"), nil, []string{"tls.acme.eab_key: is not in base64url"}},
		{"bad URLs", "external_urls: [registry.example.com, 'https://h/path']\nregistry: {url: 'ftp://h'}\n", nil, []string{"external_urls[0]", "external_urls[1]", "registry.url"}},
		{"bad proxies", "trusted_proxies: [somewhere]\n", nil, []string{"trusted_proxies[0]"}},
		{"reserved service", "token: {services: [{name: sealock-api}, {name: sealock}]}\n", nil, []string{"token.services[0].name", "token.services[1].name"}},
		{"short password", "", []string{"SEALOCK_ADMIN_PASSWORD=short"}, []string{"admin_password: is not 8 to 128"}},
		{"a prefix of users", "robot: {prefix: robot}\n", nil, []string{"robot.prefix: can't be \"robot\": the prefix of robot accounts could begin the name of a user"}},
		{"a prefix of workloads", "robot: {prefix: ci~}\n", nil, []string{"robot.prefix: \"ci~\" begins the names of workloads"}},
		{"a prefix of workloads in part", "robot: {prefix: 'CI~team'}\n", nil, []string{"robot.prefix"}},
		{"a prefix that ends the name", "robot: {prefix: 'robot:'}\n", nil, []string{"robot.prefix"}},
		{"a prefix of a source", "robot: {prefix: 'robot@'}\n", nil, []string{"robot.prefix"}},
		{"a prefix with +", "robot: {prefix: 'a~+'}\n", nil, []string{"robot.prefix"}},
		{"a prefix for eyes alone", "robot: {prefix: 'röbot~'}\n", nil, []string{"robot.prefix"}},
		{"an empty prefix", "robot: {prefix: ''}\n", nil, []string{"robot.prefix"}},
		{"a long prefix", "robot: {prefix: " + strings.Repeat("r", 32) + "~}\n", nil, []string{"robot.prefix"}},
		{"a flag for a prefix", "robot: {prefix: '-r~'}\n", nil, []string{"robot.prefix"}},
		{"robots for no day", "robot: {duration: 0}\n", nil, []string{"robot.duration: 0 is no number of days"}},
		{"robots into the past", "robot: {duration: -2}\n", nil, []string{"robot.duration"}},
		{"robots for 101 years", "robot: {duration: 36865}\n", nil, []string{"robot.duration"}},
		{"robots for a time", "robot: {duration: 30d}\n", nil, []string{"robot.duration"}},
		{"negative tokens", "pat: {max_life: -1h}\n", nil, []string{"pat.max_life: is negative"}},
		{"endless tokens", "pat: {max_life: never}\n", nil, []string{"pat.max_life"}},
		{
			"a lockout that can't work", "lockout: {account_failures: -1, address_failures: -1, first: 1ms, max: 0s, forget: -1s, trusted: [here]}\n", nil,
			[]string{"lockout.account_failures", "lockout.address_failures", "lockout.first", "lockout.max", "lockout.forget", "lockout.trusted[0]"},
		},
		{"a lockout without a number", "lockout: {account_failures: many}\n", nil, []string{"lockout.account_failures"}},
		{"a lockout that shrinks", "lockout: {first: 2h}\n", nil, []string{"lockout.max: 1h0m0s is shorter than lockout.first"}},
		{"a lockout forgotten too soon", "lockout: {forget: 1m}\n", nil, []string{"lockout.forget: 1m0s is shorter than lockout.max"}},
		{"a trusted network with bits to the right", "lockout: {trusted: [10.0.0.0/33]}\n", nil, []string{"lockout.trusted[0]"}},
		{"registries without names, projects and hosts", "registries: [{url: 'http://127.0.0.1:1'}]\n", nil, []string{"registries[0].name", "registries[0]: is for no projects"}},
		{"registries of one name", "registries: [{name: a, url: 'http://127.0.0.1:1', projects: [a]}, {name: a, url: 'http://127.0.0.1:2', projects: [b]}, {name: default, url: 'http://127.0.0.1:3', projects: [c]}]\n", nil, []string{"registries[1].name", "registries[2].name"}},
		{"a project in two registries", "registries: [{name: a, url: 'http://127.0.0.1:1', projects: [a, 'x[', a/b]}, {name: b, url: 'http://127.0.0.1:2', projects: [a]}]\n", nil, []string{"registries[0].projects[1]", "registries[0].projects[2]", "registries[1].projects[0]"}},
		{"a host that is not ours", "external_urls: ['https://h.example.com']\nregistries: [{name: a, url: 'http://127.0.0.1:1', hosts: [x.example.com, h.example.com, h.example.com]}]\n", nil, []string{"registries[0].hosts[0]", "registries[0].hosts[2]"}},
		{"two embedded registries", "registries: [{name: a, url: embedded, projects: [a]}]\n", nil, []string{"registries[0].url"}},
		{"a service that is none", "registries: [{name: a, url: 'http://127.0.0.1:1', projects: [a], service: other}]\n", nil, []string{"registries[0].service"}},
		{"redirects of another kind", "registry: {redirects: maybe}\nregistries: [{name: a, url: 'http://127.0.0.1:1', projects: [a], redirects: never, storage_hosts: [a b]}]\n", nil, []string{"registry.redirects", "registries[0].redirects", "registries[0].storage_hosts[0]"}},
		{"addresses of a registry", "registry: {urls: ['http://127.0.0.1:1']}\nregistries: [{name: a, url: 'http://127.0.0.1:1', urls: ['http://127.0.0.1:1', 'ftp://h'], projects: [a], ca_file: x}]\n", nil, []string{"registry.urls", "registries[0].urls[0]", "registries[0].urls[1]", "registries[0].ca_file"}},
		{"a registry's key that is none", "registries: [{name: a, url: 'http://127.0.0.1:1', project: [a], projects: [a]}]\n", nil, []string{"registries[0].project"}},
		{"checks of no time", "upstreams: {check_every: -1s, check_timeout: 0s}\n", nil, []string{"upstreams.check_every", "upstreams.check_timeout"}},
		{"events of no registry", "registry: {notifications: {secret: 0123456789abcdef}}\n", nil, []string{"registry.notifications: is set without a registry"}},
		{"events with a short secret", "registry: {url: 'http://127.0.0.1:5000', notifications: {secret: short}}\n", nil, []string{"registry.notifications.secret"}},
		{"events with an odd secret", "registry: {url: 'http://127.0.0.1:5000', notifications: {secret: '0123456789 abcdef\"'}}\n", nil, []string{"registry.notifications.secret"}},
		{"missing password file", "admin_password_file: /nowhere\n", nil, []string{"admin_password_file"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, tt.yaml, tt.environ, nil)
			faults, ok := errors.AsType[settings.Faults](err)
			if !ok || len(faults) != len(tt.want) {
				t.Fatalf("Load() = %v, want %d faults", err, len(tt.want))
			}
			for i, want := range tt.want {
				if !strings.Contains(faults[i].String(), want) || faults[i].Remedy == "" {
					t.Errorf("fault %d = %s, want one with %q and a remedy", i, faults[i], want)
				}
			}
		})
	}
}

func TestOtherVariablesAreLeftAlone(t *testing.T) {
	// Kubernetes makes these for a service named sealock.
	if _, err := load(t, "", []string{"SEALOCK_SERVICE_HOST=10.0.0.1", "SEALOCK_PORT=tcp://10.0.0.1:80", "PATH=/bin"}, nil); err != nil {
		t.Errorf("Load() = %v, want none", err)
	}
}

func TestSecretsNeverShow(t *testing.T) {
	cfg, err := load(t, "", []string{"SEALOCK_ADMIN_PASSWORD=canary-canary"}, nil)
	if err != nil || cfg.AdminPassword.Reveal() != "canary-canary" {
		t.Fatalf("password = %q, %v", cfg.AdminPassword.Reveal(), err)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, cfg); strings.Contains(text, "canary") {
			t.Errorf("%s shows the password", format)
		}
	}
	_, err = load(t, "listen: nowhere\n", []string{"SEALOCK_ADMIN_PASSWORD=canary"}, nil)
	if err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("Load() = %v, want faults without the password", err)
	}
}

func TestStoreURL(t *testing.T) {
	const good = "postgres://sealock:canary%2F@db.example.com/sealock?sslmode=verify-full"
	name := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(name, []byte(good+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, environ := range [][]string{{"SEALOCK_STORE_URL=" + good}, {"SEALOCK_STORE_URL_FILE=" + name}} {
		cfg, err := load(t, "", environ, nil)
		if err != nil || cfg.Store.URL.Reveal() != good {
			t.Errorf("Load(%q) = %q, %v, want the URL", environ, cfg.Store.URL.Reveal(), err)
		}
		if text := fmt.Sprintf("%v %+v %#v", cfg, cfg, cfg); strings.Contains(text, "canary") {
			t.Error("the password in the URL shows")
		}
	}
	for _, bad := range []string{"canary", "sqlite://canary/x", "mysql://u:canary@host", "postgres://u:canary%zz@host/db", "postgres://u:canary/@host/db"} {
		_, err := load(t, "", []string{"SEALOCK_STORE_URL=" + bad}, nil)
		if err == nil || !strings.Contains(err.Error(), "store.url: ") || strings.Contains(err.Error(), "canary") {
			t.Errorf("Load(%q) = %v, want a fault of store.url without the password", bad, err)
		}
	}
	if _, err := load(t, "", []string{"SEALOCK_STORE_URL=" + good, "SEALOCK_STORE_URL_FILE=" + name}, nil); err == nil {
		t.Error("store.url and store.url_file together are accepted")
	}
}

func TestPasswordFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(name, []byte("from-the-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := load(t, "", []string{"SEALOCK_ADMIN_PASSWORD_FILE=" + name}, nil)
	if err != nil || cfg.AdminPassword.Reveal() != "from-the-file" {
		t.Errorf("password = %q, %v, want the file's first line", cfg.AdminPassword.Reveal(), err)
	}
	if _, err := load(t, "", []string{"SEALOCK_ADMIN_PASSWORD_FILE=" + name, "SEALOCK_ADMIN_PASSWORD=elsewhere"}, nil); err == nil {
		t.Error("password and password file together are accepted")
	}
}

// The pages that are made from the structs say what the program does.
func TestGeneratedFilesAreCurrent(t *testing.T) {
	for name, want := range map[string]string{"../docs/config.md": settings.Markdown(), "../examples/config.full.yaml": settings.YAML()} {
		if *update {
			if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(name)
		if err != nil || string(got) != want {
			t.Errorf("%s is not what the settings say (%v): run make generate", name, err)
		}
	}
}

func TestFullExampleIsTheDefault(t *testing.T) {
	full, err := load(t, settings.YAML(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	def, err := load(t, "", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(full) != fmt.Sprint(def) {
		t.Errorf("config.full.yaml gives %+v, want the defaults %+v", full, def)
	}
}

// directory is what a source of users might have to set.
type directory struct {
	URL      string        `koanf:"url" doc:"x"`
	Password secret.Text   `koanf:"password" doc:"x"`
	File     string        `koanf:"password_file" doc:"x"`
	Timeout  time.Duration `koanf:"timeout" doc:"x"`
	Admins   []string      `koanf:"admins" doc:"x"`
}

func (d directory) Check(report func(key, what, remedy string)) {
	if d.URL == "" {
		report("url", "is missing", "give one")
	}
}

func loadSources(t *testing.T, yaml string) (settings.Config, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sealock.yaml")
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	types := settings.SourceTypes{"database": struct{}{}, "directory": directory{Timeout: time.Second}}
	return settings.Load(settings.Sources{File: file, SourceTypes: types})
}

func TestSources(t *testing.T) {
	name := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(name, []byte("from-the-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := loadSources(t, `sources:
- type: database
- {name: corp, type: directory, url: a, password: canary, admins: [x, y]}
- {name: lab, type: directory, url: b, timeout: 3s, password_file: `+name+"}\n")
	if err != nil || len(cfg.Sources) != 3 {
		t.Fatalf("Load() = %+v, %v", cfg.Sources, err)
	}
	corp, _ := cfg.Sources[1].Config.(directory)
	lab, _ := cfg.Sources[2].Config.(directory)
	if cfg.Sources[0].Name != "database" || corp.Timeout != time.Second || len(corp.Admins) != 2 || corp.Password.Reveal() != "canary" {
		t.Errorf("sources = %+v, want database and corp with the default timeout", cfg.Sources)
	}
	if lab.Timeout != 3*time.Second || lab.Password.Reveal() != "from-the-file" {
		t.Errorf("lab = %+v, want 3s and the file's first line", lab)
	}
	for _, format := range []string{"%v", "%+v", "%#v"} {
		if strings.Contains(fmt.Sprintf(format, cfg), "canary") {
			t.Errorf("%s shows a source's password", format)
		}
	}
	def, err := loadSources(t, "log: {level: info}\n")
	if err != nil || len(def.Sources) != 1 || def.Sources[0].Type != "database" || def.Sources[0].Name != "database" {
		t.Errorf("without sources = %+v, %v, want the database", def.Sources, err)
	}
}

func TestFaultsOfSources(t *testing.T) {
	for yaml, want := range map[string]string{
		"[{name: a}]":                                          "sources[0].type: is missing",
		"[{type: direktory}]":                                  `sources[0].type: "direktory" is no type of source: did you mean "directory"?`,
		"[{type: directory}]":                                  "sources[0].url: is missing: give one",
		"[{type: directory, urll: x}]":                         `sources[0].urll: is no setting: did you mean "url"?`,
		"[{type: database, url: x}]":                           "sources[0].url: is no setting",
		"[{type: database, name: 'A b'}]":                      "sources[0].name: ",
		"[{type: database, name: 'a@b'}]":                      "sources[0].name: ",
		"[{type: database}, {type: database}]":                 `sources[1].name: the name "database" is there already`,
		"[{type: database}, {type: database, name: b}]":        "sources[1].type: is there already",
		"[{type: directory, url: x, timeout: soon}]":           "sources[0].timeout",
		"[{type: directory, url: x, password: 0123}]":          "sources[0].password: is no text: put it into quotes",
		"[{type: directory, url: x, password_file: /nowhere}]": "sources[0].password_file: can't read",
		"nothing": "sources",
	} {
		_, err := loadSources(t, "sources: "+yaml+"\n")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Load() of sources %s = %v, want %q", yaml, err, want)
		}
	}
}

// TestFrontDoorPage reads the settings in docs/proxy.md as 'sealock check' does.
func TestFrontDoorPage(t *testing.T) {
	page, err := os.ReadFile("../docs/proxy.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"s3-secret", "mirror-ca.crt", "registry.crt", "registry.key", "mirror.crt", "mirror.key"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	examples := strings.Split(string(page), "```yaml\n")[1:]
	for _, example := range examples {
		text, _, _ := strings.Cut(example, "```")
		if _, err := load(t, strings.ReplaceAll(text, "/etc/sealock", dir), nil, nil); err != nil {
			t.Errorf("Load() of\n%s= %v", text, err)
		}
	}
	if len(examples) < 5 {
		t.Errorf("docs/proxy.md has %d pieces of settings, want one for each part that has some", len(examples))
	}
}
