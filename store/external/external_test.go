package external_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/store/external"
)

func open(t testing.TB, change func(*external.Config)) *external.Source {
	t.Helper()
	cfg := external.Default()
	change(&cfg)
	s, err := external.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func login(s *external.Source, name, password string) (auth.Subject, error) {
	return s.Authenticate(context.Background(), auth.Credential{Name: name, Secret: secret.New(password), Remote: "192.0.2.1"})
}

// hookFunc answers as the name asks for.
func hookFunc(t *testing.T, asked *[]map[string]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var q map[string]string
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil || r.Method != http.MethodPost {
			t.Errorf("the hook got %s %v, want a POST of JSON", r.Method, err)
		}
		*asked = append(*asked, q)
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		if r.Header.Get("Authorization") != "Bearer between-us" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		switch {
		case q["name"] == "alice" && (q["secret"] == "right" || q["operation"] == "lookup"):
			_, _ = io.WriteString(w, `{"subject": "alice", "groups": ["dev", "ops"], "admin": true, "more": 1}`)
		case q["name"] == "alice":
			w.WriteHeader(http.StatusUnauthorized)
		case q["name"] == "broken":
			w.WriteHeader(http.StatusInternalServerError)
		case q["name"] == "moved":
			w.Header().Set("Location", "http://127.0.0.1:1/")
			w.WriteHeader(http.StatusTemporaryRedirect)
		case q["name"] == "page":
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusNotFound)
		case q["name"] == "huge":
			_, _ = io.WriteString(w, `{"subject": "`+strings.Repeat("x", 2<<20)+`"}`)
		case q["name"] == "empty":
			_, _ = io.WriteString(w, `{"groups": []}`)
		case q["name"] == "nul":
			_, _ = io.WriteString(w, `{"subject": "a\u0000b"}`)
		case q["name"] == "text":
			_, _ = io.WriteString(w, `yes right`)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}
}

func TestHTTPHook(t *testing.T) {
	var asked []map[string]string
	server := httptest.NewServer(hookFunc(t, &asked))
	t.Cleanup(server.Close)
	s := open(t, func(c *external.Config) { c.URL, c.Shared, c.AdminFrom = server.URL, secret.New("between-us"), true })
	sub, err := login(s, "alice", "right")
	if err != nil || sub.Name != "alice" || !sub.SysAdmin || len(sub.Groups) != 2 {
		t.Errorf("Authenticate(alice) = %+v, %v, want alice with two groups and admin", sub, err)
	}
	q := asked[0]
	if q["operation"] != "authenticate" || q["secret"] != "right" || q["remote"] != "192.0.2.1" || q["request_id"] == "" {
		t.Errorf("the hook was asked %v", q)
	}
	if _, err := login(s, "alice", "wrong"); !errors.Is(err, auth.ErrBadCredential) {
		t.Errorf("401 = %v, want ErrBadCredential", err)
	}
	if _, err := login(s, "bob", "right"); !errors.Is(err, auth.ErrUnknownSubject) {
		t.Errorf("404 = %v, want ErrUnknownSubject", err)
	}
	before := len(asked)
	if _, err := login(s, "alice", ""); !errors.Is(err, auth.ErrBadCredential) || len(asked) != before {
		t.Errorf("an empty secret = %v, asked %d times, want ErrBadCredential without a question", err, len(asked)-before)
	}
	if sub, err := s.Resolve(t.Context(), "alice"); err != nil || !sub.SysAdmin {
		t.Errorf("Resolve(alice) = %+v, %v, want alice", sub, err)
	}
	if q := asked[len(asked)-1]; q["operation"] != "lookup" || q["secret"] != "" {
		t.Errorf("a lookup asks %v, want one without a secret", q)
	}
	for _, name := range []string{"broken", "moved", "page", "huge", "empty", "nul", "text"} {
		before := len(asked)
		_, err := login(s, name, "right")
		if err == nil || errors.Is(err, auth.ErrUnknownSubject) || errors.Is(err, auth.ErrBadCredential) {
			t.Errorf("Authenticate(%s) = %v, want an error that is no refusal", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "right") && name != "page" || len(asked) != before+1 {
			t.Errorf("Authenticate(%s) = %v after %d questions, want one and no secret in the error", name, err, len(asked)-before)
		}
	}
	s = open(t, func(c *external.Config) { c.URL = server.URL })
	if _, err := login(s, "alice", "right"); err == nil || errors.Is(err, auth.ErrBadCredential) {
		t.Errorf("without the shared secret = %v, want an error that is no refusal", err)
	}
	s = open(t, func(c *external.Config) { c.URL, c.Shared = server.URL, secret.New("between-us") })
	if sub, err := login(s, "alice", "right"); err != nil || sub.SysAdmin {
		t.Errorf("without trust_admin = %+v, %v, want no administrator", sub, err)
	}
}

func TestHTTPHookThatIsDown(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	down := open(t, func(c *external.Config) { c.URL = "http://" + address })
	if _, err := login(down, "alice", "right"); err == nil || errors.Is(err, auth.ErrUnknownSubject) {
		t.Errorf("a hook that is down = %v, want an error that is no refusal", err)
	}
	// It comes up between the attempts.
	s := open(t, func(c *external.Config) { c.URL, c.Retries = "http://"+address, 8 })
	time.AfterFunc(100*time.Millisecond, func() {
		if l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address); err == nil {
			srv := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, `{"subject": "alice"}`)
			})}
			t.Cleanup(func() { _ = srv.Close() })
			_ = srv.Serve(l)
		}
	})
	if _, err := login(s, "alice", "right"); err != nil {
		t.Errorf("a hook that comes up = %v, want no error", err)
	}
}

