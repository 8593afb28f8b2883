package audit

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/leodido/go-syslog/v4/rfc5424"

	"github.com/sealock/sealock/internal/errs"
)

const (
	// syslogQueue is how many records wait for the server at most; more are dropped and counted.
	syslogQueue = 4096
	// syslogTimeout is how long a connection, or a record, may take; syslogPause is between attempts to connect.
	syslogTimeout = 5 * time.Second
	syslogPause   = time.Second
	// syslogTell is how often what was dropped is told to the log.
	syslogTell = 10 * time.Second
	// syslogDatagram is how long a record over UDP is at most (RFC 5426, section 3.2: receivers should take 2048 bytes).
	syslogDatagram = 2048
	// facility 13 is "log audit" (RFC 5424, section 6.2.1).
	facilityAudit = 13
)

// Severities (RFC 5424, section 6.2.1).
const (
	severityError   = 3
	severityWarning = 4
	severityInfo    = 6
)

// Forwarder is an [Appender] that sends a copy of what was kept to a syslog server (RFC 5424): over UDP (RFC 5426), TCP
// (RFC 6587, octet counting) or TLS (RFC 5425). It never keeps anybody waiting.
type Forwarder struct {
	next    Appender
	to      syslogServer
	host    string
	log     *slog.Logger
	queue   chan Record
	dropped atomic.Int64
}

var _ Appender = (*Forwarder)(nil)

// syslogServer is where the records go.
type syslogServer struct {
	network, address string
	tls              *tls.Config
}

// ParseSyslog reads a URL such as udp://host:514, tcp://host:601 or tls://host:6514, and says what is wrong with it.
func ParseSyslog(text string) (network, address string, err error) {
	u, err := url.Parse(text)
	fault := errs.New(errs.Invalid, "is no URL of a syslog server").WithHint("write it like udp://host:514, tcp://host:601 or tls://host:6514")
	if err != nil || u.User != nil || u.RawQuery != "" || strings.Trim(u.Path, "/") != "" || u.Hostname() == "" {
		return "", "", fault
	}
	ports := map[string]string{"udp": "514", "tcp": "601", "tls": "6514"}
	port, known := ports[u.Scheme]
	if !known {
		return "", "", fault
	}
	if u.Port() != "" {
		port = u.Port()
	}
	return u.Scheme, net.JoinHostPort(u.Hostname(), port), nil
}

// NewForwarder returns a Forwarder behind next. The certificate of a TLS server is checked with conf. Run sends.
func NewForwarder(next Appender, to string, conf *tls.Config, log *slog.Logger) (*Forwarder, error) {
	network, address, err := ParseSyslog(to)
	if err != nil {
		return nil, err
	}
	f := &Forwarder{next: next, to: syslogServer{network: network, address: address}, log: log, queue: make(chan Record, syslogQueue), host: "-"}
	if network == "tls" {
		f.to.network = "tcp"
		if f.to.tls = conf.Clone(); f.to.tls == nil {
			f.to.tls = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		f.to.tls.ServerName, _, _ = net.SplitHostPort(address)
	}
	if name, err := os.Hostname(); err == nil {
		f.host = name
	}
	return f, nil
}

// AppendAudit keeps the records and, when they are kept, queues a copy of each.
func (f *Forwarder) AppendAudit(ctx context.Context, records []Record) error {
	if err := f.next.AppendAudit(ctx, records); err != nil {
		return err
	}
	for _, r := range records {
		select {
		case f.queue <- r:
		default:
			f.dropped.Add(1)
		}
	}
	return nil
}

// Run sends what is queued until ctx ends, and then what is left, as far as the server takes it at once.
func (f *Forwarder) Run(ctx context.Context) {
	var conn net.Conn
	defer func() {
		f.tell()
		if conn != nil {
			_ = conn.Close() // what was written is gone already
		}
	}()
	tick := time.NewTicker(syslogTell)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			for len(f.queue) > 0 && conn != nil {
				conn = f.send(context.WithoutCancel(ctx), conn, <-f.queue)
			}
			f.dropped.Add(int64(len(f.queue)))
			return
		case <-tick.C:
			f.tell()
		case r := <-f.queue:
			conn = f.send(ctx, conn, r)
		}
	}
}

