package main

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/leodido/go-syslog/v4/rfc5424"

	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/settings"
	"github.com/sealock/sealock/store"
)

// TestOldRecordsAreDropped looks at the trail a year later.
func TestOldRecordsAreDropped(t *testing.T) {
	s := startLogged(t, slog.New(slog.DiscardHandler), settings.Sources{Environ: []string{"SEALOCK_ADMIN_PASSWORD=" + testPassword}, Flags: map[string]string{"data_dir": t.TempDir()}})
	s.call(t, "admin", testPassword, "POST", "/api/v2.0/projects", `{"project_name":"team"}`)
	if err := s.dropOldRecords(t.Context(), time.Now().Add(300*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got := operationsOf(t, s); !strings.Contains(got, "project.create") || strings.Contains(got, "audit.drop") {
		t.Errorf("records before their time = %s, want all, and nothing dropped", got)
	}
	if err := s.dropOldRecords(t.Context(), time.Now().Add(366*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got := operationsOf(t, s); got != "audit.drop" {
		t.Errorf("records a year later = %s, want that they were dropped", got)
	}
	report, err := s.store.Verify(t.Context(), nil, nil)
	if err != nil || len(report.Faults) > 0 {
		t.Errorf("Verify after records were dropped = %+v, %v, want no fault", report.Faults, err)
	}
	s.cfg.Audit.Keep = 0
	if err := s.dropOldRecords(t.Context(), time.Now().Add(10000*24*time.Hour)); err != nil || operationsOf(t, s) != "audit.drop" {
		t.Errorf("records that are kept for ever = %s, %v, want what was there", operationsOf(t, s), err)
	}
}

func operationsOf(t *testing.T, s *system) string {
	t.Helper()
	var all []string
	for r, err := range s.store.ListAudit(t.Context(), store.Filter{Sort: "id"}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r.Operation)
	}
	return strings.Join(all, " ")
}

// TestPullsAreSampled notes many pulls at each setting.
func TestPullsAreSampled(t *testing.T) {
	for _, c := range []struct {
		pulls     string
		low, high int
	}{{"all", 2000, 2000}, {"1/10", 100, 320}, {"none", 0, 0}} {
		every, ok := settings.Audit{Pulls: c.pulls}.PullsEvery()
		if !ok {
			t.Fatalf("PullsEvery of %q is not known", c.pulls)
		}
		kept := &countingAppender{}
		p := pulls{trail: audit.NewBatcher(kept, 4096), every: every}
		if note := p.note(); note != nil {
			for range 2000 {
				note(audit.Record{Operation: "artifact.pull"})
			}
		}
		p.trail.Close()
		if kept.n < c.low || kept.n > c.high || p.missed.Load() > 0 {
			t.Errorf("pulls: %s keeps %d of 2000, want %d to %d", c.pulls, kept.n, c.low, c.high)
		}
	}
	for _, bad := range []string{"", "1/0", "1/-1", "1/x", "2/3", "some"} {
		if _, ok := (settings.Audit{Pulls: bad}).PullsEvery(); ok {
			t.Errorf("PullsEvery of %q is known, want it refused", bad)
		}
	}
}

// TestSyslogGetsACopy runs a server that forwards its trail.
func TestSyslogGetsACopy(t *testing.T) {
	conn, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	s := startLogged(t, slog.New(slog.DiscardHandler), settings.Sources{
		Environ: []string{"SEALOCK_ADMIN_PASSWORD=" + testPassword},
		Flags:   map[string]string{"data_dir": t.TempDir(), "audit.syslog": "udp://" + conn.LocalAddr().String()},
	})
	s.call(t, "admin", testPassword, "POST", "/api/v2.0/projects", `{"project_name":"team"}`)
	buffer := make([]byte, 4096)
	for {
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		n, _, err := conn.ReadFrom(buffer)
		if err != nil {
			t.Fatalf("the record of the project did not come: %v", err)
		}
		m, err := rfc5424.NewParser().Parse(buffer[:n])
		if err != nil {
			t.Fatalf("datagram %q: %v", buffer[:n], err)
		}
		got, ok := m.(*rfc5424.SyslogMessage)
		if !ok {
			t.Fatalf("message is %T", m)
		}
		if data := (*got.StructuredData)["audit@0"]; data["operation"] == "project.create" && strings.Contains(*got.Message, "project:team") {
			if data["actor"] != "admin" || data["outcome"] != "allowed" || len(data["hash"]) != 64 || strings.Contains(string(buffer[:n]), testPassword) {
				t.Errorf("copy = %q, want who did it, and its place in the chain", buffer[:n])
			}
			return
		}
	}
}

// countingAppender keeps nothing but the number of records.
type countingAppender struct{ n int }

func (c *countingAppender) AppendAudit(_ context.Context, records []audit.Record) error {
	c.n += len(records)
	return nil
}
