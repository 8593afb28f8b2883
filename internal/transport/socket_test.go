package transport_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/transport"
)

// whoever answers with the address that the server sees.
func whoever(t *testing.T, l net.Listener) {
	t.Helper()
	s := &httptest.Server{Listener: l, Config: &http.Server{
		ReadHeaderTimeout: time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.RemoteAddr) }),
	}}
	s.Start()
	t.Cleanup(s.Close)
}

// ask sends text and returns the answer's body, or its status if that is not 200.
func ask(t *testing.T, c net.Conn, text string) string {
	t.Helper()
	defer c.Close()
	if _, err := io.WriteString(c, text); err != nil {
		return "cut"
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return "cut"
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Sprint(resp.StatusCode)
	}
	return string(body)
}

const get = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	listen := func() (*transport.Socket, error) {
		return transport.Listen(t.Context(), "unix:"+path, 0o600, &transport.Legacy{})
	}
	killed, err := listen()
	if err != nil {
		t.Fatal(err)
	}
	_ = killed.Close() // and the file stays, as after a kill
	l, err := listen()
	if err != nil {
		t.Fatalf("Listen() on a socket that nobody has = %v, want it taken", err)
	}
	whoever(t, l)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket's mode is %v (%v), want 0600", info.Mode(), err)
	}
	if _, err := listen(); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("Listen() on a socket in use = %v, want EADDRINUSE", err)
	}
	c, err := (&net.Dialer{}).DialContext(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if got := ask(t, c, get); got != "127.0.0.1:0" {
		t.Errorf("a client of the unix socket comes from %q, want 127.0.0.1:0", got)
	}
	if err := l.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Remove(), there is still a socket (%v)", err)
	}
}

// A file that is no socket is nobody's to remove.
func TestUnixSocketOverAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	write(t, path, []byte("mine"))
	if _, err := transport.Listen(context.Background(), "unix:"+path, 0o600, &transport.Legacy{}); err == nil {
		t.Error("Listen() over a file succeeds, want an error")
	}
	if text, err := os.ReadFile(path); string(text) != "mine" {
		t.Errorf("the file holds %q (%v), want it left alone", text, err)
	}
}

func TestProxyProtocol(t *testing.T) {
	v2 := "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + "\xcb\x00\x71\x07" + "\x7f\x00\x00\x01" + "\x04\xd2\x01\xbb"
	for name, row := range map[string]struct {
		trusted, say, want string
	}{
		"version 1":              {"127.0.0.1", "PROXY TCP4 203.0.113.7 127.0.0.1 1234 443\r\n", "203.0.113.7:1234"},
		"version 2":              {"127.0.0.1", v2, "203.0.113.7:1234"},
		"version 1, unknown":     {"127.0.0.1", "PROXY UNKNOWN\r\n", "127.0.0.1"},
		"version 2, a check":     {"127.0.0.1", "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00", "127.0.0.1"},
		"nothing, and has to":    {"127.0.0.1", "", "cut"},
		"half of it":             {"127.0.0.1", "PROXY TCP4 203.0.113.7", "cut"},
		"garbage":                {"127.0.0.1", "PROXY TCP9 a b c d\r\n", "cut"},
		"version 1, a stranger":  {"192.0.2.1", "PROXY TCP4 203.0.113.7 127.0.0.1 1234 443\r\n", "400"},
		"version 2, a stranger":  {"192.0.2.1", v2, "400"},
		"nothing, from anywhere": {"192.0.2.1", "", "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := transport.Listen(t.Context(), "127.0.0.1:0", 0, &transport.Legacy{})
			if err != nil {
				t.Fatal(err)
			}
			trusted := netip.MustParseAddr(row.trusted)
			whoever(t, transport.ProxyProtocol{Trusted: func(a netip.Addr) bool { return a == trusted }, Timeout: 300 * time.Millisecond}.Listener(l))
			got := ask(t, dial(t, l.Addr().String()), row.say+get)
			if host, _, err := net.SplitHostPort(got); err == nil && row.want == "127.0.0.1" {
				got = host
			}
			if got != row.want {
				t.Errorf("a client that says %q comes from %q, want %q", row.say, got, row.want)
			}
		})
	}
}

// A load balancer that connects and says nothing keeps nobody else waiting.
func TestProxyProtocolWaitsForNobody(t *testing.T) {
	l, err := transport.Listen(t.Context(), "127.0.0.1:0", 0, &transport.Legacy{})
	if err != nil {
		t.Fatal(err)
	}
	whoever(t, transport.ProxyProtocol{Trusted: func(netip.Addr) bool { return true }, Timeout: time.Minute}.Listener(l))
	silent := dial(t, l.Addr().String())
	defer silent.Close()
	c := dial(t, l.Addr().String())
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if got := ask(t, c, "PROXY TCP4 203.0.113.7 127.0.0.1 1234 443\r\n"+get); got != "203.0.113.7:1234" {
		t.Errorf("a client beside a silent one comes from %q, want 203.0.113.7:1234", got)
	}
}