func TestHTTPHookThatHangs(t *testing.T) {
	var asked atomic.Int32
	free := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1); <-free }))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(free) })
	s := open(t, func(c *external.Config) { c.URL, c.Timeout = server.URL, 200*time.Millisecond })
	begin := time.Now()
	_, err := login(s, "alice", "right")
	if err == nil || !strings.Contains(err.Error(), "no answer within 200ms") || time.Since(begin) > 5*time.Second || asked.Load() != 1 {
		t.Errorf("a hook that hangs = %v after %s and %d questions, want one that ends with the timeout", err, time.Since(begin), asked.Load())
	}
}

// pair makes a certificate that is its own CA.
func pair(t *testing.T, dir, name string) (cert tls.Certificate, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	certFile, keyFile = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	for file, text := range map[string][]byte{certFile: certPEM, keyFile: keyPEM} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if cert, err = tls.X509KeyPair(certPEM, keyPEM); err != nil {
		t.Fatal(err)
	}
	return cert, certFile, keyFile
}

func TestMutualTLS(t *testing.T) {
	dir := t.TempDir()
	serverCert, serverFile, _ := pair(t, dir, "server")
	_, clientFile, clientKey := pair(t, dir, "client")
	clients := x509.NewCertPool()
	text, err := os.ReadFile(clientFile)
	if err != nil || !clients.AppendCertsFromPEM(text) {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"subject": "alice"}`)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{serverCert}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12}
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	server.StartTLS()
	t.Cleanup(server.Close)
	s := open(t, func(c *external.Config) {
		c.URL, c.CAFile, c.CertFile, c.KeyFile = server.URL, serverFile, clientFile, clientKey
	})
	if _, err := login(s, "alice", "right"); err != nil {
		t.Errorf("with both certificates = %v, want no error", err)
	}
	for name, change := range map[string]func(*external.Config){
		"no client certificate": func(c *external.Config) { c.CAFile = serverFile },
		"another CA":            func(c *external.Config) { c.CAFile, c.CertFile, c.KeyFile = clientFile, clientFile, clientKey },
		"the system's CAs":      func(c *external.Config) { c.CertFile, c.KeyFile = clientFile, clientKey },
	} {
		s := open(t, func(c *external.Config) { c.URL = server.URL; change(c) })
		if _, err := login(s, "alice", "right"); err == nil || errors.Is(err, auth.ErrUnknownSubject) {
			t.Errorf("%s = %v, want an error that is no refusal", name, err)
		}
	}
}

// script writes an exec hook.
func script(t *testing.T, body string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "hook")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+body), 0o700); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestExecHook(t *testing.T) {
	t.Setenv("CANARY", "from-the-server")
	seen := filepath.Join(t.TempDir(), "seen")
	hook := script(t, `read -r q
{ echo "args: $*"; env; } > `+seen+`
case $q in
*'"name":"alice"'*'"secret":"right"'*) echo '{"subject": "alice", "groups": ["'"$1"'"]}' ;;
*'"name":"alice"'*'"secret"'*) exit 41 ;;
*'"name":"broken"'*) echo no database >&2; exit 1 ;;
*'"name":"usage"'*) exit 2 ;;
*'"name":"silent"'*) exit 0 ;;
*) exit 44 ;;
esac
`)
	s := open(t, func(c *external.Config) { c.Command, c.Env = []string{hook, "$HOME; id", "b"}, []string{"WHERE=here"} })
	sub, err := login(s, "alice", "right")
	if err != nil || sub.Name != "alice" || len(sub.Groups) != 1 || sub.Groups[0] != "$HOME; id" {
		t.Errorf("Authenticate(alice) = %+v, %v, want alice, the argument untouched by a shell", sub, err)
	}
	text, err := os.ReadFile(seen)
	if err != nil || strings.Contains(string(text), "right") || strings.Contains(string(text), "CANARY") || !strings.Contains(string(text), "WHERE=here") {
		t.Errorf("the hook saw %s, %v, want no secret and an environment of its own", text, err)
	}
	if _, err := login(s, "alice", "wrong"); !errors.Is(err, auth.ErrBadCredential) {
		t.Errorf("exit 41 = %v, want ErrBadCredential", err)
	}
	if _, err := login(s, `bob","secret":"right","name":"alice`, "x"); !errors.Is(err, auth.ErrUnknownSubject) {
		t.Errorf("exit 44 = %v, want ErrUnknownSubject", err)
	}
	for _, name := range []string{"broken", "usage", "silent"} {
		if _, err := login(s, name, "x"); err == nil || errors.Is(err, auth.ErrBadCredential) || errors.Is(err, auth.ErrUnknownSubject) {
			t.Errorf("Authenticate(%s) = %v, want an error that is no refusal", name, err)
		}
	}
	if _, err := login(s, "broken", "x"); !strings.Contains(fmt.Sprint(err), "no database") {
		t.Errorf("a hook that breaks = %v, want what it said", err)
	}
}

// TestExecHookThatHangs holds that what the hook started ends with it.
func TestExecHookThatHangs(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	for name, body := range map[string]string{
		"the hook":  "(sleep 2; touch " + mark + ") & wait\n",
		"its child": "(sleep 2; touch " + mark + ") &\nexit 0\n",
	} {
		s := open(t, func(c *external.Config) { c.Command, c.Timeout = []string{script(t, body)}, 300*time.Millisecond })
		begin := time.Now()
		if _, err := login(s, "alice", "right"); err == nil || time.Since(begin) > 1900*time.Millisecond {
			t.Errorf("when %s hangs = %v after %s, want the timeout", name, err, time.Since(begin))
		}
	}
	time.Sleep(2500 * time.Millisecond)
	if _, err := os.Stat(mark); err == nil {
		t.Error("what the hook started went on")
	}
}

func TestOpenRefuses(t *testing.T) {
	open := func(mode os.FileMode) error {
		file := filepath.Join(t.TempDir(), "hook")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		_, err := external.Open(t.Context(), external.Config{Command: []string{file}}, slog.New(slog.DiscardHandler))
		return err
	}
	for _, mode := range []os.FileMode{0o600, 0o777, 0o702} {
		if err := open(mode); err == nil {
			t.Errorf("a command with mode %o is taken", mode)
		}
	}
	for name, cfg := range map[string]external.Config{
		"nothing":       {},
		"both":          {URL: "http://localhost", Command: []string{"/bin/true"}},
		"no http":       {URL: "ldap://localhost"},
		"a password":    {URL: "http://a:b@localhost"},
		"a bare name":   {Command: []string{"who-is"}},
		"half a pair":   {URL: "https://localhost", CertFile: "x"},
		"TLS for http":  {URL: "http://localhost", CAFile: "x"},
		"a bad env":     {Command: []string{"/bin/true"}, Env: []string{"X"}},
		"a slow answer": {URL: "http://localhost", Timeout: time.Hour},
	} {
		if cfg.Timeout == 0 {
			cfg.Timeout = time.Second
		}
		cfg.AtOnce = 1
		faults := 0
		cfg.Check(func(_, _, remedy string) {
			faults++
			if remedy == "" {
				t.Errorf("Check of %s: no remedy", name)
			}
		})
		if faults == 0 {
			t.Errorf("Check of %s finds nothing", name)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add(`{"subject": "alice", "groups": ["a"], "admin": true}`)
	f.Add(`{"subject": "a\u0000", "groups": null}`)
	f.Add(`[]`)
	var said atomic.Pointer[string]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, *said.Load())
	}))
	f.Cleanup(server.Close)
	s := open(f, func(c *external.Config) { c.URL = server.URL })
	f.Fuzz(func(t *testing.T, text string) {
		said.Store(&text)
		sub, err := login(s, "alice", "x")
		if err == nil && (sub.Name == "" || sub.SysAdmin || strings.ContainsAny(sub.Name, "\x00\n")) {
			t.Errorf("the answer %q gives %+v", text, sub)
		}
	})
}