// tell logs how many records were dropped since it was last told.
func (f *Forwarder) tell() {
	if n := f.dropped.Swap(0); n > 0 {
		f.log.Warn("the syslog server does not keep up: copies of audit records were dropped; the audit trail has them", "server", f.to.address, "dropped", n)
	}
}

// send writes one record, on a new connection if it must, and returns the connection to go on with. A record is tried twice.
func (f *Forwarder) send(ctx context.Context, conn net.Conn, r Record) net.Conn {
	message, err := f.message(r)
	if err != nil {
		f.dropped.Add(1)
		return conn
	}
	for range 2 {
		if conn == nil {
			if conn = f.dial(ctx); conn == nil {
				f.pause(ctx)
				continue
			}
		}
		_ = conn.SetWriteDeadline(time.Now().Add(syslogTimeout)) // the write says what is wrong
		if _, err = conn.Write(message); err == nil {
			return conn
		}
		_ = conn.Close()
		conn = nil
	}
	f.dropped.Add(1)
	return conn
}

func (f *Forwarder) dial(ctx context.Context) net.Conn {
	ctx, cancel := context.WithTimeout(ctx, syslogTimeout)
	defer cancel()
	var conn net.Conn
	var err error
	if f.to.tls != nil {
		conn, err = (&tls.Dialer{Config: f.to.tls}).DialContext(ctx, f.to.network, f.to.address)
	} else {
		conn, err = (&net.Dialer{}).DialContext(ctx, f.to.network, f.to.address)
	}
	if err != nil {
		f.log.Debug("syslog server", "server", f.to.address, "error", err)
		return nil
	}
	return conn
}

func (f *Forwarder) pause(ctx context.Context) {
	wait := time.NewTimer(syslogPause)
	defer wait.Stop()
	select {
	case <-ctx.Done():
	case <-wait.C:
	}
}

// message is the record in RFC 5424's form: what it is about as structured data, and the whole record as JSON. Over a stream
// its length stands before it.
func (f *Forwarder) message(r Record) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(r.Export()); err != nil {
		return nil, fmt.Errorf("encoding a record: %w", err)
	}
	const id = "audit@0" // no number of an enterprise is ours
	m := &rfc5424.SyslogMessage{}
	m.SetVersion(1)
	m.SetPriority(facilityAudit*8 + severity(r.Outcome))
	m.SetTimestamp(r.Time.UTC().Format("2006-01-02T15:04:05.000000Z07:00"))
	m.SetHostname(f.host)
	m.SetAppname("sealock")
	m.SetProcID(strconv.Itoa(os.Getpid()))
	m.SetMsgID("audit")
	m.SetElementID(id)
	m.SetParameter(id, "operation", bounded(r.Operation))
	m.SetParameter(id, "actor", bounded(r.Actor))
	m.SetParameter(id, "outcome", bounded(string(r.Outcome)))
	m.SetParameter(id, "chain", strconv.FormatInt(r.Link.Chain, 10))
	m.SetParameter(id, "seq", strconv.FormatInt(r.Link.Seq, 10))
	m.SetParameter(id, "hash", r.Link.Hash)
	m.SetMessage(strings.TrimSuffix(text.String(), "\n"))
	line, err := m.String()
	if err != nil {
		return nil, fmt.Errorf("writing a record for syslog: %w", err)
	}
	if f.to.network == "udp" {
		if len(line) > syslogDatagram {
			line = strings.ToValidUTF8(line[:syslogDatagram], "")
		}
		return []byte(line), nil
	}
	return fmt.Appendf(nil, "%d %s", len(line), line), nil
}

// bounded keeps structured data short, so that the cut of a long datagram falls into its message, and escapes it (RFC 5424,
// section 6.3.3).
func bounded(s string) string {
	const most = 120
	if len(s) > most {
		s = s[:most]
	}
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`).Replace(strings.ToValidUTF8(s, ""))
}

func severity(o Outcome) uint8 {
	switch o {
	case Refused:
		return severityWarning
	case Failed:
		return severityError
	case Allowed, Narrowed:
	}
	return severityInfo
}
