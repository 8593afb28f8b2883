package client

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/e2e/internal/fixture"
	"github.com/sealock/sealock/e2e/internal/need"
	"github.com/sealock/sealock/e2e/internal/proc"
)

// Ref names an image at a registry.
type Ref struct {
	Host, Repository, Tag string
}

// String is the reference as a person types it.
func (r Ref) String() string { return r.Name() + ":" + r.Tag }

// Name is the reference without a tag.
func (r Ref) Name() string { return r.Host + "/" + r.Repository }

// At is the reference by digest.
func (r Ref) At(digest string) string { return r.Name() + "@" + digest }

// Engines are the servers that some clients need.
type Engines struct {
	DockerHost string // DOCKER_HOST
	Containerd string // the socket
}

// Session is one user at one client: a home folder, configuration and environment of
// its own, which nothing else on the machine sees.
type Session struct {
	T    testing.TB
	Host string // the registry
	Dir  string

	// Clients that keep no login are given these with every command.
	User, Pass, Refresh string

	// More is added to the environment.
	More []string

	// Keys is a folder for keys that several sessions of one client share.
	Keys string

	// Patience is how long a command may take; a minute if zero.
	Patience time.Duration

	engines Engines
	bearer  string // an access token that the client sends as it is
	count   int
}

// NewSession makes a session in a new folder.
func NewSession(t testing.TB, host string, engines Engines) *Session {
	t.Helper()
	s := &Session{T: t, Host: host, Dir: proc.Dir(t), engines: engines}
	s.Keys = s.path("home")
	for _, dir := range []string{"home", "docker", "run", "tmp", "config", "data", "cache"} {
		if err := os.MkdirAll(filepath.Join(s.Dir, dir), 0o700); err != nil {
			t.Fatalf("making a session: %v", err)
		}
	}
	fixture.File(t, s.authFile(), `{"auths":{}}`)
	// containers/image refuses to work without a policy, which Debian keeps in /etc.
	fixture.File(t, s.path("config", "containers", "policy.json"), `{"default":[{"type":"insecureAcceptAnything"}]}`)
	fixture.File(t, s.path("home", ".config", "containers", "policy.json"), `{"default":[{"type":"insecureAcceptAnything"}]}`)
	return s
}

// Env is the whole environment of every command of the session.
func (s *Session) Env() []string {
	env := []string{
		"PATH=" + need.Path(),
		"HOME=" + s.path("home"),
		"TMPDIR=" + s.path("tmp"),
		"XDG_CONFIG_HOME=" + s.path("config"),
		"XDG_DATA_HOME=" + s.path("data"),
		"XDG_CACHE_HOME=" + s.path("cache"),
		"XDG_RUNTIME_DIR=" + s.path("run"),
		"DOCKER_CONFIG=" + s.path("docker"),
		"REGISTRY_AUTH_FILE=" + s.authFile(),
		"REGCTL_CONFIG=" + s.path("regctl.json"),
		"HELM_CONFIG_HOME=" + s.path("helm", "config"),
		"HELM_CACHE_HOME=" + s.path("helm", "cache"),
		"HELM_DATA_HOME=" + s.path("helm", "data"),
		"HELM_REGISTRY_CONFIG=" + s.authFile(),
		"COSIGN_PASSWORD=e2e",
		"SIGSTORE_NO_CACHE=true",
		"TUF_ROOT=" + s.path("tuf"),
		"LC_ALL=C.UTF-8",
	}
	env = append(env, s.More...)
	if s.engines.DockerHost != "" {
		env = append(env, "DOCKER_HOST="+s.engines.DockerHost)
	}
	return env
}

// authFile is docker's config file, which the other clients share.
func (s *Session) authFile() string { return s.path("docker", "config.json") }

// StoreRefreshToken writes docker's config file as "docker login" leaves it behind
// when the server gave a refresh token.
func (s *Session) StoreRefreshToken(user, token string) {
	s.T.Helper()
	s.User, s.Pass, s.Refresh = "", "", token
	s.storeAuth(map[string]string{
		"auth":          base64.StdEncoding.EncodeToString([]byte(user + ":")),
		"identitytoken": token,
	})
}

// StorePassword writes docker's config file as "docker login" leaves it behind when the server gave no refresh token:
// with the password, be it right or not any more.
func (s *Session) StorePassword(user, pass string) {
	s.T.Helper()
	s.storeAuth(map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte(user + ":" + pass))})
}

// storeToken leaves an access token in docker's config file, from where some clients
// take it as it is.
func storeToken(s *Session, token string) {
	s.T.Helper()
	s.storeAuth(map[string]string{"registrytoken": token})
}

func (s *Session) storeAuth(auth map[string]string) {
	s.T.Helper()
	raw, err := json.Marshal(map[string]any{"auths": map[string]any{s.Host: auth}})
	if err != nil {
		s.T.Fatalf("encoding docker's config: %v", err)
	}
	fixture.File(s.T, s.authFile(), string(raw))
}

// StoredRefreshToken returns the refresh token that docker's config file holds.
func (s *Session) StoredRefreshToken() (string, error) {
	raw, err := os.ReadFile(s.authFile())
	if err != nil {
		return "", fmt.Errorf("reading docker's config: %w", err)
	}
	var config struct {
		Auths map[string]struct {
			IdentityToken string `json:"identitytoken"`
		} `json:"auths"`
	}
	if err := json.Unmarshal(raw, &config); err != nil {
		return "", fmt.Errorf("reading docker's config: %w", err)
	}
	return config.Auths[s.Host].IdentityToken, nil
}

// Run runs a command of the session.
func (s *Session) Run(args ...string) Output { return s.RunWith("", args...) }

// RunWith runs a command that reads stdin.
func (s *Session) RunWith(stdin string, args ...string) Output {
	s.T.Helper()
	path := need.Tool(s.T, args[0])
	return proc.Run(proc.Command{
		Args: append([]string{path}, args[1:]...), Env: s.Env(), Dir: s.path("tmp"), Stdin: stdin, Limit: s.Patience,
	})
}

// Steps runs commands one after the other, up to the first that fails, and returns its
// output, or that of the last one.
func (s *Session) Steps(steps ...[]string) Output {
	s.T.Helper()
	var out Output
	for _, args := range steps {
		if out = s.Run(args...); out.Err != nil {
			return out
		}
	}
	return out
}

// Fresh returns a path in the session that nothing is at.
func (s *Session) Fresh(name string) string {
	s.count++
	return s.path("tmp", fmt.Sprintf("%s-%d", name, s.count))
}

func (s *Session) path(parts ...string) string {
	return filepath.Join(append([]string{s.Dir}, parts...)...)
}

// firstDigest returns the first digest in a text, or nothing.
func firstDigest(text string) string {
	_, rest, ok := strings.Cut(text, "sha256:")
	if !ok || len(rest) < 64 {
		return ""
	}
	return "sha256:" + rest[:64]
}

// lastDigest returns the last digest in a text, or nothing.
func lastDigest(text string) string {
	at := strings.LastIndex(text, "sha256:")
	if at < 0 {
		return ""
	}
	return firstDigest(text[at:])
}
