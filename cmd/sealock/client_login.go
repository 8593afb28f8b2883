package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/cmd/internal/remote"
)

// loginOptions are the flags of login.
type loginOptions struct {
	username      string
	passwordStdin bool
	device        bool
	caFile        string
}

func newLoginCommand(env *environment) *cobra.Command {
	var o loginOptions
	cmd := &cobra.Command{
		Use:   "login [URL]",
		Short: "Log in to a server",
		Long: `Log in to a server for the other commands.

The password is asked for on the terminal, or read from standard input. It is not kept: what is kept, in
$XDG_CONFIG_HOME/sealock/login.json, is a refresh token, which sealock logout revokes.

With --device no password is needed here: the command shows a code, which you approve in a browser on any machine.`,
		Example: `  sealock login
  sealock login https://registry.example.com --device
  sealock login https://registry.example.com --username alice
  sealock login --username admin --password-stdin < password.txt`,
		Args: usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return runLogin(cmd.Context(), env, o, args) },
	}
	cmd.Flags().StringVarP(&o.username, "username", "u", "", "who logs in (asked for when it is not given)")
	cmd.Flags().BoolVar(&o.passwordStdin, "password-stdin", false, "read the password from standard input")
	cmd.Flags().BoolVar(&o.device, "device", false, "log in with a code that you approve in a browser")
	cmd.MarkFlagsMutuallyExclusive("device", "password-stdin")
	cmd.MarkFlagsMutuallyExclusive("device", "username")
	cmd.Flags().StringVar(&o.caFile, "ca-file", "", "a PEM file with the certificate that vouches for the server's")
	return cmd
}

func runLogin(ctx context.Context, env *environment, o loginOptions, args []string) error {
	l, err := newLogin(env, o, args)
	if err != nil {
		return err
	}
	t, err := authorize(ctx, env, o, &l)
	if err != nil {
		return err
	}
	if t.RefreshToken == "" {
		return fmt.Errorf("%s gives no refresh token: its service %q must allow them", l.URL, apiService)
	}
	l.RefreshToken = t.RefreshToken
	if err := replaceLogin(ctx, env, l); err != nil {
		return err
	}
	out, _ := newPrinter(env.Stdout, outputTable) // a known format
	return out.say(nil, "logged in at %s as %s", l.URL, l.Username)
}

// authorize gets tokens for the login, and the name of whom they are for.
func authorize(ctx context.Context, env *environment, o loginOptions, l *login) (remote.Tokens, error) {
	warnPlain(env, l.URL)
	if o.device {
		t, err := authorizeDevice(ctx, env, *l)
		l.Username = t.Subject()
		return t, err
	}
	return authorizePassword(ctx, env, o, l)
}

// authorizeDevice lets somebody approve the login in a browser (RFC 8628).
func authorizeDevice(ctx context.Context, env *environment, l login) (remote.Tokens, error) {
	server, err := remoteServer(env, l.URL, l.CAFile)
	if err != nil {
		return remote.Tokens{}, err
	}
	d := remote.DeviceLogin{
		Server: server, DeviceEndpoint: l.URL + auth.PathDevice, TokenEndpoint: l.URL + auth.PathToken, ClientID: clientID, Service: apiService,
	}
	codes, err := d.Start(ctx)
	if err != nil {
		return remote.Tokens{}, loginRefused(l, err)
	}
	_, _ = fmt.Fprint(env.Stderr, codes.Instructions())
	return d.Wait(ctx, codes, remote.Sleep)
}

func authorizePassword(ctx context.Context, env *environment, o loginOptions, l *login) (t remote.Tokens, err error) {
	in := bufio.NewReader(env.Stdin)
	if l.Username == "" {
		if l.Username, err = askUsername(env, in); err != nil {
			return t, err
		}
	}
	password, err := askPassword(env, in, "Password: ", o.passwordStdin)
	if err != nil {
		return t, err
	}
	t, err = askToken(ctx, env, *l, url.Values{
		"grant_type": {"password"}, "access_type": {"offline"}, "username": {l.Username}, "password": {password},
	})
	if err != nil {
		return t, loginRefused(*l, err)
	}
	return t, nil
}

