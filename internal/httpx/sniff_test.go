package httpx_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/httpx"
)

const sniffTimeout = 200 * time.Millisecond

// serve starts a server behind the sniffing listener and returns its address.
func serve(t *testing.T, overTLS bool) (addr string, client *http.Client) {
	t.Helper()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
		_, _ = io.WriteString(w, r.Proto)
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	s := httpx.Sniffing{Timeout: sniffTimeout}
	if overTLS {
		srv.EnableHTTP2 = true
		srv.Listener = s.ExpectTLS(srv.Listener)
		srv.StartTLS()
	} else {
		srv.Listener = s.ExpectPlain(srv.Listener)
		srv.Start()
	}
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String(), srv.Client()
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSniffLetsTheRightProtocolThrough(t *testing.T) {
	plain, client := serve(t, false)
	if got := post(t, client, "http://"+plain); got != "bodyHTTP/1.1" {
		t.Errorf("POST to the plain port = %q, want the body and HTTP/1.1", got)
	}
	secure, client := serve(t, true)
	if got := post(t, client, "https://"+secure); got != "bodyHTTP/2.0" {
		t.Errorf("POST to the TLS port = %q, want the body and HTTP/2.0", got)
	}
}

func post(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", url, strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTLSOnThePlainPort(t *testing.T) {
	addr, _ := serve(t, false)
	req, err := http.NewRequestWithContext(t.Context(), "GET", "https://"+addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err == nil {
		err = resp.Body.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") {
		t.Errorf("https on the plain port = %v, want the error on which docker falls back", err)
	}
}

func TestPlainOnTheTLSPort(t *testing.T) {
	addr, _ := serve(t, true)
	for name, row := range map[string]struct{ send, want string }{
		"GET":             {"GET /v2/ HTTP/1.1\r\nHost: reg.example:8443\r\n\r\n", "use https://reg.example:8443"},
		"POST with body":  {"POST /v2/ HTTP/1.1\r\nHost: reg.example:8443\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 100_000), "use https://reg.example:8443"},
		"no host":         {"GET /v2/ HTTP/1.0\r\n\r\n", "use https://"},
		"host that lies":  {"GET /v2/ HTTP/1.1\r\nHost: <script>\r\n\r\n", "use https://"},
		"never ends":      {"GET /v2/ HTTP/1.1\r\nHost: reg.exa", "use https://"},
		"larger than all": {"GET /" + strings.Repeat("x", 40_000) + " HTTP/1.1\r\n\r\n", "use https://"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, addr)
			defer c.Close()
			go func() { _, _ = io.WriteString(c, row.send) }()
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			var list body
			if err != nil || json.Unmarshal(b, &list) != nil || len(list.Errors) != 1 {
				t.Fatalf("body = %q (%v), want one error", b, err)
			}
			if got := list.Errors[0].Message; resp.StatusCode != 400 || !strings.HasSuffix(got, row.want) {
				t.Errorf("plain HTTP on the TLS port = %d %q, want 400 …%s", resp.StatusCode, got, row.want)
			}
		})
	}
}

func TestSilentClientIsDropped(t *testing.T) {
	for _, overTLS := range []bool{false, true} {
		addr, client := serve(t, overTLS)
		silent := dial(t, addr)
		defer silent.Close()
		// The silent client keeps nobody from being served.
		scheme := map[bool]string{false: "http://", true: "https://"}[overTLS]
		post(t, client, scheme+addr)
		if err := silent.SetReadDeadline(time.Now().Add(10 * sniffTimeout)); err != nil {
			t.Fatal(err)
		}
		if _, err := silent.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("silent client over TLS=%v read %v, want to be cut off", overTLS, err)
		}
	}
}

func TestSniffLeavesNoGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("clients", func(t *testing.T) {
		addr, _ := serve(t, true)
		for range 20 {
			c := dial(t, addr)
			_, _ = io.WriteString(c, "GET / HT")
			_ = c.Close()
		}
	})
	http.DefaultClient.CloseIdleConnections()
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("goroutines = %d, want at most the %d from before", runtime.NumGoroutine(), before)
}

// The owner's deadlines hold: a deadline that was set before the first byte is neither lost nor shortened for good.
func TestSniffKeepsDeadlines(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	l = httpx.Sniffing{Timeout: 50 * time.Millisecond}.ExpectPlain(l)
	client := dial(t, l.Addr().String())
	defer client.Close()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(client, "G"); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1)
	if _, err := c.Read(b); err != nil || b[0] != 'G' {
		t.Fatalf("first Read = %q, %v, want G", b, err)
	}
	time.AfterFunc(100*time.Millisecond, func() { _, _ = io.WriteString(client, "E") })
	if _, err := c.Read(b); err != nil || b[0] != 'E' {
		t.Errorf("Read after the sniff's deadline = %q, %v, want E", b, err)
	}
	if err := c.SetDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read after the owner's deadline = %v, want a timeout", err)
	}
}

// A file sent on a wrapped connection still takes the kernel's path, and half-closing works.
func TestSniffPassesOnWhatTheServerLooksFor(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	l = httpx.Sniffing{Timeout: time.Second}.ExpectPlain(l)
	client := dial(t, l.Addr().String())
	defer client.Close()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	whole, ok := c.(interface {
		io.ReaderFrom
		CloseWrite() error
	})
	if !ok {
		t.Fatalf("connection is %T, want one with ReadFrom and CloseWrite", c)
	}
	if _, err := whole.ReadFrom(strings.NewReader("sent")); err != nil {
		t.Fatal(err)
	}
	if err := whole.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(client); err != nil || string(b) != "sent" {
		t.Errorf("client read %q, %v, want sent and the end", b, err)
	}
}
