package external

import (
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/sealock/sealock/internal/secret"
)

// Config is what a source of this type has to set: a URL or a command.
type Config struct {
	URL      string      `koanf:"url" doc:"Where to POST the question (http or https)."`
	CAFile   string      `koanf:"ca_file" doc:"CA certificates in PEM form to trust for the URL. Default: the system's."`
	CertFile string      `koanf:"cert_file" doc:"Client certificate in PEM form, for mutual TLS; with key_file."`
	KeyFile  string      `koanf:"key_file" doc:"Its private key in PEM form."`
	Shared   secret.Text `koanf:"shared_secret" doc:"Sent as Authorization: Bearer, so that the hook knows who asks."`
	SharedF  string      `koanf:"shared_secret_file" doc:"File that holds the shared secret."`

	Command []string `koanf:"command" doc:"Program and arguments to run for each question, without a shell; the program by its whole path."`
	Env     []string `koanf:"env" doc:"Environment of the command, NAME=value each. It gets nothing else but PATH."`

	Timeout   time.Duration `koanf:"timeout" doc:"How long an answer may take, retries included."`
	Retries   int           `koanf:"retries" doc:"How often to ask again when the connection fails (url only); an answer is never asked for twice."`
	AtOnce    int           `koanf:"at_once" doc:"How many questions may be under way at once; others wait."`
	AdminFrom bool          `koanf:"trust_admin" doc:"Believe the answer's admin: the hook can make system administrators."`
}

// Default returns the settings that were not given.
func Default() Config { return Config{Timeout: 5 * time.Second, Retries: 2, AtOnce: 16} }

// Check says what can't work.
func (c Config) Check(report func(key, what, remedy string)) {
	if (c.URL == "") == (len(c.Command) == 0) {
		report("url", "is needed, or command, and not both", "set one of them")
	}
	if c.URL != "" {
		c.checkURL(report)
	}
	if len(c.Command) > 0 && !filepath.IsAbs(c.Command[0]) {
		report("command", "does not name its program by the whole path", "write it like [/usr/local/bin/who-is, --json]")
	}
	for _, pair := range c.Env {
		if name, _, ok := strings.Cut(pair, "="); !ok || name == "" {
			report("env", "holds something that is not NAME=value", "write it like [LANG=C]")
		}
	}
	if c.Timeout < 100*time.Millisecond || c.Timeout > time.Minute {
		report("timeout", "is not between 100ms and 1m", "use 5s")
	}
	if c.Retries < 0 || c.Retries > 10 {
		report("retries", "is not between 0 and 10", "use 2")
	}
	if c.AtOnce < 1 {
		report("at_once", "is not positive", "use 16")
	}
}

func (c Config) checkURL(report func(key, what, remedy string)) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		report("url", "is no http or https URL without user and password", "write it like https://who.example.com/login")
		return
	}
	if u.Scheme == "http" && (c.CAFile != "" || c.CertFile != "") {
		report("url", "has certificates to check and no TLS", "use https")
	}
	if (c.CertFile == "") != (c.KeyFile == "") {
		report("cert_file", "goes together with key_file", "set both or none")
	}
}
