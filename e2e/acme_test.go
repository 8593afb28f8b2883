package e2e_test

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sealock/sealock/e2e/internal/cert"
	"github.com/sealock/sealock/e2e/internal/client"
	"github.com/sealock/sealock/e2e/internal/pebble"
	"github.com/sealock/sealock/e2e/internal/proc"
	"github.com/sealock/sealock/e2e/internal/sealock"
)

// certified is the name that servers of these tests have certificates for. No DNS of this machine knows it.
const certified = "registry.example.com"

// got is what the server prints when it has a certificate.
const got = "got a TLS certificate"

// door is a server that gets its certificates from a CA, and the CA.
type door struct {
	*sealock.Server
	ca    *pebble.CA
	plain string
}

// certifiedServer starts both. more are lines of tls.acme.
func certifiedServer(t *testing.T, o pebble.Options, more ...string) *door {
	t.Helper()
	addr, plain := proc.FreeAddr(t), proc.FreeAddr(t)
	o.HTTPPort, o.TLSPort = portOf(t, plain), portOf(t, addr)
	d := &door{ca: pebble.Start(t, o), plain: plain}
	d.Server = sealock.Prepare(t, sealock.Options{Addr: addr, Secure: true, Settings: d.settings(d.ca.Directory, more...)})
	d.Start(t)
	return d
}

func (d *door) settings(directory string, more ...string) string {
	acme := append([]string{"agree_to_terms: true", "email: admin@example.com", "directory: " + directory, "ca_file: " + d.ca.CAFile}, more...)
	return fmt.Sprintf("external_urls: [https://%s]\nlog: {level: debug}\ntls:\n  redirect_listen: %s\n  acme:\n    %s\n", certified, d.plain, strings.Join(acme, "\n    "))
}

func portOf(t *testing.T, addr string) int {
	t.Helper()
	_, text, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// desk returns a client machine that reaches the server under its name and trusts who signed its certificate.
func (d *door) desk(t *testing.T) *desk {
	t.Helper()
	desk := newDesk(t, d.Server)
	desk.Host = certified
	desk.More = []string{"HTTPS_PROXY=" + tunnel(t, d.Addr), "SSL_CERT_FILE=" + d.ca.RootFile}
	return desk
}

// tunnel is a proxy (CONNECT) in which each name leads to addr.
func tunnel(t *testing.T, addr string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it ends with the test
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go pass(c, addr)
		}
	}()
	return "http://" + l.Addr().String()
}

func pass(c net.Conn, addr string) {
	defer c.Close()
	r := bufio.NewReader(c)
	if req, err := http.ReadRequest(r); err != nil || req.Method != http.MethodConnect {
		return
	}
	to, err := net.Dial("tcp", addr) //nolint:noctx // on this machine
	if err != nil {
		return
	}
	defer to.Close()
	if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(to, r)
		_ = to.Close()
	}()
	_, _ = io.Copy(c, to)
}

// dial opens a connection to the server under its name, with a certificate that has to be the CA's.
func (d *door) dial(t *testing.T) (*tls.Conn, error) {
	t.Helper()
	conn, err := (&tls.Dialer{Config: &tls.Config{ServerName: certified, RootCAs: cert.Trusted(t, d.ca.RootFile), MinVersion: tls.VersionTLS12}}).DialContext(t.Context(), "tcp", d.Addr)
	if err != nil {
		return nil, err
	}
	secure, ok := conn.(*tls.Conn)
	if !ok {
		t.Fatalf("dialling gave a %T", conn)
	}
	return secure, nil
}

