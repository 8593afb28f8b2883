package httpx_test

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/httpx"
)

func request(host, remote string, header http.Header) *http.Request {
	r := httptest.NewRequestWithContext(context.Background(), "GET", "/v2/", nil)
	r.Host, r.RemoteAddr, r.Header = host, remote, header
	return r
}

func trusted(t *testing.T, list ...string) httpx.TrustedProxies {
	t.Helper()
	p, err := httpx.ParseTrustedProxies(list)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestClientIP(t *testing.T) {
	proxies := trusted(t, "10.0.0.0/8", "127.0.0.1", "fd00::/8")
	for _, row := range []struct {
		name, remote, want string
		forwarded          []string
	}{
		{"no proxy", "203.0.113.9:4711", "203.0.113.9", nil},
		{"a stranger's word", "203.0.113.9:4711", "203.0.113.9", []string{"1.2.3.4"}},
		{"one proxy", "10.0.0.1:80", "203.0.113.9", []string{"203.0.113.9"}},
		{"the rightmost that is not trusted", "10.0.0.1:80", "203.0.113.9", []string{"1.2.3.4, 203.0.113.9, 10.0.0.2"}},
		{"several lines", "10.0.0.1:80", "203.0.113.9", []string{"1.2.3.4", "203.0.113.9", "10.0.0.2"}},
		{"all trusted", "10.0.0.1:80", "10.0.0.9", []string{"10.0.0.9, 10.0.0.2"}},
		{"garbage ends it", "10.0.0.1:80", "10.0.0.2", []string{"203.0.113.9, <script>, 10.0.0.2"}},
		{"trusted and silent", "10.0.0.1:80", "10.0.0.1", nil},
		{"with a port", "127.0.0.1:80", "203.0.113.9", []string{"203.0.113.9:5000"}},
		{"IPv6 in brackets", "[fd00::1]:80", "2001:db8::1", []string{"[2001:db8::1]"}},
		{"IPv6 with a port", "[fd00::1]:80", "2001:db8::1", []string{"[2001:db8::1]:443"}},
		{"IPv4 in IPv6", "[::ffff:10.0.0.1]:80", "203.0.113.9", []string{"::ffff:203.0.113.9"}},
		{"unix socket", "@", "@", []string{"1.2.3.4"}},
	} {
		r := request("h", row.remote, http.Header{"X-Forwarded-For": row.forwarded, "Forwarded": {"for=6.6.6.6"}})
		if got := proxies.ClientIP(r); got != row.want {
			t.Errorf("%s: ClientIP(%q, %q) = %q, want %q", row.name, row.remote, row.forwarded, got, row.want)
		}
	}
}

func TestParseTrustedProxies(t *testing.T) {
	if _, err := httpx.ParseTrustedProxies([]string{"10.0.0.0/33"}); !errs.Is(err, errs.Invalid) {
		t.Errorf("ParseTrustedProxies(10.0.0.0/33) = %v, want an Invalid error", err)
	}
}

func TestOrigins(t *testing.T) {
	list := []string{"https://reg.example.com", "http://localhost:8080", "https://other.example.com:8443/", "https://[2001:db8::1]:5000"}
	origins, err := httpx.NewOrigins(list, trusted(t, "10.0.0.0/8"))
	if err != nil {
		t.Fatal(err)
	}
	const stranger, proxy = "203.0.113.9:1", "10.0.0.1:1"
	for _, row := range []struct {
		name, host, remote string
		header             http.Header
		tls                bool
		want               string
	}{
		{"first", "reg.example.com", stranger, nil, true, "https://reg.example.com"},
		{"default port is none", "REG.example.com:443", stranger, nil, true, "https://reg.example.com"},
		{"second", "localhost:8080", stranger, nil, false, "http://localhost:8080"},
		{"with a port", "other.example.com:8443", stranger, nil, true, "https://other.example.com:8443"},
		{"IPv6", "[2001:DB8::1]:5000", stranger, nil, true, "https://[2001:db8::1]:5000"},
		{"TLS ends before us and nobody says so", "reg.example.com", stranger, nil, false, "https://reg.example.com"},
		{"not in the list", "evil.example", stranger, nil, true, "https://reg.example.com"},
		{"no host", "", stranger, nil, true, "https://reg.example.com"},
		{"a stranger's X-Forwarded-Host", "localhost:8080", stranger, http.Header{"X-Forwarded-Host": {"other.example.com:8443"}}, false, "http://localhost:8080"},
		{"a trusted proxy's", "backend:80", proxy, http.Header{"X-Forwarded-Host": {"other.example.com:8443"}, "X-Forwarded-Proto": {"https"}}, false, "https://other.example.com:8443"},
		{"a trusted proxy's that is not in the list", "localhost:8080", proxy, http.Header{"X-Forwarded-Host": {"evil.example"}}, false, "http://localhost:8080"},
		{"a list of hosts", "backend:80", proxy, http.Header{"X-Forwarded-Host": {"evil.example, localhost:8080"}}, false, "http://localhost:8080"},
		{"a list of schemes", "reg.example.com", proxy, http.Header{"X-Forwarded-Proto": {"https,http"}}, false, "https://reg.example.com"},
		{"Forwarded", "localhost:8080", proxy, http.Header{"Forwarded": {"host=reg.example.com;proto=https"}}, false, "http://localhost:8080"},
	} {
		r := request(row.host, row.remote, row.header)
		if row.tls {
			r.TLS = &tls.ConnectionState{}
		}
		if got := origins.Of(r).String(); got != row.want {
			t.Errorf("%s: Of(%q) = %q, want %q", row.name, row.host, got, row.want)
		}
	}
	if got := origins.List()[2].String(); got != "https://other.example.com:8443" {
		t.Errorf("List()[2] = %q, want it without the slash", got)
	}
}

func TestOriginsPreferTheRequestsScheme(t *testing.T) {
	origins, err := httpx.NewOrigins([]string{"https://reg.example.com", "http://reg.example.com"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := origins.Of(request("reg.example.com", "203.0.113.9:1", nil)).String(); got != "http://reg.example.com" {
		t.Errorf("Of(plain request) = %q, want http://reg.example.com", got)
	}
}

func TestNewOriginsRefuses(t *testing.T) {
	for _, list := range [][]string{nil, {"reg.example.com"}, {"ftp://reg.example.com"}, {"https://"}, {"https://u:p@h"}, {"https://h/path"}, {"https://h?x"}, {"https://h#x"}, {"http://[::1"}} {
		if _, err := httpx.NewOrigins(list, nil); !errs.Is(err, errs.Invalid) || errs.As(err).Hint == "" {
			t.Errorf("NewOrigins(%q) = %v, want an Invalid error with a hint", list, err)
		}
	}
}