// replaceLogin keeps a login and revokes the one before, which nobody could revoke afterwards for lack of its secret.
// A server that is gone keeps nobody from logging in to another one.
func replaceLogin(ctx context.Context, env *environment, l login) error {
	before, err := loadLogin(env)
	if err == nil && before.RefreshToken != "" {
		_ = revokeLogin(ctx, env, before)
	}
	return saveLogin(env, l)
}

// revokeLogin ends a login's refresh token on its server (RFC 7009).
func revokeLogin(ctx context.Context, env *environment, l login) error {
	_, err := postForm[struct{}](ctx, env, l, "/service/token/revoke", url.Values{
		"token": {l.RefreshToken}, "token_type_hint": {"refresh_token"}, "client_id": {clientID},
	})
	return err
}

// newLogin says where to log in, as far as the command line says it.
func newLogin(env *environment, o loginOptions, args []string) (login, error) {
	server := orDefault(env.Getenv("SEALOCK_SERVER"))
	if len(args) > 0 {
		server = args[0]
	}
	server, err := serverURL(server)
	if err != nil {
		return login{}, err
	}
	l := login{URL: server, Username: o.username}
	if o.caFile != "" {
		// Kept absolute: the next command may run in another folder.
		if l.CAFile, err = filepath.Abs(o.caFile); err != nil {
			return login{}, fmt.Errorf("finding %s: %w", o.caFile, err)
		}
	}
	return l, nil
}

// loginRefused says it in words for this command: the server's own speak of docker login.
func loginRefused(l login, err error) error {
	var refused *remote.Error
	if !errors.As(err, &refused) {
		return err
	}
	switch refused.Status {
	case http.StatusUnauthorized:
		if strings.Contains(err.Error(), auth.ErrSecondFactor.Message) {
			return err // it says what to do
		}
		return errors.New("unknown user or wrong password: check both")
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return fmt.Errorf("%s has no token end-point: check the URL", l.URL)
	default:
		return err
	}
}

// warnPlain warns of a password that everybody on the way can read.
func warnPlain(env *environment, server string) {
	if !remote.Plain(server) {
		return
	}
	_, _ = fmt.Fprintf(env.Stderr, "sealock: warning: %s is not encrypted: others on the way can read the password\n", server)
}

func newLogoutCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:     "logout",
		Short:   "Log out: revoke the saved login and forget it",
		Long:    "Log out: revoke the saved login's refresh token on the server and forget it here.",
		Example: "  sealock logout",
		Args:    usageArgs(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return runLogout(cmd.Context(), env) },
	}
}

// runLogout forgets the login even when the server can't be asked to revoke it, and says that it could not.
func runLogout(ctx context.Context, env *environment) error {
	l, err := loadLogin(env)
	if err != nil {
		return errors.Join(err, forgetLogin(env))
	}
	out, _ := newPrinter(env.Stdout, outputTable) // a known format
	if l.URL == "" {
		return out.say(nil, "not logged in")
	}
	revokeErr := revokeLogin(ctx, env, l)
	if err := forgetLogin(env); err != nil {
		return err
	}
	if revokeErr != nil {
		return fmt.Errorf("logged out here, but the server did not revoke the login (%w): revoke it with sealock token revoke", revokeErr)
	}
	return out.say(nil, "logged out from %s", l.URL)
}

// askUsername asks on the terminal.
func askUsername(env *environment, in *bufio.Reader) (string, error) {
	if env.ReadPassword == nil {
		return "", usagef("no user is named and there is no terminal to ask on: give --username")
	}
	_, _ = fmt.Fprint(env.Stderr, "Username: ")
	name, err := in.ReadString('\n')
	if name = strings.TrimSpace(name); name == "" {
		return "", errors.Join(usagef("no user is named: give --username"), err)
	}
	return name, nil
}

// askPassword reads a line from standard input, or asks on the terminal without showing the answer.
func askPassword(env *environment, in *bufio.Reader, prompt string, fromStdin bool) (string, error) {
	if fromStdin {
		line, _ := in.ReadString('\n') // the last line may have no end
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			return "", usagef("standard input holds no password: pipe it in, one line each")
		}
		return line, nil
	}
	if env.ReadPassword == nil {
		return "", usagef("there is no terminal to ask for the password on: give --password-stdin")
	}
	_, _ = fmt.Fprint(env.Stderr, prompt)
	password, err := env.ReadPassword()
	_, _ = fmt.Fprintln(env.Stderr)
	if err == nil && password == "" {
		return "", errors.New("no password is given")
	}
	return password, err
}
