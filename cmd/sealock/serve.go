package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealock/sealock/internal/transport"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/settings"
)

func newServeCommand(env *environment) *cobra.Command {
	var flags settingsFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server: everything on one address, or one part of it",
		Long: `Runs the token server, the front door, the REST API and, unless registry.url names another one, an embedded registry,
all on one address. The first start makes the data folder, the keys, the administrator admin and the project library,
and prints what to type next.

It speaks TLS with certificates from files, from a CA by ACME (tls.acme, such as Let's Encrypt's) or of its own; docs/proxy.md
compares them.

SIGTERM stops it when what is under way has finished, for as long as drain.stop says. SIGHUP or SIGUSR2 restarts it without a
gap: a new process of the program that is on the disk then reads the settings anew and takes over; if it can't, the old
one stays and the log says why.`,
		Example: `  sealock serve
  sealock serve --listen :443 --tls-self-signed --data-dir /var/lib/sealock
  SEALOCK_TLS_ACME_AGREE_TO_TERMS=true SEALOCK_TLS_ACME_HOSTS=registry.example.com sealock serve --listen :443
  SEALOCK_ADMIN_PASSWORD_FILE=/run/secrets/admin sealock serve --config sealock.yaml
  sealock serve --only auth          # the token server alone, for a registry that you run`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := flags.load(cmd, env)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), env, cfg)
		},
	}
	addSettingsFlags(cmd, &flags, "listen", "data_dir", "only", "tls.self_signed", "tls.cert_file", "tls.key_file",
		"registry.url", "log.level", "log.format")
	return cmd
}

// gcPercent lets the heap grow to four times what lives in it before it is swept: little lives, and many short
// requests would sweep it dozens of times a second. keepSmall sees to the rest.
const gcPercent = 300

// serve runs the system until ctx ends, or until another process has taken over.
func serve(ctx context.Context, env *environment, cfg settings.Config) error {
	log := newLog(env.Stderr, cfg.Log)
	legacy, err := transport.Inherit(env.Getenv)
	if err != nil {
		return err
	}
	defer legacy.Close()
	heir := !legacy.Empty()
	row := transport.NewSuccession(legacy)
	defer row.Close()
	ctx, unbind := row.Bound(ctx)
	defer unbind()
	l, err := listen(ctx, cfg, cfg.Listen, legacy)
	if err != nil {
		return err
	}
	defer l.Close()
	var plain *transport.Socket
	if cfg.TLS.RedirectListen != "" {
		if plain, err = listen(ctx, cfg, cfg.TLS.RedirectListen, legacy); err != nil {
			return err
		}
		defer plain.Close()
	}
	if err := legacy.Unclaimed(); err != nil {
		return err
	}
	s, err := newSystem(ctx, cfg, log, legacy)
	if err != nil {
		return err
	}
	first, err := s.firstStart(ctx)
	if err != nil {
		_ = s.close() // the reason why it does not start says more
		return err
	}
	if !heir {
		s.welcome(env.Stdout, first)
	}
	if s.keepSmall = env.Getenv("GOGC") == "" && env.Getenv("GOMEMLIMIT") == ""; s.keepSmall {
		debug.SetGCPercent(gcPercent)
		keepSmall()
	}
	debug.FreeOSMemory() // the first start took much memory for a moment: migrations, a password hash
	log.Info("listening", "address", l.Addr().String(), "tls", s.tls != nil, "registry", s.registryName())
	return s.serve(ctx, env, s.entrances(l, plain), legacy, row)
}

// serve listens and does the background work; both have ended when it returns.
func (s *system) serve(ctx context.Context, env *environment, doors entrances, legacy *transport.Legacy, row *transport.Succession) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx)) // requests that finish need it
	done := make(chan struct{})
	go func() { defer close(done); s.run(background) }()
	finish := sync.OnceValue(func() error {
		stop()
		<-done
		return s.close()
	})
	err := turn{system: s, env: env, doors: doors, row: row, finish: finish}.serve(ctx, legacy)
	if finishErr := finish(); err == nil {
		err = finishErr
	}
	return err
}

