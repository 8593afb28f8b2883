package proxy

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"testing"
)

// TestStorageAdmits looks at addresses that this machine has not, for registries that are elsewhere.
func TestStorageAdmits(t *testing.T) {
	for _, row := range []struct {
		registry string
		hosts    []string
		at       string
		want     bool
	}{
		{"http://192.0.2.9:5000", nil, "192.0.2.7:9000", true},
		{"http://192.0.2.9:5000", nil, "10.1.2.3:9000", true},
		{"http://192.0.2.9:5000", nil, "[2001:db8::1]:443", true},
		{"http://192.0.2.9:5000", nil, "127.0.0.1:9000", false},
		{"http://192.0.2.9:5000", nil, "[::1]:9000", false},
		{"http://192.0.2.9:5000", nil, "[::ffff:127.0.0.1]:9000", false},
		{"http://192.0.2.9:5000", nil, "[64:ff9b::7f00:1]:80", false},
		{"http://192.0.2.9:5000", nil, "[64:ff9b::c000:207]:80", true},
		{"http://192.0.2.9:5000", nil, "[2002:7f00:1::]:80", false},
		{"http://192.0.2.9:5000", nil, "0.0.0.0:80", false},
		{"http://192.0.2.9:5000", nil, "0.1.2.3:80", false},
		{"http://192.0.2.9:5000", nil, "[::]:80", false},
		{"http://192.0.2.9:5000", nil, "[fe80::1]:80", false},
		{"http://192.0.2.9:5000", nil, "169.254.169.254:80", false},
		{"http://127.0.0.1:5000", nil, "169.254.169.254:80", false},
		{"http://127.0.0.1:5000", nil, "127.0.0.1:9000", true},
		{"http://127.0.0.1:5000", nil, "[::1]:9000", true},
		{"http://localhost:5000", nil, "127.0.0.1:9000", true},
		{"http://169.254.7.7:5000", nil, "169.254.7.7:9000", true},
		{"http://169.254.7.7:5000", nil, "169.254.169.254:80", false},
		{"http://192.0.2.9:5000", []string{"127.0.0.1"}, "127.0.0.1:9000", true},
		{"http://192.0.2.9:5000", []string{"127.0.0.1"}, "127.0.0.2:9000", false},
		{"http://192.0.2.9:5000", []string{"127.0.0.0/8"}, "127.0.0.2:9000", true},
		{"http://192.0.2.9:5000", []string{"::ffff:127.0.0.1"}, "127.0.0.1:9000", true},
	} {
		base, err := registryURL(row.registry)
		if err != nil {
			t.Fatal(err)
		}
		s, err := newStorage([]*address{{base: base}}, row.hosts)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.admit(t.Context(), row.at); (err == nil) != row.want {
			t.Errorf("registry %s, listed %q: admit(%s) = %v, want %v", row.registry, row.hosts, row.at, err, row.want)
		}
	}
}

// TestListedStorageHost wants a host that the settings list, whatever its address is, and others looked at when they are dialled.
func TestListedStorageHost(t *testing.T) {
	store := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(store.Close)
	port := netip.MustParseAddrPort(store.Listener.Addr().String()).Port()
	base, err := registryURL("http://192.0.2.9:5000")
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{"localhost": true, "LOCALHOST": true, "127.0.0.1": false} {
		s, err := newStorage([]*address{{base: base}}, []string{"localhost"})
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.dial(t.Context(), "tcp4", netip.AddrPortFrom(netip.IPv4Unspecified(), port).String())
		if err == nil {
			_ = c.Close()
			t.Error("an address that is none was dialled")
		}
		c, err = s.dial(t.Context(), "tcp4", hostAt(host, port))
		if (err == nil) != want {
			t.Errorf("dial(%s) = %v, want %v", host, err, want)
		}
		if err == nil {
			_ = c.Close()
		}
	}
}

// TestEncryptionIsNotLeft follows from https to http where the settings list the host alone.
func TestEncryptionIsNotLeft(t *testing.T) {
	store := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(store.Close)
	to, err := url.Parse(store.URL)
	if err != nil {
		t.Fatal(err)
	}
	for hosts, want := range map[string]bool{"": false, "127.0.0.1": true} {
		var listed []string
		if hosts != "" {
			listed = append(listed, hosts)
		}
		s, err := NewSeparate(SeparateConfig{URL: "https://127.0.0.1:1", FollowRedirects: true, StorageHosts: listed, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		resp, err := s.fetch(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil), to, s.base)
		if (err == nil) != want {
			t.Errorf("from https to %s with %q listed = %v, want %v", to, hosts, err, want)
		}
		if err == nil {
			_ = resp.Body.Close()
		}
	}
}

func hostAt(host string, port uint16) string { return net.JoinHostPort(host, strconv.Itoa(int(port))) }