// serial is the number of the certificate that is shown to those who come now.
func (d *door) serial(t *testing.T) string {
	t.Helper()
	c, err := d.dial(t)
	if err != nil {
		t.Fatalf("a new connection: %v", err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

// TestACME gets a certificate from a real CA, in both ways of showing that it has the name, and lets clients log in, push and
// pull that trust the CA and nothing else.
func TestACME(t *testing.T) {
	t.Parallel()
	for _, challenge := range []string{"http-01", "tls-alpn-01"} {
		t.Run(challenge, func(t *testing.T) {
			t.Parallel()
			d := certifiedServer(t, pebble.Options{}, "challenges: ["+challenge+"]")
			d.Said(t, got, 1)
			desk := d.desk(t)
			must(t, desk.login("admin", adminPassword))
			must(t, desk.push("library/image"))
			must(t, desk.pull("library/image"))
			must(t, d.health(t))
			d.redirects(t)
			d.keepsToItself(t)

			// A process that takes over has the certificate at once, and asks for no other.
			before := d.serial(t)
			d.Signal(t, syscall.SIGHUP)
			d.Said(t, restarted, 1)
			if after := d.serial(t); after != before {
				t.Errorf("after a restart the certificate is %s, want %s as before", after, before)
			}
			must(t, desk.push("library/after"))
			d.redirects(t) // also that socket was handed over
			d.stops(t)
		})
	}
}

// health asks as the operator's container does: on this machine, where the server has another name.
func (d *door) health(t *testing.T) client.Output {
	t.Helper()
	return d.Try(t, "health", "--config", d.SettingsFile(), "--listen", d.Addr, "--data-dir", d.DataDir)
}

// redirects checks that those who are no CA are sent to TLS.
func (d *door) redirects(t *testing.T) {
	t.Helper()
	for _, path := range []string{"/v2/", "/.well-known/acme-challenge/guess"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+d.plain+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if want := "https://" + certified + path; resp.Header.Get("Location") != want {
			t.Errorf("GET %s over plain HTTP leads to %q, want %s", path, resp.Header.Get("Location"), want)
		}
	}
}

// keepsToItself checks that nobody else can read what is kept, and that no key is in the log.
func (d *door) keepsToItself(t *testing.T) {
	t.Helper()
	log, err := d.Output()
	if err != nil {
		t.Fatal(err)
	}
	keys := 0
	err = filepath.WalkDir(filepath.Join(d.DataDir, "acme"), func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %o, want nobody else to read it", path, info.Mode().Perm())
		}
		if filepath.Ext(path) != ".key" {
			return nil
		}
		keys++
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if strings.Contains(log, strings.Split(string(text), "\n")[1]) {
			t.Errorf("the key %s is in the log", path)
		}
		return nil
	})
	if err != nil || keys != 2 {
		t.Errorf("the folder has %d keys (%v), want 2: the account's and the certificate's", keys, err)
	}
}

// stops ends the server, which has to do so cleanly and leave no lock.
func (d *door) stops(t *testing.T) {
	t.Helper()
	d.Signal(t, syscall.SIGTERM)
	if code := d.Ended(); code != 0 {
		t.Errorf("sealock ended with %d, want 0", code)
	}
	locks, err := filepath.Glob(filepath.Join(d.DataDir, "acme", "locks", "*"))
	if err != nil || len(locks) > 0 {
		t.Errorf("locks are left: %q (%v)", locks, err)
	}
}

// TestACMERenewal has certificates that live for a minute: new ones are shown in time, and connections stay.
func TestACMERenewal(t *testing.T) {
	t.Parallel()
	d := certifiedServer(t, pebble.Options{Life: time.Minute})
	d.Said(t, got, 1)
	conn, err := d.dial(t)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	ask := func() {
		t.Helper()
		if _, err := io.WriteString(conn, "GET /api/v2.0/ping HTTP/1.1\r\nHost: "+certified+"\r\n\r\n"); err != nil {
			t.Fatalf("a connection from before the renewal: %v", err)
		}
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatalf("a connection from before the renewal: %v", err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("GET ping = %s, want 200", resp.Status)
		}
	}
	first := conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
	for deadline := time.Now().Add(90 * time.Second); d.serial(t) == first; time.Sleep(200 * time.Millisecond) {
		if ask(); time.Now().After(deadline) {
			t.Fatal("a certificate that lives for a minute was not renewed within 90 s")
		}
	}
	ask()
	desk := d.desk(t)
	must(t, desk.login("admin", adminPassword))
	must(t, desk.push("library/renewed"))
}

// TestACMEWithoutCA starts servers that get no certificate: each says why and what to do, and goes on. With other settings, one
// gets it without a stop.
func TestACMEWithoutCA(t *testing.T) {
	t.Parallel()
	const account, key = "kid-1", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W" // of a CA that lives as long as the test
	d := certifiedServer(t, pebble.Options{Accounts: map[string]string{account: key}})
	nowhere := "https://" + proc.FreeAddr(t) + "/dir"
	bound := []string{"eab_key_id: " + account, "eab_key: " + key}
	no := strings.TrimSuffix(d.ca.Directory, "/dir") + "/nothing"
	for i, row := range []struct{ why, settings string }{
		{"the CA gives certificates to those alone who have an account there: set tls.acme.eab_key_id", ""},
		{"the CA's directory does not answer: check tls.acme.directory", d.settings(nowhere)},
		{"the CA's directory shows a certificate that is not trusted here: check tls.acme.directory, and name", strings.Replace(d.settings(d.ca.Directory), "ca_file: ", "profile: ", 1)},
		{"what answers is no directory of a CA: check tls.acme.directory", d.settings(no)},
		{"the CA does not know the profile: correct tls.acme.profile", d.settings(d.ca.Directory, append(bound, "profile: other")...)},
	} {
		if row.settings != "" {
			d.Configure(t, row.settings)
			d.Signal(t, syscall.SIGHUP)
			d.Said(t, restarted, i)
		}
		d.Said(t, row.why, 1)
		must(t, d.health(t))
		if parts := d.parts(t); !strings.Contains(parts["certificates"], certified+" waits for a certificate: "+row.why) {
			t.Errorf("health says of the certificates %q, want %q", parts["certificates"], row.why)
		}
		if c, err := d.dial(t); err == nil {
			_ = c.Close()
			t.Error("a client that trusts the CA is let in with a certificate of nobody's")
		}
	}
	d.Configure(t, d.settings(d.ca.Directory, bound...))
	d.Signal(t, syscall.SIGHUP)
	d.Said(t, got, 1)
	if parts := d.parts(t); parts["certificates"] != "" {
		t.Errorf("health says of the certificates %q, want nothing", parts["certificates"])
	}
	if text, err := d.Output(); err != nil || strings.Contains(text, key) {
		t.Errorf("the key to the CA's account is in the log (%v)", err)
	}
	d.stops(t)
}

// parts asks for what the parts of the server have to say, whatever certificate it shows.
func (d *door) parts(t *testing.T) map[string]string {
	t.Helper()
	trip := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: certified}} // it may be any
	defer trip.CloseIdleConnections()
	resp, err := (&http.Client{Transport: trip}).Get("https://" + d.Addr + "/api/v2.0/health") //nolint:noctx // it is short
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Status     string
		Components []struct{ Name, Error string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Status != "healthy" {
		t.Errorf("health = %q, %v, want healthy: nothing else could be done", answer.Status, err)
	}
	parts := map[string]string{}
	for _, c := range answer.Components {
		parts[c.Name] = c.Error
	}
	return parts
}
