package proxy

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
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

// FuzzRedirectTarget sends clients to what a registry may say: to a whole URL of the web, and never with their token.
func FuzzRedirectTarget(f *testing.F) {
	const token = "eyJ.eyJ.sig"
	for _, location := range []string{
		"https://bucket.example.com/data?X-Amz-Signature=1", "/v2/", "//evil.example", `\\evil.example`, "javascript://x/%0aalert(1)", "http:evil", "http:///x", "https://u:p@h/",
		"?t=" + token, "https://h/?t=eyJ%2EeyJ.sig", "data:text/html,x", "HTTPS://H", "http://[::1", "", "http://h/://x", "ftp://h/http://x", "htm/s://", "//::",
	} {
		f.Add(location)
	}
	s, err := NewSeparate(SeparateConfig{URL: "http://registry.example:5000", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(s.Close)
	f.Fuzz(func(t *testing.T, location string) {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://registry.example:5000/v2/team/app/blobs/x", nil)
		req.Header.Set("Authorization", "Bearer "+token)
		got, err := s.redirectTarget(req, &http.Response{Header: http.Header{"Location": {location}}, Request: req})
		if err != nil {
			return
		}
		u, err := url.Parse(got)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Contains(got, token) {
			t.Errorf("redirectTarget(%q) = %q (%v), want a URL of the web without the token", location, got, err)
		}
	})
}

// FuzzDecide wants every write at home, whatever the host is called, and reads nowhere but at home or where the host leads.
func FuzzDecide(f *testing.F) {
	home, mine, mirror := &Separate{name: "default"}, &Separate{name: "mine"}, &Separate{name: "mirror"}
	s, err := NewSeveral(Member{Upstream: home}, Member{Name: "mine", Upstream: mine, Projects: []string{"mine", "m-*"}}, Member{Name: "mirror", Upstream: mirror, Hosts: []string{"mirror.example"}})
	if err != nil {
		f.Fatal(err)
	}
	for _, host := range []string{"mirror.example", "MIRROR.example:8080", "mirror.example.", "[mirror.example]:1", "mirror.example::", "hub.example", ""} {
		for _, path := range []string{"/v2/team/app/manifests/v1", "/v2/mine/app/blobs/uploads/", "/v2/m-x/blobs/uploads/1", "/v2/m-/x/tags/list", "/v2/Mine/app/tags/list", "/v2/_catalog"} {
			f.Add(host, http.MethodGet, path)
			f.Add(host, http.MethodPut, path)
		}
	}
	f.Fuzz(func(t *testing.T, host, method, path string) {
		q, err := parsePath(path)
		if err != nil {
			return
		}
		q.Method = method
		want := home
		if project, _, _ := strings.Cut(q.Repository, "/"); project == "mine" || strings.HasPrefix(project, "m-") {
			want = mine
		}
		to := s.decide(host, q)
		leads := s.ofHost(host) != nil
		if leads && !strings.Contains(strings.ToLower(host), "mirror.example") {
			t.Errorf("ofHost(%q) leads to a registry, want it to be for its name alone", host)
		}
		writes := method != http.MethodGet && method != http.MethodHead || q.Kind == KindUpload || q.Kind == KindUploads
		switch {
		case q.Repository == "":
		case to.Upstream == want && !to.away && (to.strays == (leads && writes) || !leads):
		case to.Upstream == mirror && to.away && !to.strays && leads && !writes:
		default:
			t.Errorf("decide(%q, %s %s) = %v, away %v, strays %v, want home or what the host leads to", host, method, path, to.Name, to.away, to.strays)
		}
	})
}

// FuzzReferrersAfter reads what stands in a Link: a number that a list can have, or nothing.
func FuzzReferrersAfter(f *testing.F) {
	for _, query := range []string{"last=0", "last=17", "last=-1", "last=9223372036854775808", "last=+1", "last=1&last=2", "last=", "last=0x1", "n=1"} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		after, err := referrersAfter(values)
		if after < 0 || err != nil && after != 0 {
			t.Errorf("referrersAfter(%q) = %d, %v, want no number below 0", query, after, err)
		}
		if again, err2 := referrersAfter(url.Values{"last": {strconv.FormatInt(after, 10)}}); again != after || err2 != nil {
			t.Errorf("referrersAfter(%d) = %d, %v, want the same", after, again, err2)
		}
	})
}
