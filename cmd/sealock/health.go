package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/transport"
	"github.com/sealock/sealock/settings"
)

func newHealthCommand(env *environment) *cobra.Command {
	var flags settingsFlags
	cmd := &cobra.Command{
		Use:   "health [URL]",
		Short: "Ask a server whether it is well; for container health checks",
		Long: `Asks /api/v2.0/health of the server at URL and exits with 0 if every component is healthy, else with 1. It needs no
login. Without a URL it asks the server that has the same settings, on this machine.`,
		Example: `  sealock health
  sealock health https://registry.example.com`,
		Args: usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return health(cmd, env, http.Client{Transport: env.HTTP}, trimSlash(args[0]))
			}
			cfg, err := flags.load(cmd, env)
			if err != nil {
				return err
			}
			server, client, err := ownServer(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			return health(cmd, env, client, server)
		},
	}
	addSettingsFlags(cmd, &flags, "listen", "data_dir", "tls.self_signed")
	return cmd
}

// ownServer returns the URL of the server with these settings as it is reached on this machine, and a client that
// trusts no other certificate than the one that it serves: its names are those that others use.
func ownServer(ctx context.Context, cfg settings.Config) (string, http.Client, error) {
	trip := &http.Transport{}
	address := ownAddress(cfg.Listen)
	if path, ok := transport.UnixPath(cfg.Listen); ok {
		address = "localhost"
		trip.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		}
	}
	if !cfg.TLS.Enabled() {
		return "http://" + address, http.Client{Transport: trip}, nil
	}
	var err error
	if trip.TLSClientConfig, err = ownCertificate(ctx, cfg); err != nil {
		return "", http.Client{}, err
	}
	return "https://" + address, http.Client{Transport: trip}, nil
}

// ownAddress is how the address that the server listens on is reached here.
func ownAddress(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen // the settings were checked
	}
	if addr, err := netip.ParseAddr(host); host == "" || err == nil && addr.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// ownCertificate trusts the certificate that is served, or what sealock's own CA has signed, if that is or may be served,
// whatever names stand in it.
func ownCertificate(ctx context.Context, cfg settings.Config) (*tls.Config, error) {
	roots := x509.NewCertPool()
	switch {
	case cfg.TLS.SelfSigned:
		root, _, err := dataDir(cfg.DataDir).tlsRoot(time.Now())
		if err != nil {
			return nil, err
		}
		roots.AddCert(root.Certificate)
	case cfg.TLS.ACME.Enabled():
		if err := acmeRoots(ctx, cfg, roots); err != nil {
			return nil, err
		}
	default:
		pair, err := tls.LoadX509KeyPair(cfg.TLS.CertFile, cfg.TLS.KeyFile)
		if err != nil {
			return nil, errs.New(errs.Invalid, "the TLS certificate can't be used").WithHint("check tls.cert_file and tls.key_file").Because(err)
		}
		roots.AddCert(pair.Leaf)
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection checks all but the name, against one root instead of the system's
		VerifyConnection: func(s tls.ConnectionState) error {
			_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots})
			return err
		},
	}, nil
}

func health(cmd *cobra.Command, env *environment, client http.Client, server string) error {
	req, err := http.NewRequestWithContext(cmd.Context(), http.MethodGet, server+"/api/v2.0/health", nil)
	if err != nil {
		return usagef("%q is no URL: write it like http://localhost:8080", server)
	}
	client.Timeout = 5 * time.Second
	resp, err := client.Do(req)
	if err != nil {
		return errs.New(errs.Unavailable, "no answer from %s", server).WithHint("check that sealock serve runs there").Because(err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return errs.New(errs.Unavailable, "the answer of %s breaks off", server).WithHint("try again").Because(err)
	}
	if _, err := fmt.Fprintln(env.Stdout, printable(strings.TrimSpace(string(body)))); err != nil {
		return err
	}
	var answer struct {
		Status string `json:"status"`
	}
	if json.Unmarshal(body, &answer) != nil || resp.StatusCode != http.StatusOK || answer.Status != "healthy" {
		return errs.New(errs.Unavailable, "%s is not well", server).WithHint("the lines above and its log say what is down")
	}
	return nil
}
