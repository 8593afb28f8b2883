package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Accounts of the server that is measured.
const (
	adminName     = "admin"
	adminPassword = "Admin-bench-12345"
	userName      = "alice"
	userPassword  = "Alice-bench-12345"
	service       = "sealock"
)

// server is a sealock.
type server struct {
	*process
	binary, home string
}

// startSealock starts a sealock and returns at once; answers waits for it.
func startSealock(ctx context.Context, binary, home string, args ...string) (*server, error) {
	addr, err := freeAddr(ctx)
	if err != nil {
		return nil, err
	}
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "SEALOCK_ADMIN_PASSWORD=" + adminPassword}
	args = append([]string{binary, "serve", "--data-dir", filepath.Join(home, "data"), "--listen", addr}, args...)
	p, err := launch(ctx, home, env, args...)
	if err != nil {
		return nil, err
	}
	p.cmd.Stdout = p.log
	p.Addr, p.Began = addr, time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting sealock: %w", err)
	}
	return &server{process: p, binary: binary, home: home}, nil
}

// freeAddr returns a loopback address that nobody listens on.
func freeAddr(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("finding a port: %w", err)
	}
	addr := l.Addr().String()
	return addr, l.Close()
}

// startLimit is when a server that does not answer is given up.
const startLimit = time.Minute

// answers asks for a token until there is one, and returns how long after the start that was.
func (s *server) answers(ctx context.Context) (time.Duration, error) {
	for {
		_, err := s.token(ctx, tokenRequest{User: adminName, Password: adminPassword})
		waited := time.Since(s.Began)
		if err == nil {
			return waited, nil
		}
		if ctx.Err() != nil || waited > startLimit {
			return 0, errors.Join(fmt.Errorf("no token after %s: %w", waited, err), s.stop())
		}
		time.Sleep(time.Millisecond)
	}
}

// tokenRequest is what to ask the token end-point for.
type tokenRequest struct {
	User, Password string // GET with Basic, or without for anonymous
	Scope          string
	Offline        bool
	RefreshToken   string // POST
}

// http makes the request.
func (q tokenRequest) http(ctx context.Context, addr string) (*http.Request, error) {
	base := "http://" + addr + "/service/token"
	if q.RefreshToken != "" {
		form := "grant_type=refresh_token&client_id=bench&service=" + service + "&scope=" + q.Scope + "&refresh_token=" + q.RefreshToken
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, base, strings.NewReader(form))
		if err != nil {
			return nil, fmt.Errorf("making a request: %w", err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return r, nil
	}
	query := "?service=" + service
	if q.Scope != "" {
		query += "&scope=" + q.Scope
	}
	if q.Offline {
		query += "&offline_token=true"
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+query, nil)
	if err != nil {
		return nil, fmt.Errorf("making a request: %w", err)
	}
	if q.User != "" {
		r.SetBasicAuth(q.User, q.Password)
	}
	return r, nil
}

// tokenAnswer is what the benchmark reads of an answer.
type tokenAnswer struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	Scope        string `json:"scope"`
}

// token asks for one token.
func (s *server) token(ctx context.Context, q tokenRequest) (tokenAnswer, error) {
	r, err := q.http(ctx, s.Addr)
	if err != nil {
		return tokenAnswer{}, err
	}
	var a tokenAnswer
	body, err := do(r, http.StatusOK)
	if err != nil {
		return tokenAnswer{}, err
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return tokenAnswer{}, fmt.Errorf("reading the token: %w", err)
	}
	if q.Scope != "" && a.Scope != q.Scope {
		return tokenAnswer{}, fmt.Errorf("granted %q, want %q", a.Scope, q.Scope)
	}
	return a, nil
}

// do sends a request that has to be answered with a status.
func do(r *http.Request, want int) ([]byte, error) { return ask(http.DefaultClient, r, want) }

func ask(client *http.Client, r *http.Request, want int) ([]byte, error) {
	resp, err := client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("asking: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	if resp.StatusCode != want {
		return nil, fmt.Errorf("%s %s: got %s, want %d: %s", r.Method, r.URL.Path, resp.Status, want, body)
	}
	return body, nil
}

// furnish makes the user, the project and the membership that the requests need.
func (s *server) furnish(ctx context.Context) error {
	for _, c := range []struct {
		stdin string
		args  []string
	}{
		{adminPassword, []string{"login", "http://" + s.Addr, "--username", adminName, "--password-stdin"}},
		{userPassword, []string{"user", "create", userName, "--password-stdin"}},
		{"", []string{"project", "create", "team"}},
		{"", []string{"member", "add", "team", userName, "--role", "developer"}},
	} {
		cmd := exec.CommandContext(ctx, s.binary, c.args...) //nolint:gosec // the program that is measured
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.home, "XDG_CONFIG_HOME=" + filepath.Join(s.home, "config")}
		cmd.Stdin = strings.NewReader(c.stdin + "\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("sealock %s: %w\n%s", strings.Join(c.args, " "), err, out)
		}
	}
	return nil
}
