package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/settings"
)

func newCACommand(env *environment) *cobra.Command {
	var flags settingsFlags
	cmd := &cobra.Command{
		Use:   "ca",
		Short: "Print the CA certificate of a self-signed set-up, and how clients come to trust it",
		Long: `Prints the certificate of the CA that signs this server's TLS certificate when tls.self_signed is on, in PEM form,
and on stderr where docker and podman look for it. The running server serves the same file at /ca.crt.`,
		Example: `  sealock ca --data-dir /var/lib/sealock > ca.crt
  curl -k https://registry.example.com/ca.crt > ca.crt`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := flags.load(cmd, env)
			if err != nil {
				return err
			}
			return printCA(env, cfg)
		},
	}
	addSettingsFlags(cmd, &flags, "data_dir", "listen", "tls.self_signed")
	return cmd
}

func printCA(env *environment, cfg settings.Config) error {
	dir := dataDir(cfg.DataDir)
	if _, err := os.Stat(dir.path("keys", "tls-root.pem")); err != nil && !cfg.TLS.SelfSigned {
		return errs.New(errs.Invalid, "this server does not speak TLS with a certificate of its own").
			WithHint("set tls.self_signed: true in sealock.yaml, or start it with --tls-self-signed")
	}
	if err := dir.prepare(); err != nil {
		return err
	}
	root, _, err := dir.tlsRoot(time.Now())
	if err != nil {
		return err
	}
	if _, err := env.Stdout.Write(root.PEM()); err != nil {
		return err
	}
	for _, u := range cfg.ExternalURLs {
		_, _ = fmt.Fprintln(env.Stderr, trustLine(u)) // advice only
	}
	return nil
}

// trustLine is the command that makes docker on a client machine trust the CA for the host of a URL.
func trustLine(external string) string {
	u, err := url.Parse(external)
	if err != nil {
		return ""
	}
	dir := filepath.Join("/etc/docker/certs.d", u.Host)
	return fmt.Sprintf("sudo mkdir -p %s && sudo cp ca.crt %s", dir, filepath.Join(dir, "ca.crt"))
}
