package acme_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/sealock/sealock/internal/acme"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/pki"
	"github.com/sealock/sealock/internal/secret"
)

// directory is where no CA answers.
func directory(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it is closed at once
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "https://" + l.Addr().String() + "/dir"
}

// log is one that several goroutines write to.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *log) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// kept writes certificates into a folder as an earlier process left them there.
func kept(t *testing.T, cfg acme.Config, ends map[string]time.Time) {
	t.Helper()
	root, err := pki.NewRoot("test", time.Now(), 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	key := strings.ReplaceAll(strings.TrimPrefix(cfg.Directory, "https://"), "/", "-")
	files := &certmagic.FileStorage{Path: cfg.Dir}
	for host, end := range ends {
		private, err := pki.NewECKey()
		if err != nil {
			t.Fatal(err)
		}
		template := x509.Certificate{DNSNames: []string{host}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
		begin := end.Add(-48 * time.Hour)
		if end.After(time.Now()) {
			begin = time.Now()
		}
		leaf, err := root.Certify(private.Public(), template, begin, end.Sub(begin))
		if err != nil {
			t.Fatal(err)
		}
		keyText, err := pki.KeyPEM(private)
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string][]byte{
			certmagic.StorageKeys.SiteCert(key, host): pki.CertificatePEM(leaf), certmagic.StorageKeys.SitePrivateKey(key, host): keyText,
			certmagic.StorageKeys.SiteMeta(key, host): []byte(`{"sans":["` + host + `"]}`),
		} {
			if err := files.Store(t.Context(), name, text); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// hello is what a client says.
func hello(name string, protocols ...string) *tls.ClientHelloInfo {
	c, _ := net.Pipe()
	return &tls.ClientHelloInfo{
		Conn: c, ServerName: name, SupportedProtos: protocols, SupportedVersions: []uint16{tls.VersionTLS13}, CipherSuites: []uint16{tls.TLS_AES_128_GCM_SHA256},
		SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}, SupportedCurves: []tls.CurveID{tls.CurveP256},
	}
}

func TestShowsWhatIsKept(t *testing.T) {
	cfg := acme.Config{Dir: t.TempDir(), Hosts: []string{"one.example.com", "two.example.com", "three.example.com"}, Directory: directory(t), HTTP: ":80"}
	kept(t, cfg, map[string]time.Time{"one.example.com": time.Now().Add(time.Hour), "two.example.com": time.Now().Add(time.Hour)})
	m, err := acme.Open(t.Context(), cfg, (&log{}).logger())
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for name, want := range map[string]string{
		"one.example.com": "one.example.com", "two.example.com": "two.example.com", "TWO.example.com": "two.example.com",
		"three.example.com": "one.example.com", "other.example.com": "one.example.com", "": "one.example.com",
	} {
		cert, err := m.For(hello(name, "h2", "http/1.1"))
		if err != nil || cert == nil || cert.Leaf.DNSNames[0] != want {
			t.Errorf("For(%q) = %v, %v, want the certificate of %s", name, cert, err, want)
		}
	}
	if cert, err := m.For(hello("one.example.com", acme.Protocol)); err == nil {
		t.Errorf("For(a CA that nobody asked) = %v, want an error", cert)
	}
	want := "three.example.com waits for a certificate: the CA has been asked for one"
	if got := m.Waiting(time.Now()); len(got) != 1 || got[0] != want {
		t.Errorf("Waiting() = %q, want %q", got, want)
	}
	if got := m.Waiting(time.Now().Add(2 * time.Hour)); len(got) != 3 {
		t.Errorf("Waiting() when all have ended = %q, want three", got)
	}
	if got, err := cfg.Kept(t.Context()); err != nil || len(got) != 2 {
		t.Errorf("Kept() = %d certificates, %v, want two", len(got), err)
	}
}

// With nothing at all, who is asked says so, and shows nothing.
func TestShowsNothing(t *testing.T) {
	m, err := acme.Open(t.Context(), acme.Config{Dir: t.TempDir(), Hosts: []string{"one.example.com"}, Directory: directory(t), TLS: ":443"}, (&log{}).logger())
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if cert, err := m.For(hello("one.example.com")); cert != nil || err != nil {
		t.Errorf("For() = %v, %v, want nothing", cert, err)
	}
}

func TestWhatIsKeptIsBroken(t *testing.T) {
	cfg := acme.Config{Dir: t.TempDir(), Hosts: []string{"one.example.com"}, Directory: directory(t), HTTP: ":80"}
	kept(t, cfg, map[string]time.Time{"one.example.com": time.Now().Add(time.Hour)})
	found, err := filepath.Glob(filepath.Join(cfg.Dir, "certificates", "*", "*", "*.key"))
	if err != nil || len(found) != 1 {
		t.Fatalf("keys in the folder = %q, %v, want one", found, err)
	}
	if err := os.WriteFile(found[0], []byte("?"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := acme.Open(t.Context(), cfg, (&log{}).logger()); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "one.example.com") {
		t.Errorf("Open() = %v, want an error that names the host", err)
	}
}

// A certificate that could not be renewed stays, and one that is missing is missed; the log says so. When it is told to
// end, nothing stays behind.
func TestRunWithoutCA(t *testing.T) {
	before := runtime.NumGoroutine()
	const key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
	cfg := acme.Config{
		Dir: t.TempDir(), Hosts: []string{"old.example.com", "new.example.com"}, Directory: directory(t), HTTP: ":80", KeyID: "x", MACKey: secret.New(key),
	}
	kept(t, cfg, map[string]time.Time{"old.example.com": time.Now().Add(3 * time.Second)}) // its last third has no minute
	var lines log
	m, err := acme.Open(t.Context(), cfg, lines.logger())
	if err != nil {
		t.Fatal(err)
	}
	for _, end := range []string{"ctx", "Close"} {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); m.Run(ctx) }()
		if end == "ctx" {
			lines.await(t, "no TLS certificate could be had", "host=new.example.com", "the CA's directory does not answer: check tls.acme.directory")
			lines.await(t, "the TLS certificate could not be renewed: the old one stays", "host=old.example.com")
			cancel()
		} else {
			m.Close()
		}
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			t.Fatalf("Run() has not ended 20 s after %s", end)
		}
		cancel()
	}
	if strings.Contains(lines.String(), key) {
		t.Error("the key to the account is in the log")
	}
	if cert, err := m.For(hello("old.example.com")); err != nil || cert == nil {
		t.Errorf("For() after Close() = %v, %v, want the certificate", cert, err)
	}
	if locks, err := filepath.Glob(filepath.Join(cfg.Dir, "locks", "*")); err != nil || len(locks) > 0 {
		t.Errorf("locks are left: %q (%v)", locks, err)
	}
	for range 200 { // a lock's watchman looks every few seconds
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	b := make([]byte, 1<<16)
	t.Errorf("goroutines = %d, want at most the %d from before\n%s", runtime.NumGoroutine(), before, b[:runtime.Stack(b, true)])
}

// await waits for a line with all the words.
func (l *log) await(t *testing.T, words ...string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
	lines:
		for line := range strings.Lines(l.String()) {
			for _, w := range words {
				if !strings.Contains(line, w) {
					continue lines
				}
			}
			return
		}
	}
	t.Fatalf("no line with %q within 30 s:\n%s", words, l)
}
