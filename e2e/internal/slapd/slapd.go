// Package slapd runs Debian's LDAP server for a test, with TLS and the memberof overlay. It knows nothing of sealock.
package slapd

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/e2e/internal/need"
	"github.com/sealock/sealock/e2e/internal/proc"
)

// Names in the directory.
const (
	Suffix  = "dc=example,dc=com"
	People  = "ou=people," + Suffix
	Groups  = "ou=groups," + Suffix
	rootDN  = "cn=admin," + Suffix
	rootKey = "root-password"
	// Reader may search; its password is ReaderKey.
	Reader    = "cn=reader," + Suffix
	ReaderKey = "reader-password"
)

// Server is a directory that runs until the test ends.
type Server struct {
	URL    string // ldaps://
	CAFile string
}

const base = `dn: ` + Suffix + `
objectClass: dcObject
objectClass: organization
dc: example
o: example

dn: ` + People + `
objectClass: organizationalUnit
ou: people

dn: ` + Groups + `
objectClass: organizationalUnit
ou: groups

dn: ` + Reader + `
objectClass: person
cn: reader
sn: reader
userPassword: ` + ReaderKey + `

`

// Start starts a directory that holds the entries, written in LDIF, below Suffix.
func Start(t testing.TB, entries string) *Server {
	t.Helper()
	program := need.Tool(t, "slapd")
	need.Tool(t, "ldapmodify")
	dir := proc.Dir(t)
	if err := os.Mkdir(filepath.Join(dir, "db"), 0o700); err != nil {
		t.Fatal(err)
	}
	address := proc.FreeAddr(t)
	s := &Server{URL: "ldaps://" + address, CAFile: certificates(t, dir)}
	conf := filepath.Join(dir, "slapd.conf")
	if err := os.WriteFile(conf, []byte(configuration(dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	proc.Start(t, proc.Server{
		Name: "slapd", Args: []string{program, "-d", "0", "-f", conf, "-h", s.URL + "/"}, Env: os.Environ(), Ready: proc.Dials(address),
	})
	s.Modify(t, base+entries, "-a")
	return s
}

func configuration(dir string) string {
	return `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
TLSCertificateFile ` + dir + `/server.crt
TLSCertificateKeyFile ` + dir + `/server.key
database mdb
maxsize 16777216
suffix "` + Suffix + `"
rootdn "` + rootDN + `"
rootpw ` + rootKey + `
directory ` + dir + `/db
overlay memberof
memberof-refint TRUE
`
}

// Modify makes changes that are written in LDIF.
func (s *Server) Modify(t testing.TB, ldif string, flags ...string) {
	t.Helper()
	out := proc.Run(proc.Command{
		Args:  append([]string{need.Tool(t, "ldapmodify"), "-x", "-H", s.URL, "-D", rootDN, "-w", rootKey}, flags...),
		Env:   append(os.Environ(), "LDAPTLS_CACERT="+s.CAFile, "LDAPTLS_REQCERT=demand"),
		Stdin: ldif,
	})
	if out.Err != nil {
		t.Fatalf("changing the directory: %s", strings.ReplaceAll(out.String(), rootKey, "…"))
	}
}

// Person writes a user with the password "<name>-password" in LDIF.
func Person(name string) string {
	return "dn: uid=" + name + "," + People + "\nobjectClass: inetOrgPerson\nuid: " + name + "\ncn: " + name + "\nsn: " + name +
		"\nuserPassword: " + name + "-password\n\n"
}

// Group writes a group with the members of these DNs in LDIF.
func Group(name string, members ...string) string {
	return "dn: " + GroupDN(name) + "\nobjectClass: groupOfNames\ncn: " + name + "\nmember: " + strings.Join(members, "\nmember: ") + "\n\n"
}

// GroupDN and PersonDN return where Group and Person put their entries.
func GroupDN(name string) string  { return "cn=" + name + "," + Groups }
func PersonDN(name string) string { return "uid=" + name + "," + People }

// certificates makes a CA and a certificate for 127.0.0.1 and returns the CA's file.
func certificates(t testing.TB, dir string) string {
	t.Helper()
	caKey, caKeyErr := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	key, keyErr := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if caKeyErr != nil || keyErr != nil {
		t.Fatal(caKeyErr, keyErr)
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
	der, derErr := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	keyDER, pkcsErr := x509.MarshalPKCS8PrivateKey(key)
	if caErr != nil || derErr != nil || pkcsErr != nil {
		t.Fatal(caErr, derErr, pkcsErr)
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
