package ldap_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/sealock/sealock/internal/testkit"
)

const (
	suffix  = "dc=example,dc=com"
	people  = "ou=people," + suffix
	groups  = "ou=groups," + suffix
	rootDN  = "cn=admin," + suffix
	rootKey = "root-password"
)

// slapd is Debian's slapd with the memberof overlay and TLS, on ports of its own until the test ends. It lets binds
// without a password succeed, as many directories do, and refuses passwords on connections without TLS.
type slapd struct {
	plain, tls string // URLs
	caFile     string
}

func startSlapd(t *testing.T) *slapd {
	t.Helper()
	program := testkit.Need(t, "slapd")
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "db"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := &slapd{
		plain: fmt.Sprintf("ldap://127.0.0.1:%d", testkit.FreePort(t)), tls: fmt.Sprintf("ldaps://127.0.0.1:%d", testkit.FreePort(t)),
		caFile: certificate(t, dir),
	}
	conf := `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
allow bind_anon_cred
security simple_bind=128
TLSCertificateFile ` + dir + `/server.crt
TLSCertificateKeyFile ` + dir + `/server.key
database mdb
maxsize 16777216
suffix "` + suffix + `"
rootdn "` + rootDN + `"
rootpw ` + rootKey + `
directory ` + dir + `/db
overlay memberof
memberof-refint TRUE
`
	if err := os.WriteFile(filepath.Join(dir, "slapd.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-d", "0", "-f", filepath.Join(dir, "slapd.conf"), "-h", s.plain+"/ "+s.tls+"/")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // the test's context has ended by then
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.tls, "ldaps://"))
		if err == nil {
			_ = conn.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatalf("slapd does not listen: %v\n%s", err, said.String())
		}
	}
	s.fill(t)
	return s
}

// certificate makes a CA and a certificate for 127.0.0.1 and returns the CA's file.
func certificate(t *testing.T, dir string) string {
	t.Helper()
	caKey, caErr := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if caErr != nil || err != nil {
		t.Fatal(caErr, err)
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "slapd"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	caDER, caErr := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	keyDER, keyErr := x509.MarshalPKCS8PrivateKey(key)
	if caErr != nil || err != nil || keyErr != nil {
		t.Fatal(caErr, err, keyErr)
	}
	for name, block := range map[string]*pem.Block{
		"ca.crt": {Type: "CERTIFICATE", Bytes: caDER}, "server.crt": {Type: "CERTIFICATE", Bytes: der}, "server.key": {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "ca.crt")
}

// admin runs fn on a connection that may do everything.
func (s *slapd) admin(t *testing.T, fn func(*ldap.Conn) error) {
	t.Helper()
	text, err := os.ReadFile(s.caFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	conn, err := ldap.DialURL(s.tls, ldap.DialWithTLSConfig(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.Bind(rootDN, rootKey); err != nil {
		t.Fatal(err)
	}
	if err := fn(conn); err != nil {
		t.Fatal(err)
	}
}

// add adds an entry; attributes are name, value, name, value.
func add(conn *ldap.Conn, dn string, classes string, attributes ...string) error {
	req := ldap.NewAddRequest(dn, nil)
	req.Attribute("objectClass", strings.Fields(classes))
	values := map[string][]string{}
	for i := 0; i < len(attributes); i += 2 {
		values[attributes[i]] = append(values[attributes[i]], attributes[i+1])
	}
	for name, v := range values {
		req.Attribute(name, v)
	}
	if err := conn.Add(req); err != nil {
		return fmt.Errorf("adding %s: %w", dn, err)
	}
	return nil
}

func user(name string) string  { return "uid=" + name + "," + people }
func group(name string) string { return "cn=" + name + "," + groups }

func (s *slapd) fill(t *testing.T) {
	t.Helper()
	s.admin(t, func(c *ldap.Conn) error {
		for _, step := range []error{
			add(c, suffix, "dcObject organization", "dc", "example", "o", "example"),
			add(c, people, "organizationalUnit", "ou", "people"),
			add(c, groups, "organizationalUnit", "ou", "groups"),
			add(c, "cn=reader,"+suffix, "person", "cn", "reader", "sn", "reader", "userPassword", "reader-password"),
			add(c, user("alice"), "inetOrgPerson", "uid", "alice", "cn", "Alice", "sn", "L", "mail", "alice@example.com", "userPassword", "alice-password"),
			add(c, user("bob"), "inetOrgPerson", "uid", "bob", "cn", "Bob", "sn", "B", "mail", "bob@example.com", "userPassword", "bob-password"),
			add(c, "cn=Twin\\, One+uid=twin,"+people, "inetOrgPerson", "uid", "twin", "cn", "Twin, One", "sn", "T", "mail", "twins@example.com", "userPassword", "twin-password"),
			add(c, user("twin2"), "inetOrgPerson", "uid", "twin2", "uid", "extra", "cn", "Twin", "sn", "T", "mail", "twins@example.com", "userPassword", "twin-password"),
			add(c, user("gone"), "inetOrgPerson", "uid", "gone", "cn", "Gone", "sn", "G", "userPassword", "gone-password", "employeeType", "left"),
			add(c, group("dev"), "groupOfNames", "cn", "dev", "member", user("alice"), "member", "cn=Twin\\, One+uid=twin,"+people),
			add(c, group("ops (all)"), "groupOfNames", "cn", "ops (all)", "member", user("bob")),
			add(c, group("staff"), "groupOfNames", "cn", "staff", "member", group("dev"), "member", group("ops (all)")),
			add(c, group("admins"), "groupOfNames", "cn", "admins", "member", group("staff"), "member", group("circle")),
			add(c, group("circle"), "groupOfNames", "cn", "circle", "member", group("admins")),
			add(c, group("posix"), "posixGroup", "cn", "posix", "gidNumber", "1000", "memberUid", "alice"),
		} {
			if step != nil {
				return step
			}
		}
		return nil
	})
}