// entrances puts the servers behind their sockets: everything, and what sends clients there, for which there may be no socket.
func (s *system) entrances(l, plain *transport.Socket) entrances {
	front := newHTTPServer(s.handler, s.tls, s.cfg.Limits, s.log)
	if s.acme != nil {
		endChallenges(front)
	}
	all := entrances{newEntrance(l, front, s.cfg, s.before)}
	if plain != nil {
		redirect := newHTTPServer(patient(pace(s.cfg.Limits), s.plain()), nil, s.cfg.Limits, s.log)
		all = append(all, newEntrance(plain, redirect, s.cfg, s.before))
	}
	return all
}

// registryName says in the log what is behind the door.
func (s *system) registryName() string {
	if s.gate == nil {
		return "none"
	}
	names := []string{s.cfg.Registry.Default().URL}
	for _, u := range s.cfg.Registries {
		names = append(names, u.Name+"="+u.URL)
	}
	return strings.Join(names, " ")
}

func newLog(w io.Writer, cfg settings.Log) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.Level)) // the settings were checked; the zero value is info
	options := &slog.HandlerOptions{Level: level}
	if cfg.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// welcome prints what to type next.
func (s *system) welcome(w io.Writer, first firstStart) {
	external := s.origins.First()
	var b strings.Builder
	fmt.Fprintf(&b, "sealock is ready at %s\n", external)
	switch {
	case !first.Created:
		fmt.Fprintf(&b, "It uses the data in %s; the administrator is %s.\n", s.cfg.DataDir, project.FirstAdmin)
	case first.Generated.Empty():
		fmt.Fprintf(&b, "Its data is in %s, new. The administrator is %s, with the password that was set.\n", s.cfg.DataDir, project.FirstAdmin)
	default:
		fmt.Fprintf(&b, "Its data is in %s, new. The administrator is %s, password %s (shown this once).\n", s.cfg.DataDir, project.FirstAdmin, first.Generated.Reveal())
	}
	if first.Ignored {
		b.WriteString("SEALOCK_ADMIN_PASSWORD counts at the first start only; 'sealock user password' changes it later.\n")
	}
	if s.acme != nil && len(s.acme.Waiting(time.Now())) > 0 {
		fmt.Fprintf(&b, "It asks %s for a TLS certificate: until the log says that it has one, clients refuse it.\n", s.cfg.TLS.ACME.Directory)
	}
	if s.gate == nil {
		b.WriteString("\nOnly the token server runs. What a registry needs to use it:\n\n  sealock registry-config --data-dir " + s.cfg.DataDir + "\n\n")
	} else {
		b.WriteString(s.nextSteps(external.Host, first))
	}
	_, _ = io.WriteString(w, b.String()) // nobody reads it if this fails
}

// nextSteps are lines that work when pasted, without any image from elsewhere.
func (s *system) nextSteps(host string, first firstStart) string {
	login := "docker login -u " + project.FirstAdmin + " " + host
	if !first.Generated.Empty() {
		login = fmt.Sprintf("echo %s | docker login -u %s --password-stdin %s", first.Generated.Reveal(), project.FirstAdmin, host)
	}
	image := host + "/" + project.FirstProject + "/hello:v1"
	lines := []string{
		login,
		"tar -cC /etc hostname | docker import - " + image,
		"docker push " + image,
		"docker pull " + image,
	}
	if s.tlsRoot != nil {
		dir := "/etc/docker/certs.d/" + host
		lines = append([]string{"sudo mkdir -p " + dir + " && curl -sk " + s.origins.First().String() + "/ca.crt | sudo tee " + dir + "/ca.crt"}, lines...)
	}
	return "\nNext:\n\n  " + strings.Join(lines, "\n  ") + "\n\n"
}
