package acme_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	ca "github.com/mholt/acmez/v3/acme"
	"go.uber.org/zap"

	"github.com/sealock/sealock/internal/acme"
)

// What a CA refuses is said in words that name the remedy, without what the CA wrote.
func TestReasons(t *testing.T) {
	said := func(kind string) error {
		return fmt.Errorf("wrapped: %w", ca.Problem{Type: acme.ProblemPrefix + kind, Status: 400, Detail: "some detail"})
	}
	for _, tt := range []struct {
		name         string
		err          error
		what, remedy string
	}{
		{"no way here", said("connection"), "can't reach this server", "port 80"},
		{"no name", said("dns"), "can't find the name", "A or AAAA record"},
		{"somebody else", said("unauthorized"), "somebody else answers", "AAAA records"},
		{"somebody else's TLS", said("tls"), "somebody else answers", "ends TLS"},
		{"CAA", said("caa"), "CAA record", "tls.acme.directory"},
		{"too often", said("rateLimited"), "too often", "wait"},
		{"no account", said("externalAccountRequired"), "have an account there", "eab_key_id"},
		{"no name that it takes", said("rejectedIdentifier"), "gives no certificate for that name", "tls.acme.hosts"},
		{"no address", said("invalidContact"), "e-mail address", "tls.acme.email"},
		{"its own fault", said("serverInternal"), "a fault of its own", "wait"},
		{"another refusal", said("badCSR"), "the CA refuses", "in the log"},
		{"no trust", &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, "not trusted here", "tls.acme.ca_file"},
		{"no answer", &net.OpError{Op: "dial", Err: errors.New("connection refused")}, "does not answer", "HTTPS_PROXY"},
		{"no disk", fmt.Errorf("failed storage check: %w", &fs.PathError{Op: "open", Path: "/x", Err: fs.ErrPermission}), "folder acme", "in the log"},
		{"no directory", errors.New("provisioning client: HTTP 404"), "no directory of a CA", "tls.acme.directory"},
		{"anything", errors.New("something"), "in vain", "in the log"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := acme.Reason(tt.err)
			if !strings.Contains(got.Message, tt.what) || !strings.Contains(got.Hint, tt.remedy) || !errors.Is(got, tt.err) {
				t.Errorf("reason(%v) = %v, want %q, %q and the cause", tt.err, got, tt.what, tt.remedy)
			}
			if strings.Contains(got.Public(), "detail") {
				t.Errorf("reason(%v) shows %q, want nothing of what the CA wrote", tt.err, got.Public())
			}
		})
	}
}

// Closing the storage waits for what holds a lock, and nothing begins after it.
func TestStorageWaits(t *testing.T) {
	s := acme.NewStorage(t.TempDir())
	if err := s.Lock(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	other := acme.NewStorage(s.Path) // another process
	if ok, err := other.TryLock(t.Context(), "one"); ok || err != nil {
		t.Errorf("TryLock() of what another has = %v, %v, want false", ok, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := other.Lock(ctx, "one"); err == nil {
		t.Error("Lock() of what another has = nil, want an error when ctx ends")
	}
	other.End() // it holds nothing
	closed := make(chan struct{})
	go func() { defer close(closed); s.End() }()
	select {
	case <-closed:
		t.Fatal("close() returned while a lock was held")
	case <-time.After(50 * time.Millisecond):
	}
	if err := s.Unlock(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	<-closed
	if err := s.Lock(t.Context(), "two"); !errors.Is(err, acme.ErrClosed) {
		t.Errorf("Lock() after close() = %v, want %v", err, acme.ErrClosed)
	}
	if _, err := s.TryLock(t.Context(), "two"); !errors.Is(err, acme.ErrClosed) {
		t.Errorf("TryLock() after close() = %v, want %v", err, acme.ErrClosed)
	}
}

func TestBridge(t *testing.T) {
	var out bytes.Buffer
	at := func(level slog.Level) *zap.Logger {
		out.Reset()
		return acme.Bridged(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: level}))).Named("x").With(zap.String("b", "1"))
	}
	at(slog.LevelInfo).Info("step by step")
	if out.Len() > 0 {
		t.Errorf("Info() logs %q at level info, want nothing", &out)
	}
	at(slog.LevelDebug).Info("step by step", zap.Strings("names", []string{"r"}), zap.Duration("a", time.Second))
	if got := out.String(); !strings.Contains(got, `level=DEBUG msg="acme: step by step" b=1 a=1s names=[r]`) {
		t.Errorf("Info() logs %q at level debug, want its fields in order", got)
	}
	at(slog.LevelInfo).Error("failed", zap.Error(errors.New("why")))
	if got := out.String(); !strings.Contains(got, `level=INFO msg="acme: failed" b=1 error=why`) {
		t.Errorf("Error() logs %q, want it at info", got)
	}
}

func TestListenHost(t *testing.T) {
	for _, tt := range []struct{ http, tls, host string }{
		{":80", ":443", ""},
		{"0.0.0.0:80", "[::]:443", ""},
		{":80", "10.0.0.1:443", "10.0.0.1"},
		{"[2001:db8::1]:80", "", "2001:db8::1"},
		{"", "localhost:8443", "localhost"},
	} {
		if got := acme.ListenHost(tt.http, tt.tls); got != tt.host {
			t.Errorf("listenHost(%q, %q) = %q, want %q", tt.http, tt.tls, got, tt.host)
		}
	}
	if got := acme.Port("10.0.0.1:8080"); got != 8080 || acme.Port("") != 0 {
		t.Errorf("port() = %d and %d, want 8080 and 0", got, acme.Port(""))
	}
}
