package credhelper

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/sealock/sealock/cmd/internal/remote"
)

// login logs in with a code that somebody approves in a browser.
func (h *Helper) login(ctx context.Context, args []string) error {
	host, configure, err := loginArguments(args)
	if err != nil {
		return err
	}
	k, err := newKeeper(h.Getenv)
	if err != nil {
		return err
	}
	c, err := h.approved(ctx, host)
	if err != nil {
		return err
	}
	if err := h.keep(ctx, k, host, c); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(h.Stdout, "logged in at %s as %s\n", host, c.Username); err != nil {
		return err
	}
	return h.offer(host, configure)
}

// loginArguments reads HOST [--configure], in either order.
func loginArguments(args []string) (host string, configure bool, err error) {
	flags := flag.NewFlagSet("login", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.BoolVar(&configure, "configure", false, "")
	var names []string
	for rest := args; ; rest = flags.Args()[1:] {
		if err := flags.Parse(rest); err != nil {
			return "", false, fmt.Errorf("%w: see %s --help", err, Name)
		}
		if flags.NArg() == 0 {
			break
		}
		names = append(names, flags.Arg(0))
	}
	if len(names) != 1 {
		return "", false, fmt.Errorf("name one registry, such as: %s login registry.example.com", Name)
	}
	host, err = hostOf(names[0])
	return host, configure, err
}

// approved lets somebody approve this login, and returns what to keep.
func (h *Helper) approved(ctx context.Context, host string) (credential, error) {
	s, err := h.discover(ctx, host)
	if err != nil {
		return credential{}, err
	}
	m, err := remote.FetchMetadata(ctx, s.Server)
	if err != nil || m.DeviceEndpoint == "" || m.TokenEndpoint == "" {
		return credential{}, errors.Join(fmt.Errorf("%s knows no device login: use docker login %s", s.URL, host), err)
	}
	d := remote.DeviceLogin{
		Server: s.Server, DeviceEndpoint: m.DeviceEndpoint, TokenEndpoint: m.TokenEndpoint, ClientID: h.clientID(), Service: s.Service,
	}
	codes, err := d.Start(ctx)
	if err != nil {
		return credential{}, err
	}
	if _, err := io.WriteString(h.Stderr, codes.Instructions()); err != nil {
		return credential{}, err
	}
	t, err := d.Wait(ctx, codes, h.Wait)
	if err != nil {
		return credential{}, err
	}
	if t.RefreshToken == "" {
		return credential{}, fmt.Errorf("%s gives no refresh token", s.URL)
	}
	return credential{Username: t.Subject(), RefreshToken: t.RefreshToken, Service: s.Service, Realm: s.Realm}, nil
}

// offer lets docker use the helper for the host, if that is wanted.
func (h *Helper) offer(host string, configure bool) error {
	d := h.dockerConfig()
	if d.uses(host) {
		return nil
	}
	if !configure && h.Terminal {
		_, _ = fmt.Fprintf(h.Stderr, "Let docker use this login (credHelpers in %s)? [y/N] ", d.path)
		line, _ := bufio.NewReader(h.Stdin).ReadString('\n') // no answer is no
		line = strings.ToLower(strings.TrimSpace(line))
		configure = line == "y" || line == "yes"
	}
	if !configure {
		_, err := fmt.Fprintf(h.Stdout, "docker does not use it yet; to let it: %s configure %s\n", Name, host)
		return err
	}
	return h.write(d, host)
}

// configure lets docker use the helper for a host.
func (h *Helper) configure(args []string) error {
	host, _, err := loginArguments(args)
	if err != nil {
		return err
	}
	return h.write(h.dockerConfig(), host)
}

func (h *Helper) write(d dockerConfig, host string) error {
	dropped, err := d.use(host)
	if err != nil {
		return err
	}
	said := fmt.Sprintf("docker uses this helper for %s from now on (%s)", host, d.path)
	if dropped {
		said += "; the login that was kept there in clear is gone"
	}
	_, err = fmt.Fprintln(h.Stdout, said)
	return err
}
