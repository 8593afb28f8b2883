package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/pki"
	"github.com/sealock/sealock/proxy"
	"github.com/sealock/sealock/settings"
)

// registryConfig is what the command of that name was asked for.
type registryConfig struct {
	out     string
	realm   string
	service string
	jwks    bool
}

func newRegistryConfigCommand(env *environment) *cobra.Command {
	var (
		flags settingsFlags
		rc    registryConfig
	)
	cmd := &cobra.Command{
		Use:   "registry-config",
		Short: "Print the auth block of a stock registry that is to trust this server",
		Long: `Prints the auth.token block for the config.yml of a stock registry (2.8, 3.0, 3.1), and writes the file that it
names. The bundle holds sealock's token root: signing keys may change at any time without a change at the registry.

With --jwks a key set is written instead, for registries 3.x that must not use a bundle. Such a registry reads the
file once, at its start, and refuses tokens with an x5c header: set token.key_header (or the service's key_header) to
kid, and run this command again after a rotation. The next key stands in the file already, so one rotation needs no
restart.

Where registry.notifications.secret is set, a block is printed besides that lets the registry tell sealock what it has,
for registries that clients reach without the front proxy. It holds that secret.`,
		Example: `  sealock registry-config                                    # writes ./sealock-root.pem
  sealock registry-config --out /etc/docker/registry --external-url https://hub.example.com
  sealock registry-config --jwks --service other-registry`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := flags.load(cmd, env)
			if err != nil {
				return err
			}
			return rc.run(env, cfg)
		},
	}
	addSettingsFlags(cmd, &flags, "data_dir", "listen")
	cmd.Flags().StringVar(&rc.out, "out", ".", "folder to write the bundle or key set to")
	cmd.Flags().StringVar(&rc.realm, "external-url", "", "URL under which clients reach this server (default: the first of external_urls)")
	cmd.Flags().StringVar(&rc.service, "service", "", "which of the configured services the registry is (default: token.service)")
	cmd.Flags().BoolVar(&rc.jwks, "jwks", false, "write a JWKS file for a registry 3.x instead of a certificate bundle")
	return cmd
}

func (rc registryConfig) run(env *environment, cfg settings.Config) error {
	service, err := rc.find(cfg)
	if err != nil {
		return err
	}
	realm := rc.realm
	if realm == "" {
		realm = cfg.ExternalURLs[0]
	}
	dir := dataDir(cfg.DataDir)
	if err := dir.prepare(); err != nil {
		return err
	}
	root, created, err := dir.tokenRoot(time.Now())
	if err != nil {
		return err
	}
	if created {
		fmt.Fprintf(env.Stderr, "note: there was no token root in %s, a new one is there now: the server must be started with the same --data-dir\n", dir.keys())
	}
	key, file, text := "rootcertbundle", "sealock-root.pem", root.PEM()
	if rc.jwks {
		key, file = "jwks", "sealock-jwks.json"
		if text, err = rc.keySet(cfg, dir, root); err != nil {
			return err
		}
	}
	path, err := filepath.Abs(filepath.Join(rc.out, file))
	if err != nil {
		return err
	}
	if err := rc.write(path, text); err != nil {
		return err
	}
	_, err = fmt.Fprintf(env.Stdout, `auth:
  token:
    realm: %s%s
    service: %s
    issuer: %s
    %s: %s
`, trimSlash(realm), auth.PathToken, service.Name, cfg.Token.Issuer, key, path)
	if err == nil {
		err = rc.printNotifications(env, cfg, realm)
	}
	rc.advise(env, service, path)
	return err
}

// printNotifications prints what lets the registry tell what it has. It holds the secret: there is no other place for it.
func (rc registryConfig) printNotifications(env *environment, cfg settings.Config, origin string) error {
	shared := cfg.Registry.Notifications.Secret
	if shared.Empty() {
		return nil
	}
	_, err := fmt.Fprintf(env.Stdout, `notifications:
  endpoints:
    - name: sealock
      url: %s%s
      headers:
        Authorization: ["Bearer %s"]
      timeout: 5s
      threshold: 5
      backoff: 1s
      ignoredmediatypes:
        - application/octet-stream
`, trimSlash(origin), proxy.NotificationsPath, shared.Reveal())
	fmt.Fprintln(env.Stderr, "note: the block holds the secret of registry.notifications: keep config.yml from others")
	return err
}

// find returns the service that is asked for.
func (rc registryConfig) find(cfg settings.Config) (settings.Service, error) {
	all := append([]settings.Service{{Name: cfg.Token.Service, KeyHeader: cfg.Token.KeyHeader}}, cfg.Token.Services...)
	for _, s := range all {
		if rc.service == "" || s.Name == rc.service {
			return s, nil
		}
	}
	return settings.Service{}, errs.New(errs.Invalid, "there is no service %q", rc.service).WithHint("add it under token.services")
}

// keySet renders the keys of the ring, made if there is none yet.
func (rc registryConfig) keySet(cfg settings.Config, dir dataDir, root *pki.Root) ([]byte, error) {
	ring, err := openKeyRing(cfg, dir, root, quiet())
	if err != nil {
		return nil, err
	}
	var keys []auth.PublicKey
	for _, k := range ring.Keys() {
		keys = append(keys, auth.PublicKey{ID: k.ID, Algorithm: k.Algorithm, Key: k.Private.Public()})
	}
	return auth.JWKS(keys)
}

func (rc registryConfig) write(path string, text []byte) error {
	err := os.MkdirAll(filepath.Dir(path), 0o755) //nolint:gosec // registries run as another user and read what is public
	if err == nil {
		err = pki.WriteFile(path, text, 0o644)
	}
	if err != nil {
		return errs.New(errs.Invalid, "can't write %q", path).WithHint("choose a folder with --out").Because(cause(err))
	}
	return nil
}

// advise says on stderr what the block alone does not: stdout stays a config file.
func (rc registryConfig) advise(env *environment, service settings.Service, path string) {
	fmt.Fprintf(env.Stderr, "wrote %s: put the block above into the registry's config.yml and restart it\n", path)
	want := auth.HeaderX5C
	if rc.jwks {
		want = auth.HeaderKeyID
	}
	if service.KeyHeader != want {
		fmt.Fprintf(env.Stderr, "note: this needs key_header: %s for the service %s in sealock.yaml, which has %s\n", want, service.Name, service.KeyHeader)
	}
}

func trimSlash(s string) string {
	for len(s) > 0 && s[len(s)-1] == '/' {
		s = s[:len(s)-1]
	}
	return s
}
