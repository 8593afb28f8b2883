package e2e_test

import (
	"crypto/tls"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/sealock/sealock/e2e/internal/client"
	"github.com/sealock/sealock/e2e/internal/fixture"
	"github.com/sealock/sealock/e2e/internal/need"
	"github.com/sealock/sealock/e2e/internal/proc"
	"github.com/sealock/sealock/e2e/internal/sealock"
	"github.com/sealock/sealock/e2e/internal/wire"
)

// TestTLS logs in, pushes and reads at a sealock with a certificate of its own, which
// the clients trust because of the file that sealock serves, and for no other reason.
func TestTLS(t *testing.T) {
	t.Parallel()
	server := sealock.Prepare(t, sealock.Options{Addr: proc.FreeAddr(t), TLS: true})
	server.Start(t)
	ca := authority(t, server.Addr)
	server.CLIWith(t, adminPassword+"\n", "login", server.URL, "--ca-file", ca, "--username", "admin", "--password-stdin")
	server.CLI(t, "project", "create", "team")
	for _, row := range tlsClients() {
		t.Run(row.name, func(t *testing.T) {
			need.Tool(t, row.name)
			s := client.NewSession(t, server.Addr, client.Engines{})
			mustFail(t, s.RunWith(adminPassword, row.trust(server.Addr)...), "certificate")
			s.More = []string{"SSL_CERT_FILE=" + ca}
			must(t, s.RunWith(adminPassword, row.login(server.Addr)...))
			must(t, s.Steps(row.steps(t, s, server.Addr+"/team/"+row.name+":1.0.0")...))
		})
	}
}

// authority fetches the certificate as the README says: without checking the one that
// the server shows, since this is how the reader comes to trust it.
func authority(t *testing.T, addr string) string {
	t.Helper()
	w := wire.New(addr, "", "")
	w.HTTP.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	resp, err := w.Send(wire.Request{Method: http.MethodGet, URL: "https://" + addr + "/ca.crt"})
	if err != nil {
		t.Fatal(err)
	}
	if resp.Status != http.StatusOK {
		t.Fatalf("GET /ca.crt: got %s, want 200", resp)
	}
	return fixture.File(t, filepath.Join(proc.Dir(t), "ca.crt"), string(resp.Body))
}

// tlsClient is how a client is called over TLS: with no word about it. trust is a
// command that has to fail while the certificate is a stranger's.
type tlsClient struct {
	name  string
	login func(host string) []string
	trust func(host string) []string
	steps func(t *testing.T, s *client.Session, ref string) [][]string
}

func tlsClients() []tlsClient {
	layout := func(t *testing.T, s *client.Session) string {
		t.Helper()
		return fixture.Layout(t, s.Fresh("layout"), "1.0.0", unique("tls"))
	}
	login := func(command ...string) func(host string) []string {
		return func(host string) []string { return append(command[:len(command):len(command)], host) }
	}
	skopeo := login("skopeo", "login", "--username", "admin", "--password-stdin")
	oras := login("oras", "login", "--username", "admin", "--password-stdin")
	helm := login("helm", "registry", "login", "--username", "admin", "--password-stdin")
	crane := login("crane", "auth", "login", "--username", "admin", "--password-stdin")
	return []tlsClient{
		{"skopeo", skopeo, skopeo, func(t *testing.T, s *client.Session, ref string) [][]string {
			t.Helper()
			return [][]string{
				{"skopeo", "copy", "--insecure-policy", "oci:" + layout(t, s) + ":1.0.0", "docker://" + ref},
				{"skopeo", "inspect", "docker://" + ref},
			}
		}},
		{"crane", crane, login("crane", "catalog"), func(t *testing.T, s *client.Session, ref string) [][]string {
			t.Helper()
			return [][]string{{"crane", "push", layout(t, s), ref}, {"crane", "digest", ref}}
		}},
		{"oras", oras, oras, func(t *testing.T, s *client.Session, ref string) [][]string {
			t.Helper()
			return [][]string{{"oras", "cp", "--from-oci-layout", layout(t, s) + ":1.0.0", ref}, {"oras", "manifest", "fetch", ref}}
		}},
		{"helm", helm, helm, func(t *testing.T, s *client.Session, _ string) [][]string {
			t.Helper()
			chart := fixture.Chart(t, s.Fresh("chart"), "helm", "1.0.0", unique("tls"))
			return [][]string{{"helm", "push", chart, "oci://" + s.Host + "/team"}, {"helm", "show", "chart", "oci://" + s.Host + "/team/helm"}}
		}},
	}
}
