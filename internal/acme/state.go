package acme

import (
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"net"
	"strings"
	"time"

	"github.com/mholt/acmez/v3/acme"

	"github.com/sealock/sealock/internal/errs"
)

// note takes certmagic's word on how a host does. It never stops anything.
func (m *Manager) note(ctx context.Context, event string, data map[string]any) error {
	host, _ := data["identifier"].(string)
	switch event {
	case "cert_obtaining":
		m.log.Info("asking for a TLS certificate", "host", host)
	case "cert_obtained":
		m.log.Info("got a TLS certificate", "host", host)
		m.remember(host, nil)
	case "cert_failed":
		if err, _ := data["error"].(error); err != nil && ctx.Err() == nil {
			m.blame(host, err)
		}
	}
	return nil
}

// blame says in the log why a host has no certificate, or goes on with the one that it has.
func (m *Manager) blame(host string, err error) {
	why := reason(err)
	m.remember(host, why)
	if end := m.end(host); end.After(time.Now()) {
		m.log.Warn("the TLS certificate could not be renewed: the old one stays, and it is tried again", "host", host, "not_after", end, "error", why)
		return
	}
	m.log.Error("no TLS certificate could be had: clients refuse this server until there is one, and it is tried again", "host", host, "error", why)
}

func (m *Manager) remember(host string, why *errs.Error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if why == nil {
		delete(m.faults, host)
		return
	}
	m.faults[host] = why
}

// end is when the host's certificate ends; zero without one.
func (m *Manager) end(host string) (last time.Time) {
	for _, cert := range m.kept(host) {
		if cert.Leaf.NotAfter.After(last) {
			last = cert.Leaf.NotAfter
		}
	}
	return last
}

// Waiting says for each host without a good certificate what it waits for, in words that anybody may read.
func (m *Manager) Waiting(now time.Time) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []string
	for _, host := range m.hosts {
		if m.end(host).After(now) {
			continue
		}
		why := "the CA has been asked for one"
		if fault := m.faults[host]; fault != nil {
			why = fault.Public()
		}
		list = append(list, host+" waits for a certificate: "+why)
	}
	return list
}

const problemPrefix = "urn:ietf:params:acme:error:"

// reason says what keeps a CA from giving a certificate, and what to do about it. The cause is for the log.
func reason(err error) *errs.Error {
	if p, ok := errors.AsType[acme.Problem](err); ok {
		return problem(strings.TrimPrefix(p.Type, problemPrefix)).Because(err)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return errs.New(errs.Unavailable, "the CA's directory shows a certificate that is not trusted here").
			WithHint("check tls.acme.directory, and name the directory's own CA in tls.acme.ca_file").Because(err)
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return errs.New(errs.Unavailable, "the CA's directory does not answer").
			WithHint("check tls.acme.directory, and that this machine may reach it (HTTPS_PROXY counts)").Because(err)
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return errs.New(errs.Internal, "the folder acme in data_dir can't be used").WithHint("the cause is in the log").Because(err)
	}
	switch text := err.Error(); {
	case strings.Contains(text, noDirectory):
		return errs.New(errs.Unavailable, "what answers is no directory of a CA").WithHint("check tls.acme.directory").Because(err)
	case strings.Contains(text, noProfile):
		return problem("invalidProfile").Because(err)
	}
	return errs.New(errs.Unavailable, "the CA was asked in vain").WithHint("the cause is in the log").Because(err)
}

// What stands in acmez's errors about answers of a directory; they have no type.
const (
	noDirectory = "provisioning client"
	noProfile   = "unknown profile name"
)

// problem translates the CA's word (RFC 8555 section 6.7).
func problem(kind string) *errs.Error {
	what, remedy := "the CA refuses", "the CA's own words are in the log"
	switch kind {
	case "connection":
		what, remedy = "the CA can't reach this server under that name", "let port 80 (http-01) come to tls.redirect_listen or port 443 (tls-alpn-01) to listen, from everywhere, and check the name's A and AAAA records"
	case "dns":
		what, remedy = "the CA can't find the name in DNS", "give it an A or AAAA record that leads here"
	case "unauthorized", "incorrectResponse", "tls":
		what, remedy = "under that name somebody else answers the CA", "check the name's A and AAAA records, and that nothing in between ends TLS or redirects"
	case "caa":
		what, remedy = "a CAA record of the name forbids this CA", "name the CA in the record, or choose another with tls.acme.directory"
	case "rateLimited":
		what, remedy = "the CA has been asked too often", "wait; try out settings with the CA's directory for tests"
	case "externalAccountRequired":
		what, remedy = "the CA gives certificates to those alone who have an account there", "set tls.acme.eab_key_id and eab_key_file to what it gave you"
	case "rejectedIdentifier", "unsupportedIdentifier":
		what, remedy = "the CA gives no certificate for that name", "leave it out of tls.acme.hosts"
	case "invalidContact", "unsupportedContact":
		what, remedy = "the CA does not take the e-mail address", "correct tls.acme.email"
	case "invalidProfile":
		what, remedy = "the CA does not know the profile", "correct tls.acme.profile"
	case "serverInternal":
		what, remedy = "the CA has a fault of its own", "wait"
	}
	return errs.New(errs.Unavailable, "%s", what).WithHint("%s", remedy)
}
