package audit_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leodido/go-syslog/v4"
	"github.com/leodido/go-syslog/v4/octetcounting"
	"github.com/leodido/go-syslog/v4/rfc5424"

	"github.com/sealock/sealock/internal/audit"
)

// forward appends records by a Forwarder to the server and ends it when the test ends.
func forward(t *testing.T, to string, conf *tls.Config, log *slog.Logger, records ...audit.Record) {
	t.Helper()
	f, err := audit.NewForwarder(&shelf{}, to, conf, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { f.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	if err := f.AppendAudit(ctx, records); err != nil {
		t.Fatal(err)
	}
}

// told are records that a server should get, one with what a syntax could be broken by.
func told() []audit.Record {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)
	return []audit.Record{
		{Time: at, Actor: "alice", Operation: "token", Outcome: audit.Allowed, Link: audit.Link{Chain: 3, Seq: 7, Hash: "9f86"}},
		{Time: at, Actor: `m"a]l\l` + "\n<14>1 x\x00é", Operation: "login", Outcome: audit.Refused, Reason: "line\none"},
	}
}

func wantTold(t *testing.T, i int, m syslog.Message) {
	t.Helper()
	want := told()[i]
	got, ok := m.(*rfc5424.SyslogMessage)
	if !ok || got.Message == nil || got.StructuredData == nil {
		t.Fatalf("message %d = %+v, want one of RFC 5424 with data", i, m)
	}
	var record audit.Exported
	if err := json.Unmarshal([]byte(*got.Message), &record); err != nil {
		t.Fatalf("message %d = %q, want JSON: %v", i, *got.Message, err)
	}
	if record != want.Export() {
		t.Errorf("message %d = %+v, want %+v", i, record, want.Export())
	}
	data := (*got.StructuredData)["audit@0"]
	if data["actor"] != want.Actor || data["seq"] != fmt.Sprint(want.Link.Seq) || data["hash"] != want.Link.Hash {
		t.Errorf("data of message %d = %q, want those of the record", i, data)
	}
	severity := map[audit.Outcome]uint8{audit.Allowed: 6, audit.Refused: 4}[want.Outcome]
	if *got.Facility != 13 || *got.Severity != severity || *got.Appname != "sealock" || !got.Timestamp.Equal(want.Time) {
		t.Errorf("message %d has facility %d, severity %d, name %s, time %s", i, *got.Facility, *got.Severity, *got.Appname, got.Timestamp)
	}
}

func TestSyslogOverUDP(t *testing.T) {
	conn, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	long := audit.Record{Actor: strings.Repeat("é", 1000), Reason: strings.Repeat("long ", 1000), Outcome: audit.Failed}
	forward(t, "udp://"+conn.LocalAddr().String(), nil, slog.New(slog.DiscardHandler), append(told(), long)...)
	buffer := make([]byte, 65536)
	for i := range 3 {
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, _, err := conn.ReadFrom(buffer)
		if err != nil {
			t.Fatal(err)
		}
		m, err := rfc5424.NewParser().Parse(buffer[:n])
		if err != nil {
			t.Fatalf("datagram %q: %v", buffer[:n], err)
		}
		if i < 2 {
			wantTold(t, i, m)
		} else if n > 2048 {
			t.Errorf("a datagram of %d bytes, want 2048 at most", n)
		}
	}
}

func TestSyslogOverStreams(t *testing.T) {
	server := httptest.NewTLSServer(nil) // for its certificate
	defer server.Close()
	for _, network := range []string{"tcp", "tls"} {
		t.Run(network, func(t *testing.T) {
			listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = listener.Close() }()
			var conf *tls.Config
			if network == "tls" {
				transport, _ := server.Client().Transport.(*http.Transport)
				conf = transport.TLSClientConfig
				listener = tls.NewListener(listener, server.TLS)
			}
			forward(t, network+"://"+listener.Addr().String(), conf, slog.New(slog.DiscardHandler), told()...)
			conn, err := listener.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
			n := 0
			parser := octetcounting.NewParser(syslog.WithListener(func(r *syslog.Result) {
				if r.Error != nil {
					return // the connection ends
				}
				wantTold(t, n, r.Message)
				if n++; n == 2 {
					_ = conn.Close()
				}
			}))
			parser.Parse(conn)
			if n != 2 {
				t.Errorf("%d messages came, want 2", n)
			}
		})
	}
}

// TestSyslogHoldsNobodyUp appends to a server that takes nothing: all is kept, and what is dropped is counted in the log.
func TestSyslogHoldsNobodyUp(t *testing.T) {
	var text bytes.Buffer
	kept := &shelf{}
	f, err := audit.NewForwarder(kept, "tcp://127.0.0.1:1", nil, slog.New(slog.NewTextHandler(&text, nil)))
	if err != nil {
		t.Fatal(err)
	}
	for range 5000 {
		if err := f.AppendAudit(t.Context(), told()); err != nil {
			t.Fatal(err)
		}
	}
	if n, _ := kept.count(); n != 10000 {
		t.Errorf("%d records are kept, want all 10000", n)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	f.Run(ended)
	if !strings.Contains(text.String(), "dropped=10000") {
		t.Errorf("log = %s, want all 10000 copies told as dropped", &text)
	}
}

// TestSyslogSendsOnlyWhatIsKept has a trail that can't be written.
func TestSyslogSendsOnlyWhatIsKept(t *testing.T) {
	var text bytes.Buffer
	f, err := audit.NewForwarder(&shelf{err: context.DeadlineExceeded}, "udp://127.0.0.1:1", nil, slog.New(slog.NewTextHandler(&text, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.AppendAudit(t.Context(), told()); err == nil {
		t.Error("AppendAudit of what can't be kept = nil, want the error")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	f.Run(ended)
	if text.Len() > 0 {
		t.Errorf("log = %s, want nothing to be queued", &text)
	}
}

func TestParseSyslog(t *testing.T) {
	for _, c := range []struct{ in, network, address string }{
		{"udp://log", "udp", "log:514"},
		{"tcp://log:1", "tcp", "log:1"},
		{"tls://[::1]", "tls", "[::1]:6514"},
		{"http://log", "", ""},
		{"log:514", "", ""},
		{"udp://", "", ""},
		{"udp://user:secret@log", "", ""},
		{"udp://log/path", "", ""},
		{"udp://log?x=1", "", ""},
		{"", "", ""},
	} {
		network, address, err := audit.ParseSyslog(c.in)
		if network != c.network || address != c.address || (err != nil) != (c.network == "") {
			t.Errorf("ParseSyslog(%q) = %q, %q, %v, want %q, %q", c.in, network, address, err, c.network, c.address)
		}
	}
}
